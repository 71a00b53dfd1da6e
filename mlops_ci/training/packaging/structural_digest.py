"""Computes the structural digest of a fitted object. Equal models have equal digests in every process and thread count.

Model files cannot be compared: skops writes different bytes every time, and pickle stores thread counts. The digest
hashes the object instead: classes by name (not by code, which a run's key has), attributes in sorted order, dicts in
insertion order, arrays as dtype, shape and bytes, floats exactly.
"""

from __future__ import annotations

import collections
import datetime as dt
import decimal
import enum
import functools
import hashlib
import pathlib
import re
import types
import uuid
from collections.abc import Iterable
from typing import Any

STRUCTURAL_DIGEST_VERSION = "structural-v1"
_RUNTIME_PARAMETERS = frozenset(
    {"n_jobs", "verbose", "n_threads", "_n_threads", "_sklearn_version"}
)  # about running, not about the model
_RUNTIME_PARAMETER_LIBRARIES = frozenset(
    {"sklearn", "xgboost", "lightgbm"}
)  # only in classes of these libraries: elsewhere such a name may mean something else
_MAX_DEPTH = 100  # each level needs six stack frames; Python's limit is 1,000
_TYPES_HASHED_AS_TEXT = (
    dt.datetime,
    dt.date,
    dt.time,
    dt.timedelta,
    decimal.Decimal,
    uuid.UUID,
    pathlib.PurePath,
)


class OpaqueObjectError(ValueError):
    """An object has hidden state, so that its digest would not identify it; the message names the object."""


def structural_digest(value: Any) -> str:
    """Return the structural digest (SHA-256 in hex) of a fitted estimator or any plain object.

    Library parameters that only concern running (n_jobs, verbose, thread counts) are left out. Raises OpaqueObjectError
    for an object with hidden state, such as a lambda or a C object that cannot be pickled.
    """
    return _hash_parts(STRUCTURAL_DIGEST_VERSION, [_ObjectWalk().digest(value, "model")]).hex()


def _hash_parts(tag: str, parts: Iterable[bytes]) -> bytes:
    # tag and parts have length prefixes, so that different lists of parts never give the same bytes
    state = hashlib.sha256(len(tag).to_bytes(4, "big") + tag.encode())
    for part in parts:
        state.update(len(part).to_bytes(8, "big"))
        state.update(part)
    return state.digest()


