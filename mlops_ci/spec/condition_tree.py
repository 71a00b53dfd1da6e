"""What a condition over columns says, as a tree, and whether it fits columns of some types.

`spec.conditions` reads it from text, `learn.conditions` finds the rows that it holds for.
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
    """A text that is no condition, or one that does not fit its columns; `offset` is a place in the text, from 0."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


@dataclass(frozen=True)
class ColumnReference:
    """A column by name; `offset` is where the text names it."""

    name: str
    offset: int = field(default=0, compare=False)


@dataclass(frozen=True)
class LiteralValue:
    """A value that stands in the text, at `offset`."""

    value: ConditionValue
    offset: int = field(default=0, compare=False)


Operand = ColumnReference | LiteralValue


@dataclass(frozen=True)
class Compare:
    """Two operands, one of them a column at least."""

    left: Operand
    operator: ComparisonOperator
    right: Operand


@dataclass(frozen=True)
class In:
    """A column's value is one of some."""

    column: ColumnReference
    values: tuple[LiteralValue, ...]


@dataclass(frozen=True)
class Missing:
    """A column has no value: null, or NaN."""

    column: ColumnReference


@dataclass(frozen=True)
class Not:
    """Not `of`."""

    of: ConditionTree


@dataclass(frozen=True)
class And:
    """All of `of`."""

    of: tuple[ConditionTree, ...]


@dataclass(frozen=True)
class Or:
    """One of `of` at least."""

    of: tuple[ConditionTree, ...]


ConditionTree = Compare | In | Missing | Not | And | Or


@dataclass(frozen=True)
class Condition:
    """A condition as it was written, the columns that it names in order of appearance, and what it says."""

    text: str
    columns: tuple[str, ...]
    tree: ConditionTree


def column_references(tree: ConditionTree) -> Iterator[ColumnReference]:
    """Yield every column where the condition names it."""
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
    """Raise ConditionError when the condition names a column that is none of these."""
    for column in column_references(condition.tree):
        if column.name not in columns:
            help = suggest(column.name, columns, otherwise="there are")
            raise ConditionError(
                f"there is no column {quote(column.name)}" + (f": {help}" if help else ""), column.offset
            )


def ensure_types_comparable(condition: Condition, types: Mapping[str, str]) -> None:
    """Raise ConditionError when values are compared that have no order between them.

    `types` are those of a dataset's spec (string, integer, number, boolean, date, timestamp), by column; a column that is
    not in it may hold anything. Texts stand for moments beside a date or timestamp: ISO 8601, of UTC where none is said.
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
    """Return an ISO 8601 date or timestamp as nanoseconds since 1970 in UTC; raises ConditionError when it is none."""
    text = str(literal.value)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ConditionError(
            f"{quote(text)} is no date: write ISO 8601, such as '2026-01-31'", literal.offset
        ) from None
    if re.search(r"[.,]\d{7}", text):  # Python would drop what follows
        raise ConditionError(f"{quote(text)} is finer than a microsecond: leave out the rest", literal.offset)
    since = found.replace(tzinfo=None) - datetime(1970, 1, 1)  # noqa: DTZ001  UTC, which the next line sees to
    return (since - (found.utcoffset() or timedelta())) // timedelta(microseconds=1) * 1_000


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
    """Return what an operand compares with, None when that is not known."""
    if isinstance(operand, LiteralValue):
        return _COMPARISON_KINDS[_literal_type(operand.value)]
    type = types.get(operand.name)
    if type is not None and type not in _COMPARISON_KINDS:
        message = f"column {quote(operand.name)} is of type {type}, which conditions cannot compare"
        raise ConditionError(f"{message}; missing({operand.name}) works", operand.offset)
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
