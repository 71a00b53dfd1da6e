"""Reads the JSON Schemas of specs, each at its first use."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any


def schema_file(name: str) -> Traversable:
    """Return the file of a schema such as `model` or `sources/csv`.

    A wheel has the schemas inside the package; a checkout has them in `schemas/` beside the package.
    """
    path = f"{name.lower()}.schema.json"
    inside = files("mlops_ci") / "schemas" / "v1" / path
    return inside if inside.is_file() else Path(__file__).parents[2] / "schemas" / "v1" / path


@cache
def json_schema(kind: str) -> Mapping[str, Any]:
    """Return a kind's JSON Schema (draft 2020-12). References to other files are replaced by the files' contents."""
    loaded: Mapping[str, Any] = _with_files(json.loads(schema_file(kind).read_text(encoding="utf-8")))
    return loaded


def _with_files(rules: Any) -> Any:
    if isinstance(rules, list):
        return [_with_files(item) for item in rules]
    if not isinstance(rules, dict):
        return rules
    reference = rules.get("$ref")
    if isinstance(reference, str) and not reference.startswith("#"):
        part = json.loads(schema_file(reference.removesuffix(".schema.json")).read_text(encoding="utf-8"))
        return {name: rule for name, rule in part.items() if name not in ("$schema", "$id")}
    return {name: _with_files(rule) for name, rule in rules.items()}
