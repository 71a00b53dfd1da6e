"""The JSON Schemas, read when they are first needed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any


def schema_file(kind: str) -> Traversable:
    """Return a kind's schema: in a wheel it lies inside the package, in a checkout beside it."""
    name = f"{kind.lower()}.schema.json"
    inside = files("mlops_ci") / "schemas" / "v1" / name
    return inside if inside.is_file() else Path(__file__).parents[2] / "schemas" / "v1" / name


@cache
def json_schema(kind: str) -> Mapping[str, Any]:
    """Return a kind's JSON Schema (draft 2020-12)."""
    loaded: Mapping[str, Any] = json.loads(schema_file(kind).read_text(encoding="utf-8"))
    return loaded
