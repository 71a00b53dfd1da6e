"""A jsonschema validator for each kind of spec, built at its first use.

It finds every error of a value, and is slow. `fast_check` first tests whether a spec has any error.
"""

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
    """Return whether a value fits a part of a schema. The part must not contain references."""
    return Draft202012Validator(rules).is_valid(value)


def _unique_items_errors(validator: Validator, wanted: bool, value: Any, rules: Any) -> Iterator[ValidationError]:  # noqa: ARG001 - jsonschema's signature
    if wanted and isinstance(value, list) and len({canonical_json(item) for item in value}) < len(value):
        yield ValidationError("two items are equal")


def _pattern_errors(validator: Validator, wanted: str, value: Any, rules: Any) -> Iterator[ValidationError]:  # noqa: ARG001 - the same
    if isinstance(value, str) and not re.search(wanted.replace("$", r"\Z"), value):
        yield ValidationError("the pattern does not match")


_STRICT_KEYWORDS = {"uniqueItems": _unique_items_errors, "pattern": _pattern_errors}


@cache
def schema_validator(kind: str) -> Validator:
    """Return the validator of a kind that accepts only the built-in types."""
    return validator_of(closed_schema(kind))


def validator_of(rules: Mapping[str, Any]) -> Validator:
    """Return the validator of a schema.

    The validator is stricter than jsonschema's own: 1.0 is not an integer, and `$` in a pattern matches only the end of
    the text (as JSON Schema's ECMA 262 patterns do), not the place before a final line break. It also tests
    `uniqueItems` in linear time, where jsonschema takes quadratic time.
    """
    checker = Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    extend: Any = validators.extend  # its stub has no types
    strict: Validator = extend(Draft202012Validator, _STRICT_KEYWORDS, type_checker=checker)(rules)
    return strict
