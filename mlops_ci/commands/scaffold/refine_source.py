"""Finds how a table writes numbers, dates and missing values: what would be text otherwise, and which option reads it."""

# ruff: noqa: S608  the SQL contains quoted names only, and the connection can read only the table
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mlops_ci.data.column_types import column_sql, quote_literal
from mlops_ci.data.engines.duckdb import Table
from mlops_ci.data.text_obstacles import TextObstacle, find_text_obstacles, fitting_time_formats
from mlops_ci.spec.source_types import SourceSpec

_CERTAIN_NULLS = ("?", "NA", "N/A", "n/a", "#N/A", "<NA>", "NULL", "null", "NaN", "nan", "\\N")
_CODE_LENGTH, _CODES = 2.5, 20  # many short texts are codes, such as those of countries, among which NA is Namibia
_COLUMNS_A_QUERY = 50
_MIN_DIFFERENT = 0.95  # of the rows, with which rows need no key
_MAX_NAMED = 100  # columns that a spec lists by name


@dataclass(frozen=True)
class TableReading:
    """How a table is read: its source, the formats of its dates, and by column the formats among which the values do not decide.

    `index_name`: the name that a nameless index got, because rows are equal without it; empty text if it is of no use.
    """

    source: SourceSpec
    formats: Mapping[str, str] = field(default_factory=dict)
    doubtful_formats: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    index_name: str | None = None


def refine_reading(table: Table, reading: TableReading) -> TableReading:
    """Return a reading that takes fewer columns for text; the same if there is none. `table` was read by `reading`."""
    if (named := _with_index(table, reading)) is not reading:
        return named
    names = [name for name, type in table.types.items() if type == "string"]
    if reading.source.type == "parquet" or not names:
        return _with_formats(table, reading, names)
    obstacles = find_text_obstacles(table, reading.source, names)
    source = _with_options(reading.source, obstacles)
    words = dict.fromkeys(source.null_words)
    if source == reading.source or source.nulls == reading.source.nulls:
        known = [word for one in obstacles if one.are_words_for_nulls for word, _ in one.words]
        words |= dict.fromkeys([*known, *_certain_nulls(table, names)])
    source = replace(source, nulls=tuple(words))
    if source != reading.source:
        return replace(reading, source=source)
    return _with_formats(table, reading, names)


def _with_index(table: Table, reading: TableReading) -> TableReading:
    """Return a reading that names a nameless index if many rows are equal without it, and drops it if it is not unique.

    Without a key, equal rows are on one side of the split, which makes a holdout of few different rows.
    """
    source, name = reading.source, reading.index_name
    if name:
        rows, distinct = table.connection.execute(
            f"SELECT count(*), count(DISTINCT {column_sql(name)}) FROM cells"
        ).fetchall()[0]
        if rows == distinct:
            return reading
        dropped = replace(source, header=True, index="drop", skip_rows=source.skip_rows - 1)
        return replace(reading, source=dropped, index_name="")
    if name is not None or source.index != "drop" or source.header is not True or len(table.types) > _MAX_NAMED:
        return reading
    rows, distinct = table.connection.execute(
        "SELECT (SELECT count(*) FROM cells), (SELECT count(*) FROM (SELECT DISTINCT * FROM cells))"
    ).fetchall()[0]
    if distinct >= rows * _MIN_DIFFERENT:
        return reading
    name = next(f"row{mark}id" for mark in ("_", "-", ".", " ") if f"row{mark}id" not in table.types)
    named = replace(source, index=None, header=(name, *table.types), skip_rows=source.skip_rows + 1)
    return replace(reading, source=named, index_name=name)


def _with_options(source: SourceSpec, obstacles: Sequence[TextObstacle]) -> SourceSpec:
    """Return the source with the style of numbers that a column needs; where values do not decide, the delimiter does."""
    if source.type != "csv":
        return source
    certain = [one.options[0] for one in obstacles if len(one.options) == 1]
    if certain:
        return max(certain, key=lambda style: (style.thousands is not None, len(style.units)))
    for obstacle in obstacles:
        for style in obstacle.options:
            # in a file whose delimiter is a comma, decimal points are usual; in one with semicolons, decimal commas
            usual = "," if source.delimiter == ";" else "." if source.delimiter == "," else None
            if style.decimal == usual:
                return style
    return source


def _certain_nulls(table: Table, names: Sequence[str]) -> Iterator[str]:
    """Yield the words in text columns that can only be missing values."""
    words = ", ".join(map(quote_literal, _CERTAIN_NULLS))
    for start in range(0, len(names), _COLUMNS_A_QUERY):
        some = names[start : start + _COLUMNS_A_QUERY]
        asked = []
        for column in map(column_sql, some):
            is_word = f"{column} IN ({words})"
            asked += [
                f"list(DISTINCT {column}) FILTER (WHERE {is_word})",
                f"avg(length({column})) FILTER (WHERE NOT {is_word})",
                f"count(DISTINCT {column})",
            ]
        facts = iter(table.connection.execute(f"SELECT {', '.join(asked)} FROM cells").fetchall()[0])
        for found, length, distinct in zip(facts, facts, facts, strict=True):
            are_codes = (length or 0) <= _CODE_LENGTH and distinct > _CODES
            yield from sorted(word for word in found or () if not (are_codes and word == "NA"))


def _with_formats(table: Table, reading: TableReading, names: Sequence[str]) -> TableReading:
    formats, doubtful = dict(reading.formats), dict(reading.doubtful_formats)
    for name in names:
        if name in formats or name in doubtful:
            continue
        fitting = fitting_time_formats(table, name)
        if len(fitting) == 1:
            formats[name] = fitting[0]
        elif fitting:
            doubtful[name] = fitting
    return replace(reading, formats=formats, doubtful_formats=doubtful)
