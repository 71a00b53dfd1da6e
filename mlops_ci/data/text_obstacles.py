"""Finds why a column of text is not one of numbers or dates, and which option of the source would read it so."""

# ruff: noqa: S608  SQL contains only quoted names and literals, and the connection can only read the data
from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from mlops_ci.core.time_formats import format_has_clock, time_format_pattern
from mlops_ci.data.column_types import TYPE_TEST_SQL, batch_columns, column_sql, quote_literal
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
_ISO_FORMATS = (  # which only files that say which values are text need
    "%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ",
    "%Y-%m-%dT%H:%M:%S.%f",
)  # fmt: skip
TIME_FORMATS = _ISO_FORMATS + tuple(
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
    source; several mean that the values do not say which. `example`: a value that such an option is needed for, or that no
    option can read. `is_stored_as_text`: the file itself says that the values are text, such as "1.5" in quotes in JSON.
    """

    column: str
    type: str  # number, or date (also for timestamps)
    words: tuple[tuple[str, int], ...] = ()
    options: tuple[SourceSpec, ...] = ()
    example: str = ""
    is_stored_as_text: bool = False

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
        for name in _likely_columns(table, source, names[start : start + COLUMNS_A_QUERY]):
            obstacle = _find_obstacle(table, source, name)
            found += [obstacle] if obstacle else []
    return tuple(found)


def _find_obstacle(table: Table, source: SourceSpec, name: str) -> TextObstacle | None:
    if source.type != "csv":
        for find in (_find_words, _find_stored_text, _find_number_style, _find_odd_numbers):
            if (obstacle := find(table, source, name)) is not None:
                return replace(obstacle, options=())  # those of CSV
        return None
    return (
        _find_words(table, source, name)
        or _find_number_style(table, source, name)
        or _find_odd_numbers(table, source, name)
    )


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
# a number but for a sign: (5), +5, 5-, <0.5, and a minus that is another character
_SIGNED_PATTERN = r"(?:[<>\x{2264}\x{2265}~\x{2248}\x{b1}+\x{2212}\x{2013}-]=? ?|\()(0|[1-9][0-9]*)(\.[0-9]+)?\)?|(0|[1-9][0-9]*)(\.[0-9]+)?[-+*?]"
_TIME_SQL = f"({TYPE_TEST_SQL['date']} OR {TYPE_TEST_SQL['timestamp']})"


def _likely_columns(table: Table, source: SourceSpec, names: Sequence[str]) -> list[str]:
    """Return the columns in which at least half of the values that are no words for a missing value have a digit.

    In files that say which values are text, digits beside letters are text, and the first rows decide.
    """
    tests = []
    is_text_file = source.type == "csv"
    for name in names:
        column = column_sql(name)
        value = f"{column} NOT IN ({_NULLS_SQL})"
        no_text = f"regexp_matches({column}, '[0-9]') AND (NOT regexp_matches({column}, '\\pL') OR {_NUMBER_SQL} OR {_TIME_SQL})"
        is_likely = (
            f"regexp_matches({column}, '^\\W*[0-9]|[0-9]\\W*$')" if is_text_file else no_text.replace("{v}", column)
        )
        tests += [f"count(*) FILTER (WHERE {value})", f"count(*) FILTER (WHERE {value} AND {is_likely})"]
    if not tests:
        return []
    rows = "cells" if is_text_file else f"(SELECT {', '.join(map(column_sql, names))} FROM cells LIMIT {_SAMPLE})"
    counts = iter(table.connection.execute(f"SELECT {', '.join(tests)} FROM {rows}").fetchall()[0])
    pairs = zip(names, zip(counts, counts, strict=True), strict=True)
    return [name for name, (values, digits) in pairs if values and digits * 2 >= values]


def _find_words(table: Table, source: SourceSpec, name: str) -> TextObstacle | None:
    """Return the obstacle of a column that would be numbers or dates but for a few words."""
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
    return None


def _looks_like_code(word: str) -> bool:
    """Return whether a word has a digit: it is a code, or a number in another style."""
    return any(letter.isdigit() for letter in word)


def _find_number_style(table: Table, source: SourceSpec, name: str) -> TextObstacle | None:
    """Return the obstacle of a column whose numbers are written in another style; without options if the other columns need theirs."""
    column = column_sql(name)
    bases = [replace(source, units=tuple(dict.fromkeys((*source.units, *more)))) for more in ((), UNITS)]
    bases += [] if source.trim else [replace(base, trim=True) for base in bases]
    styles = [
        *bases,
        *(
            replace(base, decimal=decimal, thousands=thousands)
            for base in bases
            for decimal, thousands in ((".", None), *_NUMBER_STYLES)
        ),
    ]
    fitting = [style for style in dict.fromkeys(styles) if style != source]
    for rows in (f"(SELECT {column} FROM cells LIMIT {_SAMPLE})", "cells"):  # most styles fit no sample
        fitting = [
            style
            for batch in batch_columns(fitting)
            for style, count in zip(batch, _count_misfits(table, name, batch, rows), strict=True)
            if count == 0
        ]
        if not fitting:
            return None
    plain = source.decimal == "." and source.thousands is None
    usable = [
        style
        for style in fitting
        if plain or (style.decimal == source.decimal and source.thousands in (None, style.thousands))
    ]
    fewest = min((_count_options(style) for style in usable), default=0)
    chosen = tuple(style for style in usable if _count_options(style) == fewest)
    misfits = f"{WrittenColumn(name, source).mismatch_sql('number')} AND {column} NOT IN ({_NULLS_SQL})"
    example = table.connection.execute(f"SELECT min({column}) FROM cells WHERE {misfits}").fetchall()[0][0]
    if example is None:
        return None
    words = table.connection.execute(
        f"SELECT {column}, count(*) FROM cells WHERE {column} IN ({_NULLS_SQL}) AND {column} <> '' GROUP BY 1 ORDER BY 2 DESC, 1"
    ).fetchall()
    if chosen and chosen[0].units:
        used = tuple(unit for unit in chosen[0].units if unit in source.units or _occurs(table, name, unit))
        chosen = tuple(dict.fromkeys(replace(style, units=used) for style in chosen))
    return TextObstacle(name, "number", tuple(words), chosen, str(example))


def _occurs(table: Table, name: str, unit: str) -> bool:
    condition = f"contains({column_sql(name)}, {quote_literal(unit)})"
    return bool(table.connection.execute(f"SELECT count(*) FROM cells WHERE {condition}").fetchall()[0][0])


def _count_options(source: SourceSpec) -> int:
    return (source.decimal != ".") + (source.thousands is not None) + bool(source.units) + source.trim


def _count_misfits(table: Table, name: str, styles: Sequence[SourceSpec], rows: str) -> tuple[int, ...]:
    """Return, for each style, how many values of `rows`, which is SQL, are neither numbers in it nor words for a missing value."""
    column, trimmed = column_sql(name), column_sql(f"{name} trimmed")
    tests = []
    for style in styles:
        text, field = (f"{name} trimmed", trimmed) if style.trim else (name, column)
        tests.append(
            f"count(*) FILTER (WHERE {WrittenColumn(text, style).mismatch_sql('number')} AND {field} NOT IN ({_NULLS_SQL}))"
        )
    both = f"(SELECT {column}, trim({column}) AS {trimmed} FROM {rows})"
    counts: tuple[int, ...] = table.connection.execute(f"SELECT {', '.join(tests)} FROM {both}").fetchall()[0]
    return counts


def _find_odd_numbers(table: Table, source: SourceSpec, name: str) -> TextObstacle | None:
    """Return the obstacle of a column of numbers of which some are written in a way that no option reads: `<0.5`, `(5)`.

    At least half of the values are numbers, or numbers but for a sign. Values with letters and digits, or with a leading
    zero as in 007, are codes, and a column with one of them is text.
    """
    column = column_sql(name)
    plain = _NUMBER_SQL.replace("{v}", WrittenColumn(name, source).plain_text_sql("number"))
    value = f"{column} <> '' AND {column} NOT IN ({_NULLS_SQL})"
    has_digit, has_letter = f"regexp_matches({column}, '[0-9]')", f"regexp_matches({column}, '\\pL')"
    is_code = f"NOT {plain} AND {has_digit} AND ({has_letter} OR regexp_full_match({column}, '0[0-9]+'))"
    sample = f"(SELECT {column} FROM cells WHERE {value} LIMIT {_SAMPLE})"
    if table.connection.execute(f"SELECT count(*) FROM {sample} WHERE {is_code}").fetchall()[0][0]:
        return None  # most columns of text end here
    signed = f"NOT {plain} AND regexp_full_match({column}, {quote_literal(_SIGNED_PATTERN)})"
    odd = f"NOT {plain} AND {has_digit}"
    values, codes, numbers, words, example = table.connection.execute(
        f"SELECT count(*), count(*) FILTER (WHERE {is_code}), count(*) FILTER (WHERE {plain} OR {signed}), "
        f"count(DISTINCT {column}) FILTER (WHERE NOT {plain} AND NOT {has_digit}), min({column}) FILTER (WHERE {odd}) "
        f"FROM cells WHERE {value}"
    ).fetchall()[0]
    if codes or example is None or words > MAX_WORDS or numbers * 2 < values:
        return None
    return TextObstacle(name, "number", example=str(example))


def _find_stored_text(table: Table, _: SourceSpec, name: str) -> TextObstacle | None:
    """Return the obstacle of a column that its file declares to be text, and whose values are all dates or fractions.

    Whole numbers alone may be meant as text: they are often numbers of customers, articles or places.
    """
    column = column_sql(name)
    tests = (f"count(*) FILTER (WHERE NOT {test.replace('{v}', column)})" for test in (_NUMBER_SQL, _TIME_SQL))
    no_number, no_time, fractions, example = table.connection.execute(
        f"SELECT {', '.join(tests)}, count(*) FILTER (WHERE contains({column}, '.')), min({column}) FROM cells "
        f"WHERE {column} <> '' AND {column} NOT IN ({_NULLS_SQL})"
    ).fetchall()[0]
    if example is None or (no_time and (no_number or not fractions)):
        return None
    return TextObstacle(name, "date" if no_number else "number", example=str(example), is_stored_as_text=True)
