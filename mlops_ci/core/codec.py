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
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Literal, NoReturn, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")
Reader = Callable[[Any], Any]


class DecodeError(ValueError):
    """The data does not have the shape that the type asks for; the message says where."""


class _MisfitError(Exception):
    """Data that a type has no place for; `at` grows on the way up."""

    def __init__(self, why: str, at: str = ": ") -> None:
        super().__init__(why)
        self.why, self.at = why, at


def to_camel_case(name: str) -> str:
    """Return a snake_case name in camelCase; a trailing underscore (a name that is a keyword) is dropped."""
    head, *rest = name.rstrip("_").split("_")
    return head + "".join(part.title() for part in rest)


def encode(value: Any) -> Any:
    """Return the value, which may be of named tuples too, as JSON data; fields that are None are left out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        items = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
        return {to_camel_case(name): encode(item) for name, item in items if item is not None}
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):  # a NamedTuple
        return {to_camel_case(name): encode(item) for name, item in value._asdict().items() if item is not None}
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    return value


def decode_json(cls: type[T], text: str | bytes) -> T:
    """Return JSON text as an instance of the dataclass; raises DecodeError for all that is not such JSON.

    That is also NaN and infinities, which JSON has no name for, and nesting too deep to follow.
    """
    try:
        data = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:  # also text that is not Unicode, and integers of 4,300 digits
        raise DecodeError(f"$: not JSON: {type(error).__name__}: {error}") from error
    return decode(cls, data)


def decode(cls: type[T], data: Any, where: str = "$") -> T:
    """Return the data as an instance of the dataclass; raises DecodeError naming the place that does not fit."""
    try:
        found: T = _reader(cast("Any", cls))(data)
    except _MisfitError as misfit:
        raise DecodeError(f"{where}{misfit.at}{misfit.why}") from misfit
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


@cache
def _reader(hint: Any) -> Reader:
    """Return what reads one type. Made once a type: a registry has millions of values, and few types."""
    origin = get_origin(hint)
    if hint is Any:
        return lambda data: data
    if hasattr(hint, "decode_fields"):
        return _own_reader(hint)
    if origin in (Union, types.UnionType):
        return _union_reader(get_args(hint))
    if origin is Literal:
        return _literal_reader(get_args(hint))
    if origin is tuple:
        return _list_reader(_reader(get_args(hint)[0]))
    if origin is not None and issubclass(origin, Mapping):
        return _mapping_reader(_reader(get_args(hint)[1]))
    if dataclasses.is_dataclass(hint):
        return _dataclass_reader(hint)
    return {float: _read_float, str: _read_str, types.NoneType: _read_none}.get(hint) or _instance_reader(hint)


def _own_reader(cls: Any) -> Reader:
    """Return the reader of a class whose fields depend on the data: its `decode_fields` raises DecodeError for others."""

    def read(data: Any) -> Any:
        if not isinstance(data, Mapping):
            raise _MisfitError("expected an object")
        try:
            return cls.decode_fields(data)
        except DecodeError as error:
            raise _MisfitError(str(error)) from error

    return read


def _dataclass_reader(cls: Any) -> Reader:
    hints = get_type_hints(cls)
    rows: dict[str, tuple[str, Reader, bool, bool]] = {}
    for field in dataclasses.fields(cls):
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        optional = types.NoneType in get_args(hints[field.name])
        rows[to_camel_case(field.name)] = (field.name, _reader(hints[field.name]), required, optional)

    def read(data: Any) -> Any:
        if not isinstance(data, Mapping):
            raise _MisfitError("expected an object")
        given = {}
        known = 0
        for key, (name, reader, required, optional) in rows.items():
            if key in data:
                known += 1
                try:
                    given[name] = reader(data[key])
                except _MisfitError as misfit:
                    misfit.at = f".{key}{misfit.at}"
                    raise
            elif required and optional:
                given[name] = None  # `encode` leaves None out
            elif required:
                _refuse_unknown(data, rows)
                raise _MisfitError(f"missing field '{key}'")
        if known != len(data):
            _refuse_unknown(data, rows)
        return cls(**given)

    return read


def _refuse_unknown(data: Mapping[Any, Any], known: Mapping[str, Any]) -> None:
    if unknown := [str(key) for key in data if key not in known]:
        raise _MisfitError(f"unknown field {unknown[0]!r:.100}")


def _literal_reader(options: tuple[Any, ...]) -> Reader:
    def read(data: Any) -> Any:
        if any(type(data) is type(option) and data == option for option in options):
            return data
        raise _MisfitError(f"expected one of {', '.join(map(str, options))}")

    return read


def _list_reader(item: Reader) -> Reader:
    def read(data: Any) -> Any:
        if not isinstance(data, list | tuple):
            raise _MisfitError("expected a list")
        found = []
        for one in data:
            try:
                found.append(item(one))
            except _MisfitError as misfit:
                misfit.at = f"[{len(found)}]{misfit.at}"
                raise
        return tuple(found)

    return read


def _mapping_reader(item: Reader) -> Reader:
    def read(data: Any) -> Any:
        if not isinstance(data, Mapping):
            raise _MisfitError("expected an object")
        found = {}
        for key, one in data.items():
            try:
                name = _read_str(str(key))
            except _MisfitError as misfit:
                misfit.at = f", a key{misfit.at}"
                raise
            try:
                found[name] = item(one)
            except _MisfitError as misfit:
                misfit.at = f".{name}{misfit.at}"
                raise
        return found

    return read


def _union_reader(options: tuple[Any, ...]) -> Reader:
    readers = [(option, _reader(option)) for option in options]

    def read(data: Any) -> Any:
        # an exact type first: 1 stays an int where both int and float are allowed
        failures = []
        for _, reader in sorted(readers, key=lambda pair: type(data) is not pair[0]):
            try:
                return reader(data)
            except _MisfitError as error:
                failures.append(error)
        raise max(failures, key=lambda error: len(error.at))  # what came furthest was meant, or else the first

    exact = {option: reader for option, reader in readers if option in (str, int, float, bool, types.NoneType)}

    def quick(data: Any) -> Any:
        found = exact.get(type(data))
        return read(data) if found is None else found(data)

    return quick


def _read_float(data: Any) -> float:
    if type(data) not in (int, float):
        raise _type_misfit(float, data)
    try:
        found = float(data)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):  # JSON's 1e999 is infinite, too
        raise _MisfitError("not a finite number")
    return found


def _read_str(data: Any) -> str:
    if not isinstance(data, str):
        raise _type_misfit(str, data)
    if not data.isascii():
        try:
            data.encode()
        except UnicodeEncodeError as error:  # half of a surrogate pair: JSON can spell it, nothing can write it
            raise _MisfitError(f"not text: {error.reason}") from error
    return data


def _read_none(data: Any) -> None:
    if data is not None:
        raise _type_misfit(types.NoneType, data)


def _instance_reader(hint: Any) -> Reader:
    def read(data: Any) -> Any:
        # bool is an int to Python but not to a reader of JSON
        if isinstance(hint, type) and isinstance(data, hint) and (hint is bool or not isinstance(data, bool)):
            return data
        raise _type_misfit(hint, data)

    return read


def _type_misfit(hint: Any, data: Any) -> _MisfitError:
    return _MisfitError(f"expected {getattr(hint, '__name__', hint)}, got {type(data).__name__}")
