"""A dataset's own names and values: the columns it speaks of are declared, and its checks can be run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from mlops_ci.core.diagnostics import Diagnostic, Location
from mlops_ci.core.suggestions import quote, suggest
from mlops_ci.spec.located_spec import LocatedSpec
from mlops_ci.spec.spec_types import CheckSpec, ColumnSpec, DatasetSpec, SourceSpec
from mlops_ci.spec.yaml.document import Pointer

_TIME_TYPES = ("date", "timestamp")
_NOT_RE2 = re.compile(r"\(\?(?:[=!]|<[=!]|>|\(|P=|P>)|\\[1-9]|[*+?}]\+")
_RE2_ONLY = re.compile(r"\\[pP](?:\{[^}]*\}|[A-Z])|\[\[:\^?[a-z]+:\]|\\[zCQE]|\(\?<[A-Za-z]|\(\?[a-zA-Z]*U")
_ESCAPED_BACKSLASH = re.compile(r"\\\\")


def dataset_spec_findings(loaded: LocatedSpec[DatasetSpec]) -> Iterator[Diagnostic]:
    """Yield what is wrong with one dataset beyond its schema."""
    spec = loaded.spec
    if isinstance(spec.source, SourceSpec):
        yield from _source_findings(spec.source.path, loaded.locate("spec", "source", "path"))
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
            "a split by time needs to know which column the time is",
            loaded.locate("spec", "split", "by"),
            "add `time: COLUMN` to the dataset's spec, or split `by: key-hash`",
        )


def _time_block_findings(loaded: LocatedSpec[DatasetSpec]) -> Iterator[Diagnostic]:
    where = loaded.locate("spec", "blocks", key=True)
    if loaded.spec.time is None:
        message = "blocks of time need to know which column the time is"
        yield Diagnostic("blocks-need-time", message, where, "add `time: COLUMN` to the dataset's spec")
    if loaded.spec.group is not None:
        message = "rows depend on each other by `group` or by `blocks` of time, not by both"
        yield Diagnostic("blocks-and-group", message, where, "keep the one that joins more rows, and delete the other")


def _sealed_holdout_findings(loaded: LocatedSpec[DatasetSpec]) -> Iterator[Diagnostic]:
    division = loaded.spec.split
    if division.by == "sealed" and division.source is None:
        yield Diagnostic(
            "split-needs-source",
            "a sealed holdout needs a source of its own",
            loaded.locate("spec", "split", "by"),
            "add `source: {type: parquet, url: s3://bucket/holdout.parquet}` to `split`, or split `by: key-hash`",
        )
    if division.by != "sealed" and division.source is not None:
        yield Diagnostic(
            "split-source-unused",
            f"a holdout that is split off by {division.by} has no source of its own",
            loaded.locate("spec", "split", "source", key=True),
            "say `by: sealed`, or delete `source`",
        )
    if division.source is not None and division.source.path is not None:
        yield from _source_findings(division.source.path, loaded.locate("spec", "split", "source", "path"))


def undeclared_column_findings(
    data: LocatedSpec[DatasetSpec], name: str, where: Location, role: str
) -> Iterator[Diagnostic]:
    """Yield a finding for a column that a closed dataset does not declare; of an open one only the data know."""
    columns = data.spec.columns
    if data.spec.columns_closed and name not in columns:
        help = suggest(name, columns, otherwise="its columns are")
        declare = f"if the data have it, declare it: `{name}: {{}}` in `columns` of {data.path}"
        message = f"{role} {quote(name)} is not a column of dataset '{data.name}', whose columns are closed"
        yield Diagnostic("column-unknown", message, where, f"{help}\n{declare}")


def _source_findings(path: str, where: Location) -> Iterator[Diagnostic]:
    parts = PurePosixPath(path).parts
    if path.startswith(("/", "~")) or ".." in parts or re.match(r"[A-Za-z]:", path):
        yield Diagnostic(
            "source-outside",
            f"the path {quote(path)} leads out of the repository"
            if "://" not in path
            else f"{quote(path)} is not a path inside the repository",
            where,
            "give a path below the folder of mlops.yaml, such as data/*.parquet",
        )
    elif re.match(r"[a-z][a-z0-9+.-]*://", path):
        yield Diagnostic(
            "source-outside",
            f"{quote(path)} is a URL; this version reads files of the repository only",
            where,
            "keep the data in the repository (git LFS works), and give their path",
        )


def _column_findings(loaded: LocatedSpec[DatasetSpec], name: str, column: ColumnSpec) -> Iterator[Diagnostic]:
    at = ("spec", "columns", name)
    if column.pattern is not None:
        yield from _pattern_findings(column.pattern, loaded.locate(*at, "pattern"))
    yield from _bound_findings(loaded, at, f"column {quote(name)}")
    yield from _bound_findings(loaded, (*at, "length"), f"the length of {quote(name)}")
    for index, value in enumerate(column.values or ()):
        if not _matches_type(value, column.type):
            yield Diagnostic(
                "column-value-type",
                f"column {quote(name)} is of type {column.type}, which {_describe_value(value)} is not",
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
    return f"write a value of type {type}, or correct the type"


def _parse_time(value: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment.replace(tzinfo=None) - (moment.utcoffset() or (moment - moment))


def _bound_findings(data: LocatedSpec[DatasetSpec], at: Pointer, what: str) -> Iterator[Diagnostic]:
    """Yield a finding when `min` is above `max` there; bounds of time are compared as times."""
    bounds: dict[str, Any] = {}
    for name in ("min", "max"):
        bound = data.value(*at, name)
        if isinstance(bound, str) and _parse_time(bound) is None:
            message = f"{what}: {quote(bound)} is no date that exists"
            yield Diagnostic("spec-value", message, data.locate(*at, name), "write ISO 8601, such as 2026-01-31")
        elif bound is not None:
            bounds[name] = _parse_time(bound) if isinstance(bound, str) else bound
    if len(bounds) == 2 and isinstance(bounds["min"], datetime) == isinstance(bounds["max"], datetime):
        low, high = (data.value(*at, name) for name in ("min", "max"))
        if bounds["min"] > bounds["max"]:
            message = f"{what}: min {low} is greater than max {high}"
            yield Diagnostic("spec-bounds", message, data.locate(*at, "max"), "swap them")


def _pattern_findings(pattern: str, where: Location) -> Iterator[Diagnostic]:
    """Judge a pattern as RE2 would, which DuckDB runs; where RE2 knows more than Python, DuckDB has the last word."""
    bare = _ESCAPED_BACKSLASH.sub("", pattern)
    if match := _NOT_RE2.search(bare):
        yield Diagnostic(
            "column-pattern",
            f"the pattern uses {quote(match.group())}: lookaround and backreferences are not supported",
            where,
            "write it without; several simple patterns, or a custom-sql check, can say the same",
        )
        return
    if len(pattern) > 1000 or _RE2_ONLY.search(bare):
        return
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        yield Diagnostic(
            "column-pattern",
            f"not a regular expression: {error}",
            where,
            "in YAML, write patterns in single quotes, where '\\' is an ordinary character",
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
    type = spec.columns[name].type if name in spec.columns else None
    if type is not None and type not in _TIME_TYPES:
        yield Diagnostic(
            "column-not-time",
            f"{what} needs a date or timestamp; column {quote(name)} is of type {type}",
            where,
            "name another column, or correct the column's type",
        )
