"""Reads CSV files as values of the types that are likely; the text of the fields is kept at most while it is tested.

Whoever gets no answer reads the fields as text first, which takes three times the work: see `csv_table`.
"""

# ruff: noqa: S608  SQL contains only quoted names and literals, and the connection can only read the data
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlops_ci.data.column_types import SQL_TYPES, TYPE_TEST_SQL, canonical_value_sql, column_sql, parsed_value_sql
from mlops_ci.data.engines.csv_precision import EXACT_DIGITS, suspect_sql
from mlops_ci.data.engines.written_values import WrittenColumn
from mlops_ci.spec.spec_types import ColumnSpec

FIRST_ROWS = 200
MAX_TESTED_COLUMNS = 200  # in the query that reads the values
_COLUMNS_BELOW = 500  # each other in one query
_FIELD = "field"  # the column of the fields of several columns
_UNFIT = "error('a value is not of the type of the first rows')"


@dataclass(frozen=True)
class FirstFields:
    """What the first fields of a column say: whether one has a value, and the types that fit all of them."""

    has_values: bool
    types: tuple[str, ...]


def read_values(
    connection: Any, rows: str, columns: Mapping[str, WrittenColumn], declared: Mapping[str, ColumnSpec]
) -> dict[str, str] | None:
    """Create the table `cells` and return each column's type; None, and no table, when this needs the text of all fields.

    `rows` is SQL for the fields of the files as text. All are needed when one is not of its column's declared type, or of
    the first type that fits the first rows; when a DuckDB type of more digits than the usual one may be needed; and when
    the files cannot be read.
    """
    import duckdb

    is_wide, fields = len(columns) > MAX_TESTED_COLUMNS, f"({rows})"
    types: dict[str, str] = {name: type for name in columns if (type := declared[name].expected_type) is not None}
    try:
        if is_wide:  # several queries read the fields
            connection.execute(f"CREATE TABLE fields AS {rows}")
            fields = "fields"
        if undeclared := [column for name, column in columns.items() if name not in types]:
            first = examine_first_rows(connection, undeclared, fields)
            if not all(fields.has_values for fields in first.values()):
                return None
            # a type that does not fit the first rows fits no column
            types |= {column.name: (*first[column.name].types, column.text_type)[0] for column in undeclared}
        if is_wide:
            _test_below_each_other(connection, columns, types, fields)
            connection.execute("DROP TABLE fields")  # it and the values would take 100 MB more for 2,000 columns
        values = (_tested_values_sql if is_wide else _values_sql)(rows, columns, types)
        connection.execute(f"CREATE TABLE cells AS {values}")
    except duckdb.InterruptException:
        raise
    except duckdb.Error:
        return None
    finally:
        if is_wide:
            connection.execute("DROP TABLE IF EXISTS fields")
    return {name: types[name] for name in columns}


def examine_first_rows(connection: Any, columns: Sequence[WrittenColumn], fields: str) -> dict[str, FirstFields]:
    """Return what the first fields of each column say; `fields` is a table with the fields as text, or a query in brackets.

    The fields of columns that are written alike are tested below each other: the time to plan a query grows with the
    number of its expressions.
    """
    found = {column.name: FirstFields(False, ()) for column in columns}  # without rows
    for group in _group_by(columns, lambda column: (column.time_format, column.json_kinds)):
        one = replace(group[0], name=_FIELD)
        tests = "".join(f", count(*) FILTER (WHERE {one.mismatch_sql(type)})" for type in one.possible_types)
        names = [column.name for column in group]
        first = _below_each_other_sql(group, f"(SELECT {_names_sql(names)} FROM {fields} LIMIT {FIRST_ROWS})")
        answer = connection.execute(
            f"SELECT place, count(nullif({column_sql(_FIELD)}, '')){tests} FROM ({first}) GROUP BY place"
        ).fetchall()
        for place, values, *counts in answer:
            types = zip(one.possible_types, counts, strict=True)
            found[group[place].name] = FirstFields(values > 0, tuple(type for type, count in types if not count))
    return found


def _test_below_each_other(
    connection: Any, columns: Mapping[str, WrittenColumn], types: Mapping[str, str], fields: str
) -> None:
    """Raise DuckDB's error when a field is unfit for its column's type.

    The patterns of a wide table would take half of the time and of the memory of the query that reads the values.
    """
    for group in _group_by(columns.values(), lambda column: (types[column.name], column.time_format)):
        one, type = replace(group[0], name=_FIELD), types[group[0].name]
        if type in TYPE_TEST_SQL:
            values = _values_sql(_below_each_other_sql(group, fields), {_FIELD: one}, {_FIELD: type})
            connection.execute(f"SELECT count({column_sql(_FIELD)}) FROM ({values})").fetchall()


