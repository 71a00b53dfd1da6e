"""Outcomes about the types of columns: a declared type, text that would be numbers, and text where a time is needed."""

# ruff: noqa: S608  SQL contains only quoted names and literals, and the connection can only read the data
from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlops_ci.core.diagnostics import Location
from mlops_ci.core.errors import Findings
from mlops_ci.core.records.training_run import CheckResult, ColumnProfile
from mlops_ci.data.check_outcome import CheckOutcome
from mlops_ci.data.column_types import column_sql
from mlops_ci.data.engines.duckdb import Table
from mlops_ci.data.profile import TableMeasures, displayable_value
from mlops_ci.data.row_rules import pluralize
from mlops_ci.data.text_obstacles import TextObstacle, find_text_obstacles, fitting_time_formats
from mlops_ci.spec.personal_data import PII_MASK, is_personal_column
from mlops_ci.spec.source_options import yaml_options, yaml_scalar
from mlops_ci.spec.source_types import SourceSpec
from mlops_ci.spec.spec_types import ColumnSpec, DatasetSpec

MAX_LISTED_WORDS = 5


def type_outcomes(table: Table, spec: DatasetSpec, measures: TableMeasures) -> Iterator[CheckOutcome]:
    """Yield the outcome of each declared type, also one that a time format implies."""
    profiles: Mapping[str, ColumnProfile] = {column.name: column for column in measures.columns}
    for name, column in spec.columns.items():
        wanted, field = column.expected_type, "type" if column.type else "format"
        if wanted is None or name not in table.types:
            continue
        actual, is_empty = table.types[name], profiles[name].nulls == measures.rows
        fits = is_empty or actual == wanted or (wanted == "number" and actual == "integer")
        help = "correct the data, or change the declared type"
        if mismatch := table.type_mismatches.get(name):
            example = PII_MASK if is_personal_column(spec, name) else displayable_value(mismatch.example)
            values = "1 value is" if mismatch.count == 1 else f"{mismatch.count:,} values are"
            if column.format:
                help = f"correct the data, or the format '{column.format}'"
            help = f"{values} not of type {wanted}, such as '{example}'; {_nulls_help(table, spec, name) or help}"
        yield CheckOutcome(
            "data-type",
            ("spec", "columns", name, field),
            f"column '{name}' is declared as {wanted}, but the data are of type {actual}",
            CheckResult("type", wanted, actual, fits, column.severity, name),
            help,
        )


def number_outcomes(table: Table, spec: DatasetSpec) -> Iterator[CheckOutcome]:
    """Yield a warning for each text column without a declared type that would be numbers or dates but for a few words."""
    source = spec.source
    if not isinstance(source, SourceSpec):
        return
    undeclared = [
        name
        for name, type in table.types.items()
        if type == "string" and spec.columns.get(name, ColumnSpec()).expected_type is None
    ]
    for obstacle in find_text_obstacles(table, source, undeclared):
        is_private = is_personal_column(spec, obstacle.column)
        kind = "numbers" if obstacle.type == "number" else "dates"
        what = _describe_obstacle(obstacle, is_private)
        yield CheckOutcome(
            "data-words",
            ("spec", "source"),
            f"column '{displayable_value(obstacle.column)}' is text: it would be {kind} but for {what}",
            CheckResult(kind, f"{kind} alone", f"also {what}", False, "warn", obstacle.column),
            f"{_obstacle_help(table, obstacle, source, is_private)}; if it is text, declare it: "
            f"`columns: {{{yaml_scalar(obstacle.column)}: {{type: string}}}}`",
        )


def time_outcomes(table: Table, spec: DatasetSpec) -> Iterator[CheckOutcome]:
    """Yield an error when the time column is text: it sorts as text, not as time."""
    if spec.time is not None and table.types.get(spec.time) == "string":
        yield CheckOutcome(
            "data-time-text",
            ("spec", "time"),
            _time_message(table, spec, spec.time),
            CheckResult("time", "date or timestamp", "text", False, "error", spec.time),
            time_help(table, spec.time),
        )


