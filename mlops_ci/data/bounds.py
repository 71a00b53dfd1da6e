"""Bounds and values of a spec in the form in which the engine compares them exactly with a column's values."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from typing import Any, Literal

from mlops_ci.data.column_types import decimal_digits

_FINE_FRACTION = 6  # digits of a second that Python's times have
# the moments that nanoseconds since 1970 can tell in 64 bits, by the microsecond
_FIRST_NS, _LAST_NS = datetime(1677, 9, 21, 0, 12, 43, 145225), datetime(2262, 4, 11, 23, 47, 16, 854775)  # noqa: DTZ001 - naive, in UTC


def comparable_value(value: str | float | bool, type: str) -> Any:
    """Return the spec's value in a form that compares with data of the logical type, or None when it cannot compare."""
    if type in ("integer", "number"):
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None
    if type == "boolean":
        return value if isinstance(value, bool) else None
    if not isinstance(value, str):
        return None
    if type == "string":
        return value
    try:
        if type == "date":
            return date.fromisoformat(value)
        if type == "timestamp":
            return _moment(value)
    except ValueError:
        return None
    return None


def exact_bound(bound: float | str, check: Literal["min", "max"], type: str, sql_type: str) -> Any:
    """Return the constant to compare a column with: a value is outside the bound iff it is less (more) than the constant.

    A boolean says that every value is outside, or that none is. None: the bound cannot be compared with the type.
    """
    value = comparable_value(bound, type)
    if value is None or type not in ("integer", "number"):
        if isinstance(value, datetime) and sql_type == "TIMESTAMP_NS":
            return value if _FIRST_NS <= value <= _LAST_NS else (value > _LAST_NS) == (check == "min")
        return value
    up = check == "min"
    if sql_type == "DOUBLE":
        return _nearest_float(value, up=up)
    _, places = decimal_digits(sql_type) or (38, 0)
    rounded = _round(value, places, up=up)
    if abs(rounded) >= Decimal(10) ** (38 - places):
        return (rounded > 0) == up
    return rounded if places else int(rounded)


def exact_values(values: Iterable[str | float | bool], type: str, sql_type: str) -> list[Any] | None:
    """Return those of the listed values that a column can have, as constants; None when no value is of the type."""
    comparable = [found for value in values if (found := comparable_value(value, type)) is not None]
    if not comparable:
        return None
    if type == "timestamp" and sql_type == "TIMESTAMP_NS":
        return [moment for moment in comparable if _FIRST_NS <= moment <= _LAST_NS]
    if type not in ("integer", "number"):
        return comparable
    bounds = [
        (exact_bound(value, "min", type, sql_type), exact_bound(value, "max", type, sql_type)) for value in comparable
    ]
    return [low for low, high in bounds if low == high and not isinstance(low, bool)]


def _moment(text: str) -> datetime:
    fraction = text.partition(".")[2]
    digits = fraction[: next((at for at, char in enumerate(fraction) if not char.isdigit()), len(fraction))]
    if digits[_FINE_FRACTION:].strip("0"):
        raise ValueError("finer than a microsecond")  # Python would cut it off
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def _nearest_float(value: float, *, up: bool) -> float:
    """Return the least float that is at least the value, or the greatest that is at most the value."""
    found = float(value)
    if up and int(found) < value and isinstance(value, int):
        return math.nextafter(found, math.inf)
    if not up and isinstance(value, int) and int(found) > value:
        return math.nextafter(found, -math.inf)
    return found


def _round(value: float, places: int, *, up: bool) -> Decimal:
    """Return the nearest decimal with so many places that is at least (at most) the value."""
    with localcontext(prec=400):
        exact = Decimal(value) if isinstance(value, int) else Decimal(repr(value))
        return exact.quantize(Decimal(1).scaleb(-places), ROUND_CEILING if up else ROUND_FLOOR)
