"""A validator for each kind, built when it is first needed: it says all that is wrong with a value, and takes its time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, ValidationError, validators
from jsonschema.protocols import Validator

from mlops_ci.core.digest import canonical_json
from mlops_ci.spec.plugin_schema import closed_schema


def is_valid_against(rules: Mapping[str, Any], value: Any) -> bool:
    """Tell whether a value fits a part of a schema that refers to no other part."""
    return Draft202012Validator(rules).is_valid(value)


def _unique_items_errors(validator: Validator, wanted: bool, value: Any, rules: Any) -> Iterator[ValidationError]:  # noqa: ARG001 - jsonschema's signature
    if wanted and isinstance(value, list) and len({canonical_json(item) for item in value}) < len(value):
        yield ValidationError("an item stands twice")


def _pattern_errors(validator: Validator, wanted: str, value: Any, rules: Any) -> Iterator[ValidationError]:  # noqa: ARG001 - the same
    if isinstance(value, str) and not re.search(wanted.replace("$", r"\Z"), value):
        yield ValidationError("the pattern does not match")


_STRICT_KEYWORDS = {"uniqueItems": _unique_items_errors, "pattern": _pattern_errors}


@cache
def schema_validator(kind: str) -> Validator:
    """Return the validator of a kind, whose types are the built-in ones."""
    return validator_of(closed_schema(kind))


def validator_of(rules: Mapping[str, Any]) -> Validator:
    """Return the validator of a schema.

    It is stricter than jsonschema's own: 1.0 is no whole number, and `$` in a pattern is the end of the text, as in the
    dialect of JSON Schema, not the place before a last line break. It is also linear where that one is quadratic.
    """
    checker = Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    extend: Any = validators.extend  # its stub has no types
    strict: Validator = extend(Draft202012Validator, _STRICT_KEYWORDS, type_checker=checker)(rules)
    return strict
