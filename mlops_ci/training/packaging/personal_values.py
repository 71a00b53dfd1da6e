"""Finds values of personal columns in a model file: categories, words of a vocabulary, classes, and rows kept whole.

Found are texts and long numbers that stand in the file as they stand in the data. What a model has computed from them
(means, coefficients, the middle between two values) is not found, and a value that code hides on purpose is not either.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlops_ci.spec.personal_data import LONG_NUMBER

_SETTING = 200  # characters; a longer text is a model in another format
_TELLING = 4  # letters of a word between bytes of any kind
_WORD = re.compile(r"\w{3,}")
_TOKEN = re.compile(rb"[^\x00-\x1f\x7f\"',;:=(){}\[\]]{2,200}")


def personal_columns_in(path: Path, values: Path) -> tuple[str, ...]:
    """Return the columns of the parquet file `values` of which the model file holds a value."""
    import pyarrow.parquet as pq

    texts, numbers = _read_model_file(path)
    table, found = pq.read_table(values), []
    for name in table.column_names:
        wanted = {value for value in table[name].unique().to_pylist() if value is not None}
        own = {text for text in texts if text != name}
        if any(_is_in(value, own, numbers) for value in wanted):
            found.append(name)
    return tuple(found)


def _is_in(value: Any, texts: set[str], numbers: set[float]) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, int | float):
        return len(repr(value).replace(".", "").strip("-0")) >= LONG_NUMBER and float(value) in numbers
    text = str(value).casefold()
    words = _WORD.findall(text)
    return text in texts or (len(words) > 1 and any(word in texts for word in words))


def _read_model_file(path: Path) -> tuple[set[str], set[float]]:
    """Return the texts of a model file, in lower case, and its long numbers."""
    texts: set[str] = set()
    numbers: set[float] = set()
    if not zipfile.is_zipfile(path):
        tokens = _TOKEN.findall(path.read_bytes())
        return {token.decode("utf-8", "replace").strip().casefold() for token in tokens}, numbers
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            content = archive.read(name)
            leaves = _leaves_of(Path(name).suffix, content)
            for leaf in leaves:
                if isinstance(leaf, str):
                    texts.add(leaf.casefold())
                    texts.update(_words_in(leaf.encode()) if len(leaf) > _SETTING else ())
                elif not isinstance(leaf, bool):
                    numbers.add(float(leaf))
    return texts, numbers


def _leaves_of(ending: str, content: bytes) -> Iterator[str | float]:
    """Yield the values in a file of the archive: an array, the schema, or the bytes that an object keeps."""
    if ending == ".npy":
        yield from _array_leaves(content)
    elif ending == ".bin":
        yield from _words_in(content)
    else:
        yield from _schema_leaves(content)


def _words_in(content: bytes) -> Iterator[str]:
    """Yield what may be a value in a model of another library, kept as bytes or as one text; short words occur by chance."""
    for token in _TOKEN.findall(content):
        text = token.decode("utf-8", "replace").strip().casefold()
        yield from (word for word in (text, *_WORD.findall(text)) if len(word) >= _TELLING)


def _array_leaves(content: bytes) -> Iterator[str | float]:
    import numpy as np

    array = np.load(io.BytesIO(content), allow_pickle=False)
    if array.dtype.names:  # the nodes of a tree: their fields, one by one
        for field in array.dtype.names:
            yield from _plain_leaves(array[field])
    else:
        yield from _plain_leaves(array)


def _plain_leaves(array: Any) -> Iterator[str | float]:
    import numpy as np

    if array.dtype.kind in "US":
        yield from (str(value) for value in np.unique(array).tolist())
    elif array.dtype.kind in "iuf":
        yield from np.unique(array[np.isfinite(array)]).tolist()


def _schema_leaves(content: bytes) -> Iterator[str | float]:
    try:
        schema = json.loads(content)
    except (ValueError, RecursionError):
        return
    waiting: list[tuple[Any, bool]] = [(schema, False)]
    while waiting:
        node, is_attributes = waiting.pop()
        if isinstance(node, list):
            waiting += [(item, False) for item in node]
        elif isinstance(node, Mapping):
            yield from _node_leaves(node, is_attributes, waiting)


def _node_leaves(
    node: Mapping[str, Any], is_attributes: bool, waiting: list[tuple[Any, bool]]
) -> Iterator[str | float]:
    """Yield the values of one node of skops' schema, and add its children to `waiting`.

    The attributes of an object are its names for things, and its settings are plain values: neither comes from data.
    """
    loader, inner = node.get("__loader__"), node.get("content")
    if loader == "JsonNode" and isinstance(inner, str):
        value = json.loads(inner)
        if isinstance(value, str | int | float):
            yield value
    elif isinstance(inner, Mapping) and "__loader__" not in inner:
        if not is_attributes:
            yield from inner
        items = [item for item in inner.values() if not (is_attributes and _is_setting(item))]
        waiting += [(item, False) for item in items]
    elif inner is not None:
        waiting.append((inner, loader == "ObjectNode"))


def _is_setting(item: Any) -> bool:
    return (
        isinstance(item, Mapping) and item.get("__loader__") == "JsonNode" and len(str(item.get("content"))) <= _SETTING
    )
