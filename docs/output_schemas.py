"""Makes the JSON Schema (draft 2020-12) of each verb's `--format json` answer from the types of its results."""

from __future__ import annotations

import dataclasses
import importlib
import json
import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from mlops_ci.cli.verbs import all_verbs
from mlops_ci.core.codec import to_camel_case
from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.errors import Exit
from mlops_ci.core.results.queries import RunningVersion
from mlops_ci.core.verbs import Verb

_TIME = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$",
}
_OBJECT_ID = {"type": "string", "pattern": "^([0-9a-f]{40}|[0-9a-f]{64})$", "description": "A git object id, in full."}
# fields whose text has a form, by their name in Python
_FORMS: Mapping[str, Mapping[str, Any]] = {
    **dict.fromkeys(("on", "since", "assigned_on", "released_on", "made_on", "taken_on", "trained_on"), _TIME),
    **dict.fromkeys(("oid", "run_oid"), _OBJECT_ID),
}
_PLAIN: Mapping[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean", types.NoneType: "null"}
# names that the quick results import for types alone
_NAMES = {"Mapping": Mapping, "RunningVersion": RunningVersion}


def output_schemas() -> dict[str, str]:
    """Return the schema files of all verbs by their path in schemas/v1/."""
    return {f"output/{file_name(verb)}": _text(_answer(verb)) for verb in all_verbs()}


def file_name(verb: Verb) -> str:
    """Return the name of the file that holds a verb's schema."""
    return f"{verb.command.replace(' ', '-')}.schema.json"


def _text(schema: Mapping[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _answer(verb: Verb) -> dict[str, Any]:
    """Return the schema of a verb's answer: with a record, or without one where the command could not answer."""
    function = getattr(importlib.import_module(verb.module), verb.name)
    defined: dict[str, Any] = {}
    records = [_schema(record, defined) for record in _record_types(get_type_hints(function)["return"])]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:mlops-ci:v1:output:{file_name(verb).removesuffix('.schema.json')}",
        "title": f"mlops-ci {verb.command} --format json",
        "description": f"{verb.summary} Without `record`, the command could not answer, and `diagnostics` say why.",
        "type": "object",
        "additionalProperties": False,
        "required": ["format", "verb", "exitCode", "diagnostics"],
        "properties": {
            "format": {"const": 1},
            "verb": {"const": verb.name},
            "exitCode": {"enum": sorted({code.value for code in Exit})},
            "record": records[0] if len(records) == 1 else {"anyOf": records},
            "diagnostics": {"type": "array", "items": _schema(Diagnostic, defined)},
            "plan": {
                "type": "array",
                "items": {"type": "string"},
                "description": "With --dry-run: what would be written.",
            },
        },
        "$defs": dict(sorted(defined.items())),
    }


def _record_types(hint: Any) -> list[Any]:
    """Return the types of the records in a step's return type: `Outcome[A | B]`, or stages that end with one."""
    if get_origin(hint) in (Union, types.UnionType):
        return [found for option in get_args(hint) for found in _record_types(option)]
    if (dataclasses.is_dataclass(hint) and get_origin(hint) is None) or hasattr(hint, "_fields"):
        return [hint]
    return _record_types(get_args(hint)[-1])


def _schema(hint: Any, defined: dict[str, Any]) -> dict[str, Any]:
    origin = get_origin(hint)
    if hint is Any:
        return {}
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    if origin is Literal:
        return {"enum": list(get_args(hint))}
    if origin in (Union, types.UnionType):
        return _union([_schema(option, defined) for option in get_args(hint)])
    if origin is tuple:
        items = get_args(hint)
        if items[-1] is Ellipsis:
            return {"type": "array", "items": _schema(items[0], defined)}
        return {"type": "array", "prefixItems": [_schema(item, defined) for item in items], "items": False}
    if origin is not None and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _schema(get_args(hint)[1], defined)}
    if hint.__name__ not in defined:
        defined[hint.__name__] = {}  # a type may hold itself
        defined[hint.__name__] = _object(hint, defined)
    return {"$ref": f"#/$defs/{hint.__name__}"}


def _union(options: list[dict[str, Any]]) -> dict[str, Any]:
    # sorted: Python takes two unions of the same types for one, and keeps the order of the first that it met
    plain = sorted(option["type"] for option in options if option.keys() == {"type"})
    others = sorted((option for option in options if option.keys() != {"type"}), key=json.dumps)
    if not others:
        return {"type": plain}
    return {"anyOf": [*others, *({"type": name} for name in plain)]} if len(options) > 1 else others[0]


def _object(hint: Any, defined: dict[str, Any]) -> dict[str, Any]:
    hints = get_type_hints(hint, localns=_NAMES)
    properties, required = {}, []
    for name in (field.name for field in dataclasses.fields(hint)) if dataclasses.is_dataclass(hint) else hint._fields:
        given = tuple(option for option in get_args(hints[name]) or (hints[name],) if option is not types.NoneType)
        is_optional = types.NoneType in get_args(hints[name])
        kind = Union[given] if is_optional else hints[name]  # noqa: UP007 - made of a list; a field that is None is left out
        properties[to_camel_case(name)] = {**_schema(kind, defined), **(_FORMS.get(name, {}) if kind is str else {})}
        required += [] if is_optional else [to_camel_case(name)]
    return {
        "type": "object",
        "description": " ".join((hint.__doc__ or "").split()),
        "additionalProperties": False,
        "required": required,
        "properties": properties,
    }