class _ObjectWalk:
    """One walk over an object graph. A reference to an enclosing object is hashed as the distance to it."""

    def __init__(self) -> None:
        self._open: list[int] = []

    def digest(self, value: Any, where: str) -> bytes:
        leaf = _digest_leaf(value)
        if leaf is not None:
            return leaf
        if id(value) in self._open:
            return _hash_parts("cycle", [str(len(self._open) - self._open.index(id(value))).encode()])
        if len(self._open) > _MAX_DEPTH:
            raise OpaqueObjectError(f"{where}: nested deeper than {_MAX_DEPTH} levels")
        self._open.append(id(value))
        try:
            return self._digest_node(value, where)
        finally:
            self._open.pop()

    def _digest_node(self, value: Any, where: str) -> bytes:
        import numpy as np

        if isinstance(value, np.ndarray):
            return self._digest_array(value, where)
        if isinstance(value, np.random.RandomState):
            return self._digest_tagged("RandomState", value.get_state(legacy=False), where)
        if isinstance(value, np.random.Generator):
            return self._digest_tagged("Generator", value.bit_generator.state, where)
        if isinstance(value, functools.partial):
            return self._digest_tagged("partial", [value.func, value.args, value.keywords], where)
        if isinstance(value, types.MethodType):
            return self._digest_tagged("method", [value.__func__, value.__self__], where)
        module = type(value).__module__.partition(".")[0]
        if module == "pandas" and hasattr(value, "to_numpy"):
            return self._digest_pandas(value, where)
        if module == "scipy" and hasattr(value, "tocoo"):
            return self._digest_sparse(value, where)
        return self._digest_container(value, where) or self._digest_object(value, where)

    def _digest_tagged(self, tag: str, value: Any, where: str) -> bytes:
        return _hash_parts(tag, [self.digest(value, where)])

    def _digest_sequence(self, tag: str, values: Iterable[Any], where: str) -> bytes:
        return _hash_parts(tag, (self.digest(item, f"{where}[{index}]") for index, item in enumerate(values)))

    def _digest_mapping(self, tag: str, items: Iterable[tuple[Any, Any]], where: str) -> bytes:
        pairs = ((self.digest(key, where), self.digest(item, f"{where}[{key!r:.40}]")) for key, item in items)
        return _hash_parts(
            tag, (part for pair in pairs for part in pair)
        )  # in insertion order, which code that iterates over the dict can observe

    def _digest_container(self, value: Any, where: str) -> bytes | None:
        name = "" if type(value) in (list, tuple, dict, set, frozenset) else _qualified_name(type(value))
        if isinstance(value, dict):
            body = self._digest_mapping(f"dict {name}", value.items(), where)
        elif isinstance(value, list | tuple):
            body = self._digest_sequence(f"{'list' if isinstance(value, list) else 'tuple'} {name}", value, where)
        elif isinstance(value, set | frozenset):
            body = _hash_parts(f"set {name}", sorted(self.digest(item, where) for item in value))
        else:
            return None
        attributes = getattr(value, "__dict__", None)
        if isinstance(value, collections.defaultdict):
            body = _hash_parts("with default", [body, self.digest(value.default_factory, where)])
        return (
            _hash_parts("with attributes", [body, self._digest_attributes(value, attributes, where)])
            if attributes
            else body
        )

    def _digest_array(self, array: Any, where: str) -> bytes:
        import numpy as np

        if isinstance(array, np.ma.MaskedArray):  # the values under the mask are arbitrary memory
            parts = [np.ma.getmaskarray(array), array.compressed(), array.fill_value]
            return self._digest_sequence("masked array", [array.shape, str(array.dtype), *parts], where)
        if type(array) not in (np.ndarray, np.memmap):
            plain, attributes = array.view(np.ndarray), getattr(array, "__dict__", {})
            return _hash_parts(
                f"array {_qualified_name(type(array))}",
                [self._digest_array(plain, where), self._digest_attributes(array, attributes, where)],
            )
        shape = repr(array.shape).encode()
        if array.dtype.names:  # field by field: the padding between fields is arbitrary memory
            fields = [
                self._digest_tagged(f"field {name}", np.ascontiguousarray(array[name]), where)
                for name in array.dtype.names
            ]
            return _hash_parts("structured array", [shape, *fields])
        if array.dtype.kind == "O":
            return _hash_parts("object array", [shape, self._digest_sequence("items", array.ravel().tolist(), where)])
        if array.dtype.kind in "fc" and np.isnan(array).any():
            array = np.where(
                np.isnan(array), np.full((), np.nan, array.dtype), array
            )  # NaN has many bit patterns: use one
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        return _hash_parts("array", [little.dtype.str.encode(), shape, little.tobytes()])

    def _digest_pandas(self, value: Any, where: str) -> bytes:
        columns = [value[name] for name in value.columns] if hasattr(value, "columns") else [value]
        names = getattr(value, "names", None) or [getattr(value, "name", None)]
        parts = [self.digest([str(column.dtype), column.to_numpy()], where) for column in columns]
        axes = [self.digest(axis, where) for axis in getattr(value, "axes", ())]
        return _hash_parts(f"pandas {type(value).__name__}", [self.digest(list(names), where), *parts, *axes])

    def _digest_sparse(self, value: Any, where: str) -> bytes:
        form = value.tocoo()
        order = sorted(range(form.nnz), key=lambda at: tuple(int(axis[at]) for axis in form.coords))
        parts = [list(form.shape), form.data[order], *(axis[order].astype("int64") for axis in form.coords)]
        return self._digest_sequence(f"sparse {value.format}", parts, where)

    def _digest_attributes(self, owner: Any, attributes: dict[str, Any], where: str) -> bytes:
        left_out = (
            _RUNTIME_PARAMETERS
            if type(owner).__module__.partition(".")[0] in _RUNTIME_PARAMETER_LIBRARIES
            else frozenset()
        )
        kept = sorted(name for name in attributes if name not in left_out)
        return _hash_parts(
            "attributes",
            (part for name in kept for part in (name.encode(), self.digest(attributes[name], f"{where}.{name}"))),
        )

    def _digest_object(self, value: Any, where: str) -> bytes:
        kind = type(value)
        name = _qualified_name(kind)
        plain = all(getattr(kind, name) is getattr(object, name) for name in ("__reduce__", "__reduce_ex__"))
        hides = getattr(kind, "__getstate__", None) is not object.__getstate__ and not hasattr(value, "get_params")
        try:
            reduced = value.__reduce_ex__(
                2
            )  # also for plain objects: it fails for objects with C state in addition to their attributes
        except Exception as error:  # an extension class can raise any error here
            raise OpaqueObjectError(f"{where}: the state of a {name} cannot be read ({error})") from error
        if hasattr(value, "__dict__") and plain and not hides:
            slots = {
                slot: getattr(value, slot)
                for base in kind.__mro__
                for slot in _slot_names(base)
                if hasattr(value, slot)
            }
            return _hash_parts(f"object {name}", [self._digest_attributes(value, {**slots, **vars(value)}, where)])
        if isinstance(reduced, str):
            return _hash_parts(f"global {name}", [reduced.encode()])
        make, arguments, state, *rest = (*reduced, None)[: max(len(reduced), 3)]
        parts = [self.digest(make, where), self.digest(arguments, where)]
        parts.append(
            self._digest_attributes(value, state, where) if _has_text_keys(state) else self.digest(state, where)
        )
        parts += [self.digest(None if items is None else list(items), where) for items in rest[:2]]
        return _hash_parts(f"reduced {name}", parts)