def _group_by(
    columns: Iterable[WrittenColumn], key: Callable[[WrittenColumn], object]
) -> Iterable[Sequence[WrittenColumn]]:
    """Return the columns with the same key, in groups of a size for which a query is planned quickly."""
    groups: dict[object, list[WrittenColumn]] = {}
    for column in columns:
        groups.setdefault(key(column), []).append(column)
    return [group[at : at + _COLUMNS_BELOW] for group in groups.values() for at in range(0, len(group), _COLUMNS_BELOW)]


def _below_each_other_sql(columns: Sequence[WrittenColumn], fields: str) -> str:
    """Return SQL for a row for each field of the columns, with the place of its column among them."""
    names = _names_sql(column.name for column in columns)
    return f"SELECT unnest([{names}]) AS {column_sql(_FIELD)}, unnest(range({len(columns)})) AS place FROM {fields}"


def _names_sql(names: Iterable[str]) -> str:
    return ", ".join(map(column_sql, names))


def _values_sql(rows: str, columns: Mapping[str, WrittenColumn], types: Mapping[str, str]) -> str:
    """Return SQL for the values of fields; it fails on one that is unfit.

    A field is unfit if it is no value of its column's type, or one that the usual DuckDB type may not hold exactly.
    """
    texts, casts, values = [], [], []
    for index, (name, column) in enumerate(columns.items()):
        type, text, cast = types[name], f"t{index}", f"v{index}"
        plain = column.plain_text_sql(type)
        casts.append(text)
        if type in _CASTS:
            # a level of its own, since the engine would compute the cast at each place that names it
            casts.append(f"TRY_CAST({text} AS {SQL_TYPES[type]}) AS {cast}")
            value = _CASTS[type].replace("{t}", text).replace("{v}", cast)
        else:
            value = parsed_value_sql(text, SQL_TYPES[type])
            if type in TYPE_TEST_SQL:
                plain = f"CASE WHEN {column.mismatch_sql(type)} THEN {_UNFIT} ELSE {plain} END"
                suspect = suspect_sql(text, type)
                value = f"CASE WHEN {suspect} THEN {_UNFIT} ELSE {value} END" if suspect else value
        texts.append(f"{plain} AS {text}")
        values.append(f"{value} AS {column_sql(name)}")
    return f"SELECT {', '.join(values)} FROM (SELECT {', '.join(casts)} FROM (SELECT {', '.join(texts)} FROM ({rows})))"


def _tested_values_sql(rows: str, columns: Mapping[str, WrittenColumn], types: Mapping[str, str]) -> str:
    """Return SQL for the values of fields that all fit their types.

    It has one level: with several levels, the time to plan grows with the square of the number of columns.
    """
    values = []
    for name, column in columns.items():
        plain, sql_type = column.plain_text_sql(types[name]), SQL_TYPES[types[name]]
        value = (
            canonical_value_sql(f"TRY_CAST({plain} AS {sql_type})", sql_type)  # needs no test for an empty text
            if types[name] in _CASTS
            else parsed_value_sql(plain, sql_type)
        )
        values.append(f"{value} AS {column_sql(name)}")
    return f"SELECT {', '.join(values)} FROM ({rows})"


# Most columns of large tables are numbers, and a pattern costs more than a cast. `{t}` is the text and `{v}` its cast
_CASTS = {
    "integer": f"CASE WHEN {{v}}::VARCHAR = {{t}} THEN {{v}} WHEN {{t}} <> '' THEN {_UNFIT} END",
    # a text that the cast writes again is a number, and none of its digits is lost
    "number": (
        f"CASE WHEN CASE WHEN strlen({{t}}) > {EXACT_DIGITS} THEN {{v}}::VARCHAR = {{t}} "
        f"ELSE {{v}} IS NOT NULL AND {TYPE_TEST_SQL['number'].replace('{v}', '{t}')} END "
        f"THEN CASE WHEN NOT isnan({{v}}) THEN {{v}} + 0.0 END WHEN {{t}} <> '' THEN {_UNFIT} END"
    ),
}
