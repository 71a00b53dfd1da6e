"""Frozen dataclasses to JSON data and back, strictly: what a record's type does not say is an error.

Field names are camelCase in JSON, snake_case in Python. Supported types: str, int, float, bool, None, Any, Literal,
unions, tuple[T, ...], Mapping[str, T] and dataclasses of these.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

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


def decode(cls: type[T], data: Any, where: str = "$") -> T:
    """Return the data as an instance of the dataclass; raises DecodeError naming the place that does not fit."""
    found: T = _dataclass(cls, data, where)
    return found


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
        raise DecodeError(f"{where}: unknown field '{unknown[0]}'")
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
        if data in get_args(hint) and not isinstance(data, bool):
            return data
        raise DecodeError(f"{where}: expected one of {', '.join(map(str, get_args(hint)))}")
    if origin is tuple:
        if not isinstance(data, list | tuple):
            raise DecodeError(f"{where}: expected a list")
        return tuple(_value(get_args(hint)[0], item, f"{where}[{index}]") for index, item in enumerate(data))
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(data, Mapping):
            raise DecodeError(f"{where}: expected an object")
        return {str(key): _value(get_args(hint)[1], item, f"{where}.{key}") for key, item in data.items()}
    if dataclasses.is_dataclass(hint):
        return _dataclass(hint, data, where)
    return _scalar(hint, data, where)


def _scalar(hint: Any, data: Any, where: str) -> Any:
    if hint is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if hint is types.NoneType and data is None:
        return None
    # bool is an int to Python but not to a reader of JSON
    if isinstance(hint, type) and isinstance(data, hint) and (hint is bool or not isinstance(data, bool)):
        return data
    raise DecodeError(f"{where}: expected {getattr(hint, '__name__', hint)}, got {type(data).__name__}")


def _union(options: tuple[Any, ...], data: Any, where: str) -> Any:
    # an exact type first: 1 stays an int where both int and float are allowed
    for option in sorted(options, key=lambda option: type(data) is not option):
        try:
            return _value(option, data, where)
        except DecodeError as error:
            failure = error
    raise failure