def require_time(table: Table, spec: DatasetSpec, name: str, location: Location) -> None:
    """Raise Findings `data-time-text` when a column that rows are sorted by as times is text."""
    if table.types[name] == "string":
        help = time_help(table, name)
        raise Findings.of("data-time-text", _time_message(table, spec, name), location=location, help=help)


def time_help(table: Table, name: str) -> str:
    """Return which format to declare for a text column whose values are times."""
    formats, column = fitting_time_formats(table, name), yaml_scalar(name)
    if not formats:
        return (
            f"write how its times are written: `columns: {{{column}: {{format: '%d/%m/%Y'}}}}`, or name another column"
        )
    lines = [f"`columns: {{{column}: {{format: {yaml_scalar(format)}}}}}`{order_note(format)}" for format in formats]
    which = "write its format" if len(lines) == 1 else "its values fit several formats; write the right one"
    return f"{which}: {', or '.join(lines)}"


def order_note(format: str) -> str:
    """Return a note about the order of day and month where both are numbers."""
    day, month = format.find("%d"), format.find("%m")
    if min(day, month) < 0 or format.startswith(("%Y", "%y")):
        return ""
    return " (day first)" if day < month else " (month first)"


def _time_message(table: Table, spec: DatasetSpec, name: str) -> str:
    column = column_sql(name)
    example = table.connection.execute(f"SELECT min({column}) FROM cells WHERE {column} <> ''").fetchall()[0][0]
    shown = PII_MASK if is_personal_column(spec, name) else displayable_value(example)
    return f"the time column '{displayable_value(name)}' is text such as '{shown}', and text does not sort as time"


def _describe_obstacle(obstacle: TextObstacle, is_private: bool) -> str:
    parts = []
    if obstacle.example:
        how = "being stored as text" if obstacle.is_stored_as_text else "how they are written"
        parts.append(how if is_private else f"{how}, such as '{displayable_value(obstacle.example)}'")
    if obstacle.words:
        shown = [f"'{displayable_value(word)}' ({count:,})" for word, count in obstacle.words[:MAX_LISTED_WORDS]]
        more = f" and {len(obstacle.words) - len(shown)} more" if len(obstacle.words) > len(shown) else ""
        total = pluralize(sum(count for _, count in obstacle.words), "value")
        parts.append(f"{total}" if is_private else f"{total}: {', '.join(shown)}{more}")
    return " and ".join(parts)


def _obstacle_help(table: Table, obstacle: TextObstacle, source: SourceSpec, is_private: bool) -> str:
    if obstacle.type == "date" and obstacle.is_stored_as_text:
        return time_help(table, obstacle.column)
    if source.type == "parquet" or (source.type != "csv" and not obstacle.words):
        return "write the column as numbers in the file, and missing values as null"
    if obstacle.example and not obstacle.options:
        return "write each value in the file as a plain number, as in other columns, or leave it empty"
    ways = [yaml_options(option, source) for option in obstacle.options]
    lines = [f"`source: {{..., {way}}}`" for way in ways]
    if obstacle.words and not is_private:
        lines.append(f"`nulls: [{', '.join(_null_items(obstacle, source))}]` in the source, if they are missing values")
    if len(ways) > 1:
        return f"write the right one of {' and '.join(lines[: len(ways)])}" + "".join(
            f", and {line}" for line in lines[len(ways) :]
        )
    return f"write {' and '.join(lines)}" if lines else "name the words for a missing value in `nulls` of the source"


def _null_items(obstacle: TextObstacle, source: SourceSpec) -> list[str]:
    words = dict.fromkeys((*source.null_words, *(word for word, _ in obstacle.words)))
    return [yaml_scalar(word) for word in words]


def _nulls_help(table: Table, spec: DatasetSpec, name: str) -> str | None:
    """Return the help for a column that is not of its declared type because of a few words, or None."""
    source = spec.source
    if not isinstance(source, SourceSpec) or source.type == "parquet" or table.types[name] != "string":
        return None
    found = find_text_obstacles(table, source, [name])
    return _obstacle_help(table, found[0], source, is_personal_column(spec, name)) if found else None
