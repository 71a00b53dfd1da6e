"""Holds every answer in JSON to the schema of its verb."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from tests.support.toolkit import ROOT

SCHEMAS = {path.name.removesuffix(".schema.json"): path for path in sorted((ROOT / "schemas/v1/output").iterdir())}


@cache
def _validator(name: str) -> Any:
    schema = json.loads(SCHEMAS[name].read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def schema_faults(answer: dict[str, Any], command: tuple[str, ...]) -> list[str]:
    """Return what an answer has that its schema does not allow; `command` are the words of the command line."""
    name = f"ci-{command[1]}" if command[0] == "ci" else command[0]
    return [f"{fault.json_path}: {fault.message[:300]}" for fault in _validator(name).iter_errors(answer)]
