"""Validation of one dataset spec beyond its schema: column names, paths, bounds, patterns and checks."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from mlops_ci.core.diagnostics import Diagnostic, Location
from mlops_ci.core.suggestions import quote, suggest
from mlops_ci.spec.located_spec import LocatedSpec
from mlops_ci.spec.spec_types import CheckSpec, ColumnSpec, DatasetSpec, SourceSpec
from mlops_ci.spec.validation.reading import source_option_findings, time_format_findings
from mlops_ci.spec.yaml.document import Pointer

_TIME_HELP = (
    "`type: date` for ISO 8601; for dates that are written in another way, also `format`, such as `format: '%d/%m/%Y'`"
)
_TIME_TYPES = ("date", "timestamp")
_NOT_RE2 = re.compile(r"\(\?(?:[=!]|<[=!]|>|\(|P=|P>)|\\[1-9]|[*+?}]\+")
_RE2_ONLY = re.compile(r"\\[pP](?:\{[^}]*\}|[A-Z])|\[\[:\^?[a-z]+:\]|\\[zCQE]|\(\?<[A-Za-z]|\(\?[a-zA-Z]*U")
_ESCAPED_BACKSLASH = re.compile(r"\\\\")


def dataset_spec_findings(loaded: LocatedSpec[DatasetSpec]) -> Iterator[Diagnostic]:
    """Yield the findings of one dataset spec that its schema cannot express."""
    spec = loaded.spec
    if isinstance(spec.source, SourceSpec):
        yield from _source_findings(spec.source.path, loaded.locate("spec", "source", "path"))
        yield from source_option_findings(loaded, spec.source, ("spec", "source"))
    for index, name in enumerate(spec.key):
        yield from undeclared_column_findings(loaded, name, loaded.locate("spec", "key", index), "key column")
    if spec.time is not None:
        yield from undeclared_column_findings(loaded, spec.time, loaded.locate("spec", "time"), "time column")
        yield from _time_column_findings(spec, spec.time, loaded.locate("spec", "time"), "time")
    if spec.group is not None:
        yield from undeclared_column_findings(loaded, spec.group, loaded.locate("spec", "group"), "group column")
    if spec.blocks is not None:
        yield from _time_block_findings(loaded)
    for name, column in spec.columns.items():
        yield from _column_findings(loaded, name, column)
    for index, check in enumerate(spec.checks):
        if isinstance(check, CheckSpec):
            yield from _check_findings(loaded, index, check)
    yield from _sealed_holdout_findings(loaded)
    if spec.split.by == "time" and spec.time is None:
        yield Diagnostic(
            "split-needs-time",
            "a split by time needs a time column, and the dataset names none",
            loaded.locate("spec", "split", "by"),
            "add `time: COLUMN` to the dataset's spec, or write `by: key-hash`",
        )


def _time_block_findings(loaded: LocatedSpec[DatasetSpec]) -> Iterator[Diagnostic]:
    where = loaded.locate("spec", "blocks", key=True)
    if loaded.spec.time is None:
        message = "blocks of time need a time column, and the dataset names none"
        yield Diagnostic("blocks-need-time", message, where, "add `time: COLUMN` to the dataset's spec")
    if loaded.spec.group is not None:
        message = "a dataset can have `group` or `blocks`, not both"
        yield Diagnostic(
            "blocks-and-group", message, where, "keep the one that puts more rows together, and delete the other"
        )


def _sealed_holdout_findings(loaded: LocatedSpec[DatasetSpec]) -> Iterator[Diagnostic]:
    division = loaded.spec.split
    if division.by == "sealed" and division.source is None:
        yield Diagnostic(
            "split-needs-source",
            "a sealed holdout needs its own `source`, and `split` has none",
            loaded.locate("spec", "split", "by"),
            "add `source: {type: parquet, url: s3://bucket/holdout.parquet}` to `split`, or write `by: key-hash`",
        )
    if division.by != "sealed" and division.source is not None:
        yield Diagnostic(
            "split-source-unused",
            f"a split by {division.by} does not read `source`: only a sealed holdout has its own source",
            loaded.locate("spec", "split", "source", key=True),
            "write `by: sealed`, or delete `source`",
        )
    if division.source is not None and division.source.path is not None:
        yield from _source_findings(division.source.path, loaded.locate("spec", "split", "source", "path"))
    if division.source is not None:
        yield from source_option_findings(loaded, division.source, ("spec", "split", "source"))


def undeclared_column_findings(
    data: LocatedSpec[DatasetSpec], name: str, where: Location, role: str
) -> Iterator[Diagnostic]:
    """Yield a finding for a column that a closed dataset does not declare.

    The columns of an open dataset are known only when the data are read, so an open dataset yields no finding here.
    """
    columns = data.spec.columns
    if data.spec.columns_closed and name not in columns:
        help = suggest(name, columns, otherwise="its columns are")
        declare = f"if the data contain this column, add `{name}: {{}}` to `columns` in {data.path}"
        message = f"{role} {quote(name)} is not a column of dataset '{data.name}' (which has `columnsClosed: true`)"
        yield Diagnostic("column-unknown", message, where, f"{help}\n{declare}")


def _source_findings(path: str, where: Location) -> Iterator[Diagnostic]:
    parts = PurePosixPath(path).parts
    if path.startswith(("/", "~")) or ".." in parts or re.match(r"[A-Za-z]:", path):
        yield Diagnostic(
            "source-outside",
            f"the path {quote(path)} points outside the repository"
            if "://" not in path
            else f"{quote(path)} is not a path inside the repository",
            where,
            "write a path below the folder of mlops.yaml, such as data/*.parquet",
        )
    elif re.match(r"[a-z][a-z0-9+.-]*://", path):
        yield Diagnostic(
            "source-outside",
            f"{quote(path)} is a URL; this version only reads files in the repository",
            where,
            "keep the data in the repository (git LFS works), and write their path",
        )


def _column_findings(loaded: LocatedSpec[DatasetSpec], name: str, column: ColumnSpec) -> Iterator[Diagnostic]:
    at = ("spec", "columns", name)
    yield from time_format_findings(loaded, name, column)
    if column.pattern is not None:
        yield from _pattern_findings(column.pattern, loaded.locate(*at, "pattern"))
    yield from _bound_findings(loaded, at, f"column {quote(name)}")
    yield from _bound_findings(loaded, (*at, "length"), f"the length of {quote(name)}")
    for index, value in enumerate(column.values or ()):
        if not _matches_type(value, column.type):
            yield Diagnostic(
                "column-value-type",
                f"column {quote(name)} is of type {column.type}, but {_describe_value(value)} is not",
                loaded.locate(*at, "values", index),
                _rewrite_hint(value, column.type),
            )


def _matches_type(value: Any, type: str | None) -> bool:
    """Tell whether a listed value can occur in a column of the type."""
    match type:
        case "string":
            return isinstance(value, str)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "boolean":
            return isinstance(value, bool)
        case "date" | "timestamp":
            return isinstance(value, str) and _parse_time(value) is not None
        case _:
            return True


def _describe_value(value: Any) -> str:
    return (
        f"the text {quote(value)}"
        if isinstance(value, str)
        else str(value).lower()
        if isinstance(value, bool)
        else f"the number {value}"
    )


def _rewrite_hint(value: Any, type: str | None) -> str:
    if type == "string":
        return f'write it in quotes: "{str(value).lower() if isinstance(value, bool) else value}"'
    if type in _TIME_TYPES:
        return "write ISO 8601, such as 2026-01-31"
    return f"write a value of type {type}, or correct the column's type"


def _parse_time(value: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment.replace(tzinfo=None) - (moment.utcoffset() or (moment - moment))


def _bound_findings(data: LocatedSpec[DatasetSpec], at: Pointer, what: str) -> Iterator[Diagnostic]:
    """Yield a finding when `min` is greater than `max` at the pointer. Dates and timestamps are compared as times."""
    bounds: dict[str, Any] = {}
    for name in ("min", "max"):
        bound = data.value(*at, name)
        if isinstance(bound, str) and _parse_time(bound) is None:
            message = f"{what}: the date {quote(bound)} does not exist"
            yield Diagnostic("spec-value", message, data.locate(*at, name), "write ISO 8601, such as 2026-01-31")
        elif bound is not None:
            bounds[name] = _parse_time(bound) if isinstance(bound, str) else bound
    if len(bounds) == 2 and isinstance(bounds["min"], datetime) == isinstance(bounds["max"], datetime):
        low, high = (data.value(*at, name) for name in ("min", "max"))
        if bounds["min"] > bounds["max"]:
            message = f"{what}: min {low} is greater than max {high}"
            yield Diagnostic("spec-bounds", message, data.locate(*at, "max"), "swap them")


def _parse_pattern(pattern: str) -> None:
    """Raise re.error for a pattern that `re` cannot read, RecursionError or OverflowError for one that is too large.

    A pattern is not compiled: classes of characters with large ranges take `re` milliseconds each, and a spec may have many
    thousand patterns. RE2, which runs it, has a limit of its own.
    """
    importlib.import_module("re._parser").parse(pattern)


def _pattern_findings(pattern: str, where: Location) -> Iterator[Diagnostic]:
    """Yield a finding for a pattern that RE2, DuckDB's regular expression engine, cannot run.

    A pattern with syntax that only RE2 knows yields no finding here: DuckDB reports its errors.
    """
    bare = _ESCAPED_BACKSLASH.sub("", pattern)
    if match := _NOT_RE2.search(bare):
        yield Diagnostic(
            "column-pattern",
            f"the pattern uses {quote(match.group())}: lookaround and backreferences are not supported",
            where,
            "rewrite the pattern without them, or use a check of type custom-sql",
        )
        return
    if len(pattern) > 1000 or _RE2_ONLY.search(bare):
        return
    try:
        _parse_pattern(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        yield Diagnostic(
            "column-pattern",
            f"the pattern is not a valid regular expression: {error}",
            where,
            "correct it; in YAML, write patterns in single quotes, where '\\' is an ordinary character",
        )


def _check_findings(loaded: LocatedSpec[DatasetSpec], index: int, check: CheckSpec) -> Iterator[Diagnostic]:
    at = ("spec", "checks", index)
    for position, name in enumerate(check.columns):
        yield from undeclared_column_findings(loaded, name, loaded.locate(*at, "columns", position), "column")
    if check.column is not None:
        yield from undeclared_column_findings(loaded, check.column, loaded.locate(*at, "column"), "column")
        yield from _time_column_findings(loaded.spec, check.column, loaded.locate(*at, "column"), "freshness")
    if check.type == "row-count":
        yield from _bound_findings(loaded, at, "row-count")


def _time_column_findings(spec: DatasetSpec, name: str, where: Location, what: str) -> Iterator[Diagnostic]:
    type = spec.columns[name].expected_type if name in spec.columns else None
    if type is not None and type not in _TIME_TYPES:
        yield Diagnostic(
            "column-not-time",
            f"{what} needs a column of type date or timestamp; column {quote(name)} is of type {type}",
            where,
            f"name another column, or correct the type of this one: {_TIME_HELP}",
        )
