"""What values mean, in plain Python: the answers that every path from a file to a check must give.

A column is a list of Python values: None, and ints, floats, Decimals, texts, booleans, dates or moments. A moment is an
integer: nanoseconds since 1970 in UTC. NaN is missing. Numbers are equal as numbers, texts as texts, moments as moments.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from mlops_ci.spec.spec_types import ColumnSpec, ColumnType

KINDS: dict[str, ColumnType] = {"integer": "integer", "number": "number", "decimal": "number", "string": "string", "boolean": "boolean",
         "date": "date", "moment": "timestamp"}  # fmt: skip
_INTEGER_TYPES = (pa.int8(), pa.uint8(), pa.int16(), pa.uint16(), pa.int32(), pa.uint32(), pa.int64(), pa.uint64())
_UNITS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


def is_missing(value: Any) -> bool:
    return value is None or value != value


def failing_rows(values: Sequence[Any], rules: ColumnSpec) -> dict[str, int]:
    """How many rows fail each rule of a column."""
    present = [value for value in values if not is_missing(value)]
    failing = {"nulls": len(values) - len(present)}
    failing["unique"] = sum(count for count in Counter(present).values() if count > 1)
    if rules.min is not None:
        failing["min"] = sum(value < as_value(rules.min, value) for value in present)
    if rules.max is not None:
        failing["max"] = sum(value > as_value(rules.max, value) for value in present)
    if rules.values is not None:
        failing["values"] = sum(all(value != as_value(item, value) for item in rules.values) for value in present)
    if rules.pattern is not None:
        failing["pattern"] = sum(not re.fullmatch(rules.pattern, value) for value in present)
    if rules.length is not None:
        low, high = rules.length.min or 0, rules.length.max
        failing["length"] = sum(not low <= len(value) <= (high or len(value)) for value in present)
    infinite = sum(isinstance(value, float) and abs(value) == float("inf") for value in present)
    return failing | ({"finite": infinite} if infinite else {})


def as_value(bound: Any, like: Any) -> Any:
    """A spec's value as one that compares with a column's: a number in a spec means the decimal that is written there."""
    if isinstance(like, Decimal | int) and isinstance(bound, float):
        return Decimal(repr(bound))
    if isinstance(like, date):
        return date.fromisoformat(bound)
    return nanoseconds(datetime.fromisoformat(bound)) if isinstance(bound, str) and isinstance(like, int) else bound


def nanoseconds(moment: datetime) -> int:
    return (moment.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000


def are_equal(left: Any, right: Any) -> bool:
    return is_missing(left) == is_missing(right) and (is_missing(left) or left == right)


def csv_text(table: dict[str, list[Any]], kinds: dict[str, str]) -> str:
    """The table as CSV: texts in quotes, so that an empty one is not missing."""
    lines = [",".join(table)]
    lines += [
        ",".join(_csv_field(value, kinds[name]) for name, value in zip(table, row, strict=True))
        for row in zip(*table.values(), strict=True)
    ]
    return "\n".join(lines) + "\n"


def _csv_field(value: Any, kind: str) -> str:
    if value is None:
        return ""
    if kind == "string":
        return '"' + str(value).replace('"', '""') + '"'
    if kind == "moment":
        seconds, rest = divmod(value, 10**9)
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09}Z"
    return format(value, "f") if kind == "decimal" else str(value)


def arrow_types(values: Sequence[Any], kind: str) -> list[pa.DataType]:
    """The Arrow types that hold a column's values exactly: the usual one first."""
    present = [value for value in values if not is_missing(value)]
    match kind:
        case "integer":
            fitting = [type for type in _INTEGER_TYPES if _fits(present, type)]
            return [*reversed(fitting), pa.decimal128(38, 0)]
        case "number":
            return [pa.float64(), *([pa.float32()] if _fits(present, pa.float32()) else [])]
        case "decimal":
            places = max([0, *(-int(value.as_tuple().exponent) for value in present)])
            return [pa.decimal128(38, places)]
        case "string":
            return [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string()), pa.string_view()]
        case "moment":
            units = [
                unit
                for unit, size in _UNITS.items()
                if all(value % size == 0 and -(2**63) < value // size < 2**63 for value in present)
            ]
            return [pa.timestamp(unit, zone) for unit in reversed(units) for zone in (None, "UTC", "Asia/Tokyo")]
        case "date":
            return [pa.date32(), pa.date64()]
    return [pa.bool_()]


def arrow_column(values: Sequence[Any], type: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(type):
        size = _UNITS[type.unit]
        return pa.array([None if value is None else value // size for value in values], pa.int64()).cast(type)
    if pa.types.is_decimal(type):
        return pa.array([None if value is None else Decimal(value) for value in values], type)
    return pa.array(values, type, from_pandas=False)


def _fits(values: Sequence[Any], type: pa.DataType) -> bool:
    try:
        kept = pa.array(values, type).to_pylist()
    except (pa.ArrowInvalid, OverflowError):
        return False
    return all(one == other for one, other in zip(kept, values, strict=True))
