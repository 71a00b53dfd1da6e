"""Evaluates a slice's condition on a table: a mask of the rows where the condition is known to be true."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_ci.spec.condition_tree import (
    And,
    ColumnReference,
    Compare,
    Condition,
    ConditionTree,
    In,
    LiteralValue,
    Missing,
    Not,
    Operand,
    Or,
    ensure_columns_exist,
    ensure_types_comparable,
    parse_time_literal,
)

Mask = NDArray[np.bool_]
_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_NANOSECONDS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_DAY_NANOSECONDS = 86_400 * 1_000_000_000


def condition_mask(condition: Condition, table: Any) -> Mask:
    """Return the mask [n] of the rows of a pyarrow table that satisfy a condition.

    As in SQL (ISO/IEC 9075-2, 8.2 and 6.39), a comparison with a missing value is unknown: neither true nor false, and
    so is its `not`. NaN counts as missing. Numbers of different types compare exactly. Raises ConditionError when the
    table lacks a column, or when the types of compared values do not fit.
    """
    ensure_columns_exist(condition, table.column_names)
    types = {
        name: type for name in condition.columns if (type := _type_name(table.schema.field(name).type)) is not None
    }
    ensure_types_comparable(condition, types)
    columns = {name: _column_values(table[name], types.get(name)) for name in condition.columns}
    return _evaluate_tree(condition.tree, _TableRows(table.num_rows, types, columns)).true


@dataclass(frozen=True)
class _ColumnValues:
    """A column's values [n], and the mask [n] of the values that are not missing."""

    values: NDArray[Any]
    present: Mask


@dataclass(frozen=True)
class _TableRows:
    count: int
    types: Mapping[str, str]
    columns: Mapping[str, _ColumnValues]


@dataclass(frozen=True)
class _TruthMasks:
    """The masks [n] of the rows where a condition is true and where it is false; it is unknown in all other rows."""

    true: Mask
    false: Mask


def _type_name(type: Any) -> str | None:
    """Return the specs' name of a pyarrow type, or pyarrow's own name when specs have none; None for a column of nulls."""
    import pyarrow.types as is_

    if is_.is_dictionary(type):
        return _type_name(type.value_type)
    if is_.is_null(type):
        return None
    named = (
        ("integer", is_.is_integer),
        ("number", lambda one: is_.is_floating(one) or is_.is_decimal(one)),
        ("boolean", is_.is_boolean),
        ("string", lambda one: is_.is_string(one) or is_.is_large_string(one)),
        ("date", is_.is_date),
        ("timestamp", is_.is_timestamp),
    )
    return next((name for name, test in named if test(type)), str(type))


def _column_values(column: Any, type: str | None) -> _ColumnValues:
    """Return a column's values: numbers and booleans unchanged, dates and timestamps as nanoseconds, others as objects."""
    import pyarrow as pa

    present = np.asarray(column.is_valid().to_numpy(), dtype=bool)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    match type:
        case "integer":
            values = column.fill_null(0).to_numpy()
            values = values.astype(np.uint64 if values.dtype == np.uint64 else np.int64)
        case "boolean":
            values = column.fill_null(False).to_numpy()
        case "date" | "timestamp":
            values = _nanoseconds(column)
        case "number" if pa.types.is_floating(column.type):
            values = column.to_numpy().astype(np.float64)
            present = present & ~np.isnan(values)
        case "number" | "string":
            values = column.to_numpy()
        case _:
            values = np.empty(len(column), dtype=object)  # never compared
    return _ColumnValues(values, present)


def _nanoseconds(column: Any) -> NDArray[Any]:
    """Return dates and timestamps as nanoseconds since 1970: as int64 if they all fit, else as Python integers."""
    import pyarrow as pa

    type = column.type
    days = pa.types.is_date32(type)
    unit = _DAY_NANOSECONDS if days else _NANOSECONDS["ms" if pa.types.is_date64(type) else type.unit]
    counts = np.asarray(column.cast(pa.int32() if days else pa.int64()).fill_null(0).to_numpy(), dtype=np.int64)
    limit = np.iinfo(np.int64).max // unit
    return counts * unit if ((counts >= -limit) & (counts <= limit)).all() else counts.astype(object) * unit


def _evaluate_tree(tree: ConditionTree, rows: _TableRows) -> _TruthMasks:
    match tree:
        case And(of):
            parts = [_evaluate_tree(part, rows) for part in of]
            return _TruthMasks(
                reduce(operator.and_, (part.true for part in parts)),
                reduce(operator.or_, (part.false for part in parts)),
            )
        case Or(of):
            # De Morgan's law also holds for unknown values
            return _evaluate_tree(Not(And(tuple(Not(part) for part in of))), rows)
        case Not(of=inner):
            masks = _evaluate_tree(inner, rows)
            return _TruthMasks(masks.false, masks.true)
        case Missing(column):
            present = rows.columns[column.name].present
            return _TruthMasks(~present, present)
        case In(column, values):
            one = rows.columns[column.name]
            allowed = {_literal_value(value, rows.types.get(column.name)) for value in values}
            return _truth_where_present(one.present, [value in allowed for value in one.values[one.present].tolist()])
        case Compare(left, sign, right):
            return _evaluate_comparison(left, _OPERATORS[sign], right, rows)


def _evaluate_comparison(
    left: Operand, compare: Callable[[Any, Any], Any], right: Operand, rows: _TableRows
) -> _TruthMasks:
    present = np.ones(rows.count, dtype=bool)
    for side in (left, right):
        if isinstance(side, ColumnReference):
            present = present & rows.columns[side.name].present
    one, other = (_operand_values(side, beside, present, rows) for side, beside in ((left, right), (right, left)))
    return _truth_where_present(present, compare(*_to_common_type(one, other)))


def _operand_values(side: Operand, beside: Operand, present: Mask, rows: _TableRows) -> NDArray[Any]:
    """Return a column's values in the rows where both sides are present, or a literal as a 0-dimensional object array."""
    if isinstance(side, ColumnReference):
        return rows.columns[side.name].values[present]
    return np.array(
        _literal_value(side, rows.types.get(beside.name) if isinstance(beside, ColumnReference) else None), dtype=object
    )


def _literal_value(literal: LiteralValue, type: str | None) -> Any:
    return parse_time_literal(literal) if type in ("date", "timestamp") else literal.value


def _to_common_type(one: NDArray[Any], other: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return both sides in one type without changing a value: the column's type, else Python objects, which compare exactly."""
    if one.dtype == other.dtype:
        return one, other
    if other.ndim == 0 and (native := _cast_literal(other, one.dtype)) is not None:
        return one, native
    if one.ndim == 0 and (native := _cast_literal(one, other.dtype)) is not None:
        return native, other
    return one.astype(object), other.astype(object)


def _cast_literal(literal: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any] | None:
    """Return a literal converted to a column's type; None when the conversion would change its value."""
    value = literal.item()
    if dtype.kind not in "iufb" or (dtype.kind != "f" and isinstance(value, float)):
        return None
    try:
        native = np.array(value, dtype=dtype)
    except OverflowError:
        return None
    return native if native.item() == value else None


def _truth_where_present(present: Mask, results: Any) -> _TruthMasks:
    """Return the masks from the comparison's results in the present rows; the other rows are unknown."""
    true = np.zeros(len(present), dtype=bool)
    true[present] = np.asarray(results, dtype=bool)
    return _TruthMasks(true, present & ~true)
