"""Finds why a column of text is not one of numbers or dates, and which option of the source would read it so."""

# ruff: noqa: S608  SQL contains only quoted names and literals, and the connection can only read the data
from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from mlops_ci.core.time_formats import format_has_clock, time_format_pattern
from mlops_ci.data.column_types import TYPE_TEST_SQL, column_sql, quote_literal
from mlops_ci.data.engines.duckdb import Table
from mlops_ci.data.engines.written_values import WrittenColumn
from mlops_ci.spec.source_types import SourceSpec

# spellings of a missing value; those of the second tuple are words of some languages or data, too
NULL_WORDS = ("NA", "N/A", "n/a", "#N/A", "#NA", "<NA>", "NULL", "null", "NaN", "nan", "?", "\\N", "None", "nil")
DOUBTFUL_NULL_WORDS = (
    "",
    "-",
    "--",
    ".",
    "..",
    "...",
    "*",
    "none",
    "na",
    "Na",
    "missing",
    "Missing",
    "unknown",
    "Unknown",
    "NONE",
)
UNITS = ("%", "$", "€", "£", "¥", "₹", "EUR", "USD", "GBP", "CHF", "kr")
MAX_WORDS = 10  # a column with more different words is text
COLUMNS_A_QUERY = 50
_SAMPLE = 1_000  # values that are tried before all
_NO_BREAK, _NARROW = "\u00a0", "\u202f"
_NUMBER_STYLES: tuple[tuple[Literal[".", ","], str | None], ...] = (
    (".", ","), (",", None), (",", "."), (",", " "), (",", _NO_BREAK), (",", _NARROW), (".", " "), (".", "'"), (".", "\u2019"),
    (".", _NO_BREAK), (".", _NARROW),
)  # fmt: skip
TIME_FORMATS = tuple(
    f"{date}{clock}"
    for clock in ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
    for date in (
        "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d/%m/%y", "%m/%d/%y",
        "%d.%m.%y", "%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%Y %b %d",
    )
)  # fmt: skip


@dataclass(frozen=True)
class TextObstacle:
    """Why a column is text. All its values but the `words` are of the type, if the source has the `options`.

    `words`: each with its number of rows, the most frequent first. `options`: each a way to read the column, as the fields of a
    source; several mean that the values do not say which. `example`: a value that such an option is needed for.
    """

    column: str
    type: str  # number, or date (also for timestamps)
    words: tuple[tuple[str, int], ...] = ()
    options: tuple[SourceSpec, ...] = ()
    example: str = ""

    @property
    def are_words_for_nulls(self) -> bool:
        """Whether all words are known spellings of a missing value."""
        return all(word in NULL_WORDS or word in DOUBTFUL_NULL_WORDS for word, _ in self.words)


def find_text_obstacles(table: Table, source: SourceSpec, names: Sequence[str]) -> tuple[TextObstacle, ...]:
    """Return the obstacle of each of the text columns that would be numbers or dates but for a few words, signs or units.

    `source` is how the table was read. Digits that are no number, such as 007, are codes, and no obstacle.
    """
    found = []
    for start in range(0, len(names), COLUMNS_A_QUERY):
        for name in _likely_columns(table, names[start : start + COLUMNS_A_QUERY]):
            obstacle = _find_obstacle(table, source, name)
            found += [obstacle] if obstacle else []
    return tuple(found)


def fitting_time_formats(table: Table, name: str) -> tuple[str, ...]:
    """Return the known formats that read every value of a text column; several mean that the values do not say which.

    Words for a missing value are no obstacle.
    """
    column = column_sql(name)
    values = f"SELECT {column} FROM cells WHERE {column} <> '' AND {column} NOT IN ({_NULLS_SQL})"
    sample = [row[0] for row in table.connection.execute(f"{values} LIMIT {_SAMPLE}").fetchall()]
    patterns = {format: re.compile(time_format_pattern(format)) for format in TIME_FORMATS} if sample else {}
    likely = [format for format, pattern in patterns.items() if all(map(pattern.fullmatch, sample))]
    if not likely:
        return ()
    tests = ", ".join(f"count(*) FILTER (WHERE {_time_mismatch_sql(name, format)})" for format in likely)
    counts = table.connection.execute(f"SELECT {tests} FROM ({values})").fetchall()[0]
    return tuple(format for format, count in zip(likely, counts, strict=True) if count == 0)


def _time_mismatch_sql(name: str, format: str) -> str:
    type = "timestamp" if format_has_clock(format) else "date"
    return WrittenColumn(name, SourceSpec("csv", ""), format).mismatch_sql(type)


