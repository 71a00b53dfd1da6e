"""Computes one digest of a table's content, independent of the order of rows and columns and of the layout of files."""

# ruff: noqa: S608  SQL contains only quoted names and literals, and the connection can only read the data
from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from mlops_ci.core.digest import canonical_json
from mlops_ci.data.column_types import COLUMNS_PER_QUERY, EMPTY_TYPE, OTHER_TYPE, column_sql
from mlops_ci.data.value_text import identity_text_sql, value_text_sql

ROWS_PER_DIGEST_PASS = 4_000_000  # a row hash is 64 characters: about half a gigabyte to sort at a time
_BUCKET_COUNT = 256
_TYPE_TAGS = {
    "boolean": "b",
    "integer": "i",
    "number": "f",
    "date": "d",
    "timestamp": "t",
    "string": "s",
    OTHER_TYPE: "o",
    EMPTY_TYPE: "n",
}


def row_text_sql(types: Mapping[str, str], names: Iterable[str], stored: Mapping[str, str]) -> str:
    """Return SQL for a row's canonical text: each value as tag, length in bytes, colon and text; `n` if it is missing.

    Different rows have different texts: `1` and `'1'` have different tags, and the lengths mark where values end.
    `stored` is what `stored_types` returns for the columns.
    """
    return _concat_sql(_value_text_sql, types, tuple(names), stored)


def row_hash_sql(types: Mapping[str, str], stored: Mapping[str, str]) -> str:
    """Return SQL for the SHA-256 (hex) of a row's canonical text, with the columns sorted by name."""
    return f"sha256({row_text_sql(types, sorted(types), stored)})"


def key_text_sql(types: Mapping[str, str], names: Iterable[str], stored: Mapping[str, str]) -> str:
    """Return SQL for the text that identifies a row: each value as length in bytes, colon and `identity_text_sql`.

    A missing value is `n`. `stored` is what `stored_types` returns for the columns.
    """
    return _concat_sql(_key_value_sql, types, tuple(names), stored)


def stored_types(connection: Any, relation: str, names: Sequence[str]) -> dict[str, str]:
    """Return DuckDB's types of the columns of a relation, which is SQL; nothing for few columns, whose texts need no types."""
    if len(names) <= COLUMNS_PER_QUERY:
        return {}
    columns = ", ".join(map(column_sql, names))
    described = connection.execute(f"DESCRIBE SELECT {columns} FROM {relation}").fetchall()
    return {name: row[1] for name, row in zip(names, described, strict=True)}


def content_digests(
    connection: Any, relation: str, types: Mapping[str, str], side: str = "''"
) -> dict[Any, tuple[int, str]]:
    """Return the number of rows and the digest of each side of a relation; `relation` and `side` are SQL.

    The digest is the SHA-256 over the names of the columns and, for each bucket of row hashes (by their first two
    digits), the SHA-256 of the sorted row hashes. Repeated rows count repeatedly. A side without rows is not in the
    result.
    """
    total = connection.execute(f"SELECT count(*) FROM {relation}").fetchall()[0][0]
    passes = min(1 + total // ROWS_PER_DIGEST_PASS, _BUCKET_COUNT)
    names = canonical_json(sorted(types)).encode()
    row_hash = row_hash_sql(types, stored_types(connection, relation, tuple(types)))
    rows: dict[Any, int] = {}
    states: dict[Any, Any] = {}
    for index in range(passes):
        low, high = (f"{_BUCKET_COUNT * edge // passes:02x}" for edge in (index, index + 1))
        bounds = f"hash >= '{low}'" + (f" AND hash < '{high}'" if index + 1 < passes else "")
        buckets = connection.execute(
            "SELECT side, substr(hash, 1, 2) AS bucket, count(*), sha256(string_agg(hash, '' ORDER BY hash)) FROM ("
            f"SELECT {side} AS side, {row_hash} AS hash FROM {relation}"
            f") WHERE {bounds} GROUP BY side, bucket ORDER BY side, bucket"
        ).fetchall()
        for name, bucket, count, digest in buckets:
            rows[name] = rows.get(name, 0) + count
            states.setdefault(name, hashlib.sha256(names)).update(f"{bucket}{count}:{digest}".encode())
    return {name: (rows[name], state.hexdigest()) for name, state in states.items()}


def _concat_sql(
    text_sql: Callable[[str, str], str], types: Mapping[str, str], names: Sequence[str], stored: Mapping[str, str]
) -> str:
    """Return SQL for the texts of a row's values, one after the other; `text_sql` makes that of a value from its SQL and type."""
    if not stored:
        # one call, since a chain of `||` copies the text once for each column; no text is missing
        texts = ", ".join(text_sql(column_sql(name), types[name]) for name in names)
        return f"concat({texts or repr('')})"
    # one expression for all columns that are stored alike: the time to plan a query, and its memory, grow with its
    # expressions. A list converts its values to one type, which changes none here
    runs = [list(run) for _, run in groupby(names, lambda name: (types[name], stored[name]))]
    if len(runs) <= COLUMNS_PER_QUERY:  # without a copy of the texts in another order
        texts = ", ".join(_joined_sql(_texts_sql(text_sql, types[run[0]], run)) for run in runs)
        return f"concat({texts})"
    alike: dict[tuple[str, str], list[int]] = {}
    for place, name in enumerate(names):
        alike.setdefault((types[name], stored[name]), []).append(place)
    lists = " || ".join(
        _texts_sql(text_sql, type, [names[place] for place in places]) for (type, _), places in alike.items()
    )
    listed = [place for places in alike.values() for place in places]
    in_order = sorted(range(1, len(listed) + 1), key=lambda at: listed[at - 1])
    return _joined_sql(f"list_select({lists}, {in_order})")


def _joined_sql(texts: str) -> str:
    return f"list_aggregate({texts}, 'string_agg', '')"  # `array_to_string` makes its list twice


def _texts_sql(text_sql: Callable[[str, str], str], type: str, names: Iterable[str]) -> str:
    """Return SQL for the list of the texts of columns that are stored alike."""
    return f"list_transform([{', '.join(map(column_sql, names))}], lambda value: {text_sql('value', type)})"


def _key_value_sql(value: str, type: str) -> str:
    text = identity_text_sql(value, type)
    return f"CASE WHEN {value} IS NULL THEN 'n' ELSE strlen({text}) || ':' || {text} END"


def _value_text_sql(value: str, type: str) -> str:
    text = value_text_sql(value, type)
    return f"CASE WHEN {value} IS NULL THEN 'n' ELSE '{_TYPE_TAGS[type]}' || strlen({text}) || ':' || {text} END"
