"""Tests quickly whether a value fits a schema, without saying why it does not.

jsonschema explains the errors of an invalid spec, and is loaded only for one. Most specs are valid and never need it.
Each part of a schema is compiled once into a function. An unsupported keyword raises an error; it is never ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from mlops_ci.core.digest import canonical_json
from mlops_ci.spec.plugin_schema import OTHER_FIELDS, closed_schema

SchemaPredicate = Callable[[Any], bool]

_ANNOTATIONS = frozenset(
    {
        "$schema",
        "$id",
        "$defs",
        "title",
        "description",
        "default",
        "examples",
        "errorMessage",
        "patternErrorMessage",
        OTHER_FIELDS,
    }
)
_GROUPED_KEYWORDS = frozenset(
    {"properties", "additionalProperties", "if", "then", "else"}
)  # compiled together with their sibling keywords
_TYPE_PREDICATES: Mapping[str, SchemaPredicate] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: type(value) is int,
    "number": lambda value: type(value) in (int, float),
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "null": lambda value: value is None,
}
_BOUND_PREDICATES: Mapping[str, Callable[[Any], SchemaPredicate]] = {
    "minLength": lambda limit: lambda value: not isinstance(value, str) or len(value) >= limit,
    "maxLength": lambda limit: lambda value: not isinstance(value, str) or len(value) <= limit,
    "minItems": lambda limit: lambda value: not isinstance(value, list) or len(value) >= limit,
    "minProperties": lambda limit: lambda value: not isinstance(value, dict) or len(value) >= limit,
    "minimum": lambda limit: lambda value: type(value) not in (int, float) or value >= limit,
    "maximum": lambda limit: lambda value: type(value) not in (int, float) or value <= limit,
    "exclusiveMinimum": lambda limit: lambda value: type(value) not in (int, float) or value > limit,
    "exclusiveMaximum": lambda limit: lambda value: type(value) not in (int, float) or value < limit,
}


@cache
def schema_predicate(kind: str) -> SchemaPredicate:
    """Return a predicate that accepts the same documents of this kind as `schema_validator(kind)` does."""
    rules = closed_schema(kind)
    return compile_schema(rules, rules)


def compile_schema(rules: Mapping[str, Any] | bool, root: Mapping[str, Any]) -> SchemaPredicate:
    """Return the predicate of one part of a schema; its references are resolved in `root`.

    Raises ValueError for an unsupported keyword, and for an unsupported form of a supported keyword.
    """
    if isinstance(rules, bool):
        return lambda _: rules
    tests = [
        _compile_keyword(name, wanted, root)
        for name, wanted in rules.items()
        if name not in _ANNOTATIONS | _GROUPED_KEYWORDS
    ]
    if "properties" in rules or "additionalProperties" in rules:
        tests.append(_compile_properties(rules, root))
    if "if" in rules:
        tests.append(_compile_conditional(rules, root))
    return tests[0] if len(tests) == 1 else lambda value: _passes_all(tests, value)


def _passes_all(tests: list[SchemaPredicate], value: Any) -> bool:
    for test in tests:  # noqa: SIM110 - a generator takes twice as long, and this runs for every value
        if not test(value):
            return False
    return True


def _compile_keyword(name: str, wanted: Any, root: Mapping[str, Any]) -> SchemaPredicate:
    if name in _BOUND_PREDICATES:
        return _BOUND_PREDICATES[name](wanted)
    match name:
        case "type":
            return _compile_type(wanted)
        case "const":
            return _compile_enum([wanted])
        case "enum":
            return _compile_enum(wanted)
        case "pattern":
            search = re.compile(wanted.replace("$", r"\Z")).search
            return lambda value: not isinstance(value, str) or search(value) is not None
        case "required":
            return lambda value: not isinstance(value, dict) or all(field in value for field in wanted)
        case "uniqueItems":
            return lambda value: not (wanted and isinstance(value, list)) or _has_unique_items(value)
        case "items":
            item = compile_schema(wanted, root)
            return lambda value: not isinstance(value, list) or all(map(item, value))
        case "propertyNames":
            field = compile_schema(wanted, root)
            return lambda value: not isinstance(value, dict) or all(map(field, value))
        case "allOf" | "anyOf" | "oneOf":
            return _compile_combination(name, [compile_schema(part, root) for part in wanted])
        case "$ref":
            return _compile_reference(wanted, root)
        case _:
            raise ValueError(f"the schema keyword {name!r} is not supported here")


def _compile_type(wanted: str | list[str]) -> SchemaPredicate:
    if isinstance(wanted, str):
        return _TYPE_PREDICATES[wanted]
    kinds = [_TYPE_PREDICATES[name] for name in wanted]
    return lambda value: any(test(value) for test in kinds)


def _compile_enum(options: list[Any]) -> SchemaPredicate:
    """Return a test for one of several plain values. As in JSON, 1.0 equals 1 and `true` does not."""
    if not all(isinstance(option, str | int | float | bool) for option in options):
        raise ValueError("a constant that is a list or an object is not supported here")
    if all(isinstance(option, str) for option in options):
        words = frozenset(options)
        return lambda value: isinstance(value, str) and value in words
    return lambda value: any(isinstance(value, bool) == isinstance(one, bool) and value == one for one in options)


def _has_unique_items(items: list[Any]) -> bool:
    if all(isinstance(item, str) for item in items):
        return len(set(items)) == len(items)
    return len({canonical_json(item) for item in items}) == len(items)


def _compile_combination(name: str, parts: list[SchemaPredicate]) -> SchemaPredicate:
    if name == "allOf":
        return lambda value: _passes_all(parts, value)
    if name == "anyOf":
        return lambda value: any(part(value) for part in parts)
    return lambda value: sum(part(value) for part in parts) == 1


def _compile_properties(rules: Mapping[str, Any], root: Mapping[str, Any]) -> SchemaPredicate:
    """Return the test of an object's values: declared fields by their own schema, others by `additionalProperties`."""
    known = {name: compile_schema(part, root) for name, part in rules.get("properties", {}).items()}
    other = compile_schema(rules.get("additionalProperties", True), root)

    def test(value: Any) -> bool:
        if not isinstance(value, dict):
            return True
        for name, inner in value.items():  # noqa: SIM110 - as above
            if not known.get(name, other)(inner):
                return False
        return True

    return test


def _compile_conditional(rules: Mapping[str, Any], root: Mapping[str, Any]) -> SchemaPredicate:
    condition = compile_schema(rules["if"], root)
    then, otherwise = compile_schema(rules.get("then", True), root), compile_schema(rules.get("else", True), root)
    return lambda value: then(value) if condition(value) else otherwise(value)


def _compile_reference(name: str, root: Mapping[str, Any]) -> SchemaPredicate:
    where, _, part = name.rpartition("/")
    if where != "#/$defs":
        raise ValueError(f"the reference {name!r} does not point into '#/$defs'")
    compiled: list[SchemaPredicate] = []  # filled at the first use, because a part may refer to itself

    def test(value: Any) -> bool:
        if not compiled:
            compiled.append(compile_schema(root["$defs"][part], root))
        return compiled[0](value)

    return test