_NULLS_SQL = ", ".join(map(quote_literal, (*NULL_WORDS, *DOUBTFUL_NULL_WORDS)))
_NUMBER_SQL = f"({TYPE_TEST_SQL['integer']} OR {TYPE_TEST_SQL['number']})"
_TIME_SQL = f"({TYPE_TEST_SQL['date']} OR {TYPE_TEST_SQL['timestamp']})"


def _likely_columns(table: Table, names: Sequence[str]) -> list[str]:
    """Return the columns in which at least half of the values that are no words for a missing value have a digit."""
    tests = []
    for name in names:
        column = column_sql(name)
        value = f"{column} NOT IN ({_NULLS_SQL})"
        tests += [
            f"count(*) FILTER (WHERE {value})",
            f"count(*) FILTER (WHERE {value} AND regexp_matches({column}, '^\\W*[0-9]|[0-9]\\W*$'))",
        ]
    if not tests:
        return []
    counts = iter(table.connection.execute(f"SELECT {', '.join(tests)} FROM cells").fetchall()[0])
    pairs = zip(names, zip(counts, counts, strict=True), strict=True)
    return [name for name, (values, digits) in pairs if values and digits * 2 >= values]


def _find_obstacle(table: Table, source: SourceSpec, name: str) -> TextObstacle | None:
    column = column_sql(name)
    number, time = (
        test.replace("{v}", WrittenColumn(name, source).plain_text_sql("number"))
        for test in (_NUMBER_SQL, _TIME_SQL.replace("{v}", column))
    )
    values = f"SELECT {column} AS v, count(*) AS n FROM cells WHERE {column} IS NOT NULL AND {column} <> ''"
    for type, test in (("number", number), ("date", time)):
        words = table.connection.execute(
            f"{values} AND NOT ({test}) GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {MAX_WORDS + 1}"
        ).fetchall()
        fitting = table.connection.execute(f"SELECT count(*) FROM cells WHERE {column} <> '' AND {test}").fetchall()[0][
            0
        ]
        obstacle = TextObstacle(name, type, tuple(words))
        if not words or not fitting or len(words) > MAX_WORDS:
            continue
        if any(_looks_like_code(word) for word, _ in words):
            continue
        if obstacle.are_words_for_nulls or fitting >= sum(count for _, count in words):
            return obstacle
    return _find_number_style(table, source, name)


def _looks_like_code(word: str) -> bool:
    """Return whether a word has a digit: it is a code, or a number in another style."""
    return any(letter.isdigit() for letter in word)


def _find_number_style(table: Table, source: SourceSpec, name: str) -> TextObstacle | None:
    column = column_sql(name)
    styles = [replace(source, units=tuple(dict.fromkeys((*source.units, *more)))) for more in ((), UNITS)]
    plain = source.decimal == "." and source.thousands is None
    styles += [
        replace(style, decimal=decimal, thousands=thousands)
        for style in list(styles)
        for decimal, thousands in _NUMBER_STYLES
        if plain or (decimal == source.decimal and source.thousands in (None, thousands))
    ]
    styles = [style for style in styles if style != source]
    if not styles:
        return None
    tests = [
        f"count(*) FILTER (WHERE {WrittenColumn(name, style).mismatch_sql('number')} AND {column} NOT IN ({_NULLS_SQL}))"
        for style in styles
    ]
    counts = table.connection.execute(f"SELECT {', '.join(tests)} FROM cells").fetchall()[0]
    fitting = [style for style, count in zip(styles, counts, strict=True) if count == 0]
    if not fitting:
        return None
    fewest = min(map(_count_options, fitting))
    chosen = tuple(style for style in fitting if _count_options(style) == fewest)
    number = _NUMBER_SQL.replace("{v}", column)
    values = f"FROM cells WHERE {column} <> '' AND {column} NOT IN ({_NULLS_SQL})"
    example = table.connection.execute(f"SELECT min({column}) {values} AND NOT {number}").fetchall()[0][0]
    words = table.connection.execute(
        f"SELECT {column}, count(*) FROM cells WHERE {column} IN ({_NULLS_SQL}) AND {column} <> '' GROUP BY 1 ORDER BY 2 DESC, 1"
    ).fetchall()
    if chosen[0].units:
        used = tuple(unit for unit in chosen[0].units if unit in source.units or _occurs(table, name, unit))
        chosen = tuple(dict.fromkeys(replace(style, units=used) for style in chosen))
    return TextObstacle(name, "number", tuple(words), chosen, str(example))


def _occurs(table: Table, name: str, unit: str) -> bool:
    condition = f"contains({column_sql(name)}, {quote_literal(unit)})"
    return bool(table.connection.execute(f"SELECT count(*) FROM cells WHERE {condition}").fetchall()[0][0])


def _count_options(source: SourceSpec) -> int:
    return (source.decimal != ".") + (source.thousands is not None) + bool(source.units)
