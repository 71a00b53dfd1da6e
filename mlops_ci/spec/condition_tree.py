"""The syntax tree of a condition over columns, and its check against column names and types.

`spec.slice_conditions` parses the text of a condition; `evaluation.verdict.slice_masks` evaluates a tree on rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal as OneOf

from mlops_ci.core.suggestions import quote, suggest

ComparisonOperator = OneOf["==", "!=", "<", "<=", ">", ">="]
ConditionValue = str | int | float | bool


class ConditionError(ValueError):
    """A text that is not a condition, or does not fit its columns. `offset` is a place in the text, counted from 0."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


@dataclass(frozen=True)
class ColumnReference:
    """A column by name. `offset` is the place of the name in the text."""

    name: str
    offset: int = field(default=0, compare=False)


@dataclass(frozen=True)
class LiteralValue:
    """A literal value, at `offset` in the text."""

    value: ConditionValue
    offset: int = field(default=0, compare=False)


Operand = ColumnReference | LiteralValue


@dataclass(frozen=True)
class Compare:
    """A comparison of two operands. At least one of them is a column."""

    left: Operand
    operator: ComparisonOperator
    right: Operand


@dataclass(frozen=True)
class In:
    """True when a column's value is one of the listed values."""

    column: ColumnReference
    values: tuple[LiteralValue, ...]


@dataclass(frozen=True)
class Missing:
    """True when a column has no value: null or NaN."""

    column: ColumnReference


@dataclass(frozen=True)
class Not:
    """True when `of` is not true."""

    of: ConditionTree


@dataclass(frozen=True)
class And:
    """True when all of `of` are true."""

    of: tuple[ConditionTree, ...]


@dataclass(frozen=True)
class Or:
    """True when at least one of `of` is true."""

    of: tuple[ConditionTree, ...]


ConditionTree = Compare | In | Missing | Not | And | Or


@dataclass(frozen=True)
class Condition:
    """A condition: its text, its columns in order of appearance, and its syntax tree."""

    text: str
    columns: tuple[str, ...]
    tree: ConditionTree


def column_references(tree: ConditionTree) -> Iterator[ColumnReference]:
    """Yield every reference to a column in a condition, repeated ones too."""
    match tree:
        case And(of) | Or(of):
            for one in of:
                yield from column_references(one)
        case Not(of=inner):
            yield from column_references(inner)
        case Compare(left, _, right):
            yield from (side for side in (left, right) if isinstance(side, ColumnReference))
        case In(column) | Missing(column):
            yield column


def ensure_columns_exist(condition: Condition, columns: Sequence[str]) -> None:
    """Raise ConditionError when the condition names a column that is not in `columns`."""
    for column in column_references(condition.tree):
        if column.name not in columns:
            help = suggest(column.name, columns, otherwise="the columns are")
            raise ConditionError(
                f"there is no column {quote(column.name)}" + (f": {help}" if help else ""), column.offset
            )


def ensure_types_comparable(condition: Condition, types: Mapping[str, str]) -> None:
    """Raise ConditionError when the condition compares two values of types that cannot be compared.

    `types` maps columns to the types of a dataset's spec (string, integer, number, boolean, date, timestamp). A column
    without a type may contain anything. A text that is compared with a date or timestamp must be ISO 8601, in UTC
    unless it has an offset.
    """
    for left, right in _compared_pairs(condition.tree):
        one, other = _comparison_kind(left, types), _comparison_kind(right, types)
        if (one, other) == ("time", "string") and isinstance(right, LiteralValue):
            parse_time_literal(right)
        elif (one, other) == ("string", "time") and isinstance(left, LiteralValue):
            parse_time_literal(left)
        elif one is not None and other is not None and one != other:
            message = f"{_describe_operand(left, types)} cannot be compared with {_describe_operand(right, types)}"
            raise ConditionError(message, right.offset if isinstance(right, LiteralValue) else left.offset)


def parse_time_literal(literal: LiteralValue) -> int:
    """Return an ISO 8601 date or timestamp as nanoseconds since 1970-01-01 UTC; raises ConditionError for other text."""
    text = str(literal.value)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConditionError(
            f"{quote(text)} is not a date: write ISO 8601, such as '2026-01-31'", literal.offset
        ) from None
    if re.search(r"[.,]\d{7}", text):  # Python would silently drop the digits after the sixth
        raise ConditionError(
            f"{quote(text)} is more precise than a microsecond: write at most six decimals of a second", literal.offset
        )
    since = moment.replace(tzinfo=None) - datetime(1970, 1, 1)  # noqa: DTZ001  the next line subtracts the offset
    return (since - (moment.utcoffset() or timedelta())) // timedelta(microseconds=1) * 1_000


_COMPARISON_KINDS = {
    "integer": "number",
    "number": "number",
    "string": "string",
    "boolean": "boolean",
    "date": "time",
    "timestamp": "time",
}


def _compared_pairs(tree: ConditionTree) -> Iterator[tuple[Operand, Operand]]:
    match tree:
        case And(of) | Or(of):
            for one in of:
                yield from _compared_pairs(one)
        case Not(of=inner):
            yield from _compared_pairs(inner)
        case Compare(left, _, right):
            yield left, right
        case In(column, values):
            yield from ((column, value) for value in values)


def _comparison_kind(operand: Operand, types: Mapping[str, str]) -> str | None:
    """Return the kind of values that an operand can be compared with, or None when it is not known."""
    if isinstance(operand, LiteralValue):
        return _COMPARISON_KINDS[_literal_type(operand.value)]
    type = types.get(operand.name)
    if type is not None and type not in _COMPARISON_KINDS:
        message = f"column {quote(operand.name)} is of type {type}, which conditions cannot compare"
        raise ConditionError(f"{message}; only missing({operand.name}) is possible", operand.offset)
    return None if type is None else _COMPARISON_KINDS[type]


def _literal_type(value: ConditionValue) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "string" if isinstance(value, str) else "integer" if isinstance(value, int) else "number"


def _describe_operand(operand: Operand, types: Mapping[str, str]) -> str:
    if isinstance(operand, ColumnReference):
        return f"column {quote(operand.name)} of type {types[operand.name]}"
    shown = quote(operand.value) if isinstance(operand.value, str) else f"{operand.value!r:.60}"
    return f"the {_literal_type(operand.value)} {shown}"
