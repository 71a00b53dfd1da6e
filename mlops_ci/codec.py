"""Frozen dataclasses to JSON data and back, strictly: what a record's type does not say is an error.

Field names are camelCase in JSON, snake_case in Python. Supported types: str, int, float, bool, None, Any, Literal,
unions, tuple[T, ...], Mapping[str, T] and dataclasses of these. JSON may come from a process that ran a stranger's
code: whatever it holds, the answer is a value or a DecodeError.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


class DecodeError(ValueError):
    """The data does not have the shape that the type asks for; the message says where."""


def camel(name: str) -> str:
    """Return a snake_case name in camelCase; a trailing underscore (a name that is a keyword) is dropped."""
    head, *rest = name.rstrip("_").split("_")
    return head + "".join(part.title() for part in rest)


def encode(value: Any) -> Any:
    """Return the value as JSON data; fields that are None are left out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        items = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
        return {camel(name): encode(item) for name, item in items if item is not None}
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    return value


def read(cls: type[T], text: str | bytes) -> T:
    """Return JSON text as an instance of the dataclass; raises DecodeError for all that is not such JSON.

    That is also NaN and infinities, which JSON has no name for, and nesting too deep to follow.
    """
    try:
        data = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:  # also text that is not Unicode, and integers of 4,300 digits
        raise DecodeError(f"$: not JSON: {type(error).__name__}: {error}") from error
    return decode(cls, data)


def decode(cls: type[T], data: Any, where: str = "$") -> T:
    """Return the data as an instance of the dataclass; raises DecodeError naming the place that does not fit."""
    found: T = _dataclass(cls, data, where)
    return found


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


@cache
def _fields(cls: type) -> dict[str, tuple[str, Any, bool]]:
    hints = get_type_hints(cls)
    out = {}
    for field in dataclasses.fields(cls):
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        out[camel(field.name)] = (field.name, hints[field.name], required)
    return out


def _dataclass(cls: Any, data: Any, where: str) -> Any:
    if not isinstance(data, Mapping):
        raise DecodeError(f"{where}: expected an object")
    fields = _fields(cls)
    if unknown := [str(key) for key in data if key not in fields]:
        raise DecodeError(f"{where}: unknown field {unknown[0]!r:.100}")
    given = {}
    for key, (name, hint, required) in fields.items():
        if key in data:
            given[name] = _value(hint, data[key], f"{where}.{key}")
        elif required and _optional(hint):
            given[name] = None  # `encode` leaves None out
        elif required:
            raise DecodeError(f"{where}: missing field '{key}'")
    return cls(**given)


def _optional(hint: Any) -> bool:
    return types.NoneType in get_args(hint)


def _value(hint: Any, data: Any, where: str) -> Any:
    origin = get_origin(hint)
    if hint is Any:
        return data
    if origin in (Union, types.UnionType):
        return _union(get_args(hint), data, where)
    if origin is Literal:
        if any(type(data) is type(option) and data == option for option in get_args(hint)):
            return data
        raise DecodeError(f"{where}: expected one of {', '.join(map(str, get_args(hint)))}")
    if origin is tuple:
        if not isinstance(data, list | tuple):
            raise DecodeError(f"{where}: expected a list")
        return tuple(_value(get_args(hint)[0], item, f"{where}[{index}]") for index, item in enumerate(data))
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(data, Mapping):
            raise DecodeError(f"{where}: expected an object")
        items = [(_text(str(key), f"{where}, a key"), item) for key, item in data.items()]
        return {key: _value(get_args(hint)[1], item, f"{where}.{key}") for key, item in items}
    if dataclasses.is_dataclass(hint):
        return _dataclass(hint, data, where)
    return _scalar(hint, data, where)


def _scalar(hint: Any, data: Any, where: str) -> Any:
    if hint is float and type(data) in (int, float):
        return _finite(data, where)
    if hint is types.NoneType and data is None:
        return None
    if hint is str and isinstance(data, str):
        return _text(data, where)
    # bool is an int to Python but not to a reader of JSON
    if isinstance(hint, type) and isinstance(data, hint) and (hint is bool or not isinstance(data, bool)):
        return data
    raise DecodeError(f"{where}: expected {getattr(hint, '__name__', hint)}, got {type(data).__name__}")


def _finite(number: float, where: str) -> float:
    try:
        found = float(number)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):  # JSON's 1e999 is infinite, too
        raise DecodeError(f"{where}: not a finite number")
    return found


def _text(text: str, where: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:  # half of a surrogate pair: JSON can spell it, nothing can write it
        raise DecodeError(f"{where}: not text: {error.reason}") from error
    return text


def _union(options: tuple[Any, ...], data: Any, where: str) -> Any:
    # an exact type first: 1 stays an int where both int and float are allowed
    for option in sorted(options, key=lambda option: type(data) is not option):
        try:
            return _value(option, data, where)
        except DecodeError as error:
            failure = error
    raise failure