def _digest_leaf(value: Any) -> bytes | None:
    """Return the digest of a value without inner values, or None for other values."""
    if value is None or value is Ellipsis or isinstance(value, bool):
        return _hash_parts("constant", [repr(value).encode()])
    if isinstance(value, enum.Enum):
        return _hash_parts(f"enum {_qualified_name(type(value))}", [value.name.encode()])
    if isinstance(value, str | bytes):
        return _hash_parts(
            "text" if isinstance(value, str) else "bytes",
            [value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value],
        )
    if isinstance(value, int):
        return _hash_parts("int", [str(int(value)).encode()])
    if isinstance(value, float):
        return _hash_parts("float", [b"nan" if value != value else float(value).hex().encode()])
    if isinstance(value, complex):
        return _hash_parts("complex", [value.real.hex().encode(), value.imag.hex().encode()])
    if isinstance(value, slice | range):
        return _hash_parts(type(value).__name__, [repr(value).encode()])
    if isinstance(value, re.Pattern):
        return _hash_parts("pattern", [repr((value.pattern, value.flags)).encode()])
    if isinstance(value, _TYPES_HASHED_AS_TEXT):
        return _hash_parts(_qualified_name(type(value)), [str(value).encode()])
    if isinstance(value, types.ModuleType):
        return _hash_parts("module", [value.__name__.encode()])
    if isinstance(value, type | types.FunctionType | types.BuiltinFunctionType) or type(value).__name__ == "ufunc":
        return _hash_parts("name", [_qualified_name(value).encode()])
    return _digest_numpy_leaf(value)


def _digest_numpy_leaf(value: Any) -> bytes | None:
    import numpy as np

    if isinstance(value, np.dtype):
        return _hash_parts("dtype", [repr(value.descr if value.names else value.newbyteorder("<").str).encode()])
    if isinstance(value, np.bool_ | np.integer):
        return _digest_leaf(value.item())
    if isinstance(value, np.generic):
        array = (
            np.where(value != value, np.full((), np.nan, value.dtype), value)
            if value.dtype.kind in "fc"
            else np.asarray(value)
        )
        return _hash_parts("scalar", [value.dtype.str.encode(), array.tobytes()])
    if type(value).__name__ in ("cython_function_or_method", "fused_cython_function", "_ArrayFunctionDispatcher"):
        return _hash_parts("name", [_qualified_name(value).encode()])
    return None


def _qualified_name(value: Any) -> str:
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", "")
    owner = getattr(value, "__self__", None)
    if (
        isinstance(value, types.BuiltinFunctionType)
        and owner is not None
        and not isinstance(owner, type | types.ModuleType)
    ):
        raise OpaqueObjectError(f"a method of a {type(owner).__name__} object ({name}) has no importable name")
    if not name or "<" in name:
        raise OpaqueObjectError(
            f"the function {name or value!r} has no importable name; define it at the top level of a module"
        )
    return f"{getattr(value, '__module__', None) or 'numpy'}.{name}"


def _slot_names(kind: type) -> tuple[str, ...]:
    slots = vars(kind).get("__slots__", ())
    return tuple(slot for slot in ((slots,) if isinstance(slots, str) else slots) if not slot.startswith("__"))


def _has_text_keys(state: Any) -> bool:
    return isinstance(state, dict) and all(isinstance(key, str) for key in state)
