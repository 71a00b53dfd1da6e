"""Splits a dataset into training rows and holdout, so that a row keeps its side when the data grow."""

# ruff: noqa: S608  SQL contains only quoted names and literals, and the connection can only read the data
from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from mlops_ci.core.codec import encode
from mlops_ci.core.diagnostics import Diagnostic, Location
from mlops_ci.core.errors import Findings
from mlops_ci.core.records.base import FileDigest
from mlops_ci.core.records.training_run import Split
from mlops_ci.data.cache import cache_key, read_cache_entry, write_cache_entry
from mlops_ci.data.column_outcomes import require_time
from mlops_ci.data.column_types import SQL_TYPES, column_sql, quote_literal
from mlops_ci.data.content_digest import content_digests, key_text_sql, stored_types
from mlops_ci.data.earlier_splits import EarlierSplit, split_key
from mlops_ci.data.engines.duckdb import Table, open_table, plain_files
from mlops_ci.data.engines.duckdb_errors import translate_duckdb_errors
from mlops_ci.data.leakage import Leaks, find_leaks
from mlops_ci.data.model_files import RowOrder, write_model_file
from mlops_ci.data.row_rules import pluralize
from mlops_ci.data.sealed_holdout import SealedHoldout, attach_holdout
from mlops_ci.data.sources.table import plugin_versions
from mlops_ci.data.target import TargetSummary, summarize_target
from mlops_ci.spec.located_spec import LocatedSpec
from mlops_ci.spec.personal_data import is_telling
from mlops_ci.spec.spec_types import DatasetSpec, Task
from mlops_ci.spec.train_spec import VALIDATION_COLUMN

SEEN_COLUMN_PREFIX = "mlops-ci.seen."


@dataclass(frozen=True)
class SplitSummary:
    """A split without its rows.

    `holdout_columns_digest` is the digest of the holdout's rows in all columns of the data; empty while a sealed holdout
    is not open. `shared_key_note` explains that many rows share few keys, when this may be why a side has only one class.
    """

    split: Split
    target: TargetSummary
    leaks: Leaks
    holdout_columns_digest: str
    shared_key_note: str = ""


@dataclass(frozen=True)
class SplitSource:
    """The rows to split: a dataset's files below `root`, and its sealed holdout when it is open.

    `hides_labels`: the target is personal, so the summary has no labels that may name a person.
    """

    root: Path
    dataset: LocatedSpec[DatasetSpec]
    files: tuple[FileDigest, ...]
    holdout: SealedHoldout | None = None
    hides_labels: bool = False


@dataclass(frozen=True)
class ValidationShare:
    """A share of the training rows that are not fitted, but say when a fit has to stop."""

    share: float
    seed: int


Side = Literal["train", "holdout"]


@dataclass(frozen=True)
class SplitFiles:
    """The parquet files of the two sides."""

    train: Path
    holdout: Path


def split_dataset(source: SplitSource, columns: tuple[str, ...], target: str, cache: Path | None) -> SplitSummary:
    """Return the summary of the dataset's split, from the cache when the same files were split before.

    Writes no rows (see `write_split_files`). `columns` are the columns that a model uses; the digests of both sides cover
    them, the target, the key and the group.

    - `by: key-hash`: a row is in the holdout iff the first 64 bits of SHA-256("epoch:<epoch>|" + the text of its key,
      see `key_text_sql`) are less than the share `holdout` of 2^64. Without a key, all columns, sorted by name, are the
      key.
    - `by: time`: the newest rows are the holdout. Rows of the cutoff's moment are all in the holdout.
    - `by: sealed`: all rows are training rows, and `source.holdout` is the holdout. When it is not open, the holdout
      side has no rows and no digest.

    Raises Findings: `data-column-missing`, `split-time-missing`, `split-side-empty`, and those of `open_table`.
    """
    dataset, sealed_files = source.dataset, encode(source.holdout.files) if source.holdout else None
    versions = plugin_versions(dataset.spec.source)
    others = [*([sealed_files] if sealed_files else []), *(["no labels"] if source.hides_labels else [])]
    key = cache_key(dataset.digest, source.files, "split", sorted(columns), target, *others, *versions)
    summary = read_cache_entry(cache, key, SplitSummary)
    if summary is None:
        with _open_split_table(source, (*columns, target)) as table:
            summary = _split_summary(table, dataset, _output_columns(dataset.spec, (*columns, target)), target)
        if source.hides_labels and any(map(is_telling, summary.target.labels)):
            summary = replace(summary, target=replace(summary.target, labels=()))
        write_cache_entry(cache, key, summary)
    return summary


def write_split_files(
    source: SplitSource,
    columns: tuple[str, ...],
    target: str,
    folder: Path,
    *,
    seen: Mapping[str, EarlierSplit] | None = None,
    order: tuple[str, ...] | None = None,
    sides: Sequence[Side] = ("train", "holdout"),
) -> SplitFiles:
    """Write `train.parquet` and `holdout.parquet`, or the one of `sides`, into an existing folder, and return both paths.

    The columns are the key's, `columns` and `target`. The order of rows does not depend on the layout of the files: rows
    are sorted by key, then by the content of `order` and `target` (default: all columns), then by the whole content. So
    the rows stay in line with files that have only the columns of `order`. In a sealed holdout, `target` does not count, which
    the order could give away.

    The holdout gets a boolean column SEEN_COLUMN_PREFIX + name for each older model in `seen`. It is true for a row on
    the training side of that model's split, even if the data did not have the row then. Raises as `split_dataset` does.
    """
    dataset, out = source.dataset, SplitFiles(folder / "train.parquet", folder / "holdout.parquet")
    with _open_split_table(source, (*columns, target)) as table:
        condition, _ = _holdout_condition(table, dataset)
        names = _output_columns(dataset.spec, (*columns, target))
        marks = {
            f"{SEEN_COLUMN_PREFIX}{name}": _learned_rows_sql(table, earlier) for name, earlier in (seen or {}).items()
        }
        first = _output_columns(dataset.spec, (*order, target)) if order is not None else names
        if "train" in sides:
            write_model_file(table, dataset.spec, names, f"NOT {condition}", out.train, {}, RowOrder(first))
        if "holdout" in sides:
            unlabelled = tuple(name for name in first if name != target)
            known = RowOrder(unlabelled, source.holdout.order_secret) if source.holdout else RowOrder(first)
            write_model_file(table, dataset.spec, names, condition, out.holdout, marks, known)
    return out


def _learned_rows_sql(table: Table, earlier: EarlierSplit) -> str:
    """Return SQL that is true for a row on the training side of an older model's split."""
    then = earlier.split
    if then.by == "time" and then.time and then.cutoff:
        moment = f"TRY_CAST({quote_literal(then.cutoff)} AS {_moment_sql_type(then.cutoff, table.types[then.time])})"
        return (
            f"coalesce({column_sql(then.time)} < {moment}, true)"  # a row without a time may have been a training row
        )
    return f"(NOT {_hash_condition_sql(table, earlier.key, f'epoch:{then.epoch:d}', then.fraction)})"


def write_training_rows(
    source: SplitSource,
    columns: tuple[str, ...],
    target: str,
    folder: Path,
    *,
    order: tuple[str, ...],
    validation: ValidationShare | None = None,
) -> Path:
    """Write `train.parquet` as `write_split_files` does, and return its path; no row of the holdout is written.

    With `validation`, a boolean column VALIDATION_COLUMN is true for this share of the rows, as the dataset is split: by
    time they are the newest ones, else a hash of the seed and of the group (else of the key, else of all these columns)
    decides, so that a group is on one side.
    """
    dataset, path = source.dataset, folder / "train.parquet"
    with _open_split_table(source, (*columns, target)) as table:
        learned = f"NOT {_holdout_condition(table, dataset)[0]}"
        names = _output_columns(dataset.spec, (*columns, target))
        marks = (
            {}
            if validation is None
            else {VALIDATION_COLUMN: _validation_sql(table, dataset, names, validation, learned)}
        )
        write_model_file(
            table, dataset.spec, names, learned, path, marks, RowOrder(_output_columns(dataset.spec, (*order, target)))
        )
    return path


def target_findings(
    sides: SplitSummary, target: str, task: Task, location: Location | None = None
) -> tuple[Diagnostic, ...]:
    """Return the findings about a target that cannot be learned.

    Ids: `target-missing`, `target-one-class`, `target-not-binary`, `target-not-numeric`.
    """
    summary = sides.target
    findings = []
    if summary.missing:
        message = f"the target '{target}' has no value (null or NaN) in {pluralize(summary.missing, 'row')}"
        help = f"remove these rows from the data, and add the rule `{target}: {{nulls: {{max: 0}}}}` to `columns`"
        findings.append(Diagnostic("target-missing", message, location, help))
    if task == "regression":
        if summary.type not in ("integer", "number"):
            message = f"the target '{target}' of a regression is of type {summary.type}, not a number"
            findings.append(
                Diagnostic("target-not-numeric", message, location, "choose a classification task, or another target")
            )
        return tuple(findings)
    if summary.classes < 2:
        message = f"the target '{target}' has only {pluralize(summary.classes, 'class')} in the whole data"
        help = "a classifier needs rows of at least two classes; check the data's filters and the name of the target"
        findings.append(Diagnostic("target-one-class", message, location, help))
    elif summary.train_classes < 2 or (summary.holdout_classes < 2 and sides.split.holdout_rows):
        side = "training" if summary.train_classes < 2 else "holdout"
        message = f"the target '{target}' has only one class on the {side} side"
        help = sides.shared_key_note or "add rows of the rare class, or change the split"
        findings.append(Diagnostic("target-one-class", message, location, help))
    if task == "binary-classification" and summary.classes > 2:
        message = f"the target '{target}' of a binary classification has {summary.classes} classes"
        findings.append(Diagnostic("target-not-binary", message, location, "use the task multiclass-classification"))
    return tuple(findings)


def count_holdout_rows(table: Table, spec: DatasetSpec) -> int:
    """Return the number of rows in the open table that a split by key-hash puts into the holdout."""
    answer = table.connection.execute(
        f"SELECT count(*) FILTER (WHERE {_key_condition_sql(table, spec)}) FROM cells"
    ).fetchall()
    return int(answer[0][0])


@contextmanager
def _open_split_table(source: SplitSource, wanted: tuple[str, ...]) -> Iterator[Table]:
    dataset, held = source.dataset, source.holdout
    with ExitStack() as stack:
        local = stack.enter_context(plain_files(held.readable)) if held else None
        paths = tuple(local.root / file.path for file in local.files) if local else ()
        table = stack.enter_context(open_table(source.root, source.files, dataset.spec, more=paths))
        stack.enter_context(translate_duckdb_errors("the data"))
        if local:
            table = attach_holdout(table, local, dataset.locate("spec", "split", "source"))
        _require_columns(table.types, dataset, wanted)
        yield table


def _require_columns(types: Mapping[str, str], dataset: LocatedSpec[DatasetSpec], wanted: tuple[str, ...]) -> None:
    spec = dataset.spec
    time = (spec.time or "time",) if spec.split.by == "time" else ()
    absent = [name for name in dict.fromkeys((*spec.key, *split_key(spec), *time, *wanted)) if name not in types]
    if absent:
        raise Findings.of(
            "data-column-missing",
            f"the data have no column {', '.join(map(repr, absent))}",
            location=dataset.locate("spec", "source", "path"),
            help=f"the data have: {', '.join(list(types)[:10])}",
        )


def _output_columns(spec: DatasetSpec, columns: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*spec.key, *columns)))


def _split_summary(
    table: Table, dataset: LocatedSpec[DatasetSpec], names: tuple[str, ...], target: str
) -> SplitSummary:
    spec = dataset.spec
    condition, cutoff = _holdout_condition(table, dataset)
    used = {name: table.types[name] for name in (*names, *((spec.group,) if spec.group else ()))}
    digests = content_digests(table.connection, "cells", used, condition)
    if spec.split.by == "sealed":
        digests.setdefault(True, (0, ""))  # a holdout that is not open has no rows and no digest
    if len(digests) < 2:
        side = "training" if True in digests else "holdout"
        rows, note = digests[True in digests][0], _shared_key_note(table, spec)
        raise Findings.of(
            "split-side-empty",
            f"the {side} side of the split has no rows: {note or 'all ' + pluralize(rows, 'row') + ' are on the other side'}",
            location=dataset.locate("spec", "split"),
            help=(f"{_key_help(spec)}, " if note else "")
            + "add data, or change the holdout's share; a split by time needs rows with at least two different times",
        )
    (train_rows, train_digest), (holdout_rows, holdout_digest) = digests[False], digests[True]

    division = spec.split
    record = Split(
        division.by,
        division.epoch,
        0.0 if division.by == "sealed" else division.holdout,
        train_rows,
        train_digest,
        holdout_rows,
        holdout_digest,
        cutoff,
        None if cutoff is None else spec.time or "time",
    )
    summary = summarize_target(table, target, condition)
    fewest = min(summary.train_classes, summary.holdout_classes)
    lacking = fewest < min(summary.classes, 2) and spec.split.by != "sealed"
    note = f"{text}; {_key_help(spec)}" if lacking and (text := _shared_key_note(table, spec)) else ""
    every_digest = holdout_digest
    if holdout_rows and set(used) != set(table.types):
        held = f"(SELECT * FROM cells WHERE {condition})"
        ((_, every_digest),) = content_digests(table.connection, held, table.types).values()
    return SplitSummary(record, summary, find_leaks(table, spec, condition), every_digest, note)


def _holdout_condition(table: Table, dataset: LocatedSpec[DatasetSpec]) -> tuple[str, str | None]:
    """Return SQL that is true for a row of the holdout and never null, and the cutoff of a split by time."""
    by = dataset.spec.split.by
    if by == "sealed":
        return table.holdout_condition, None
    return _time_condition(table, dataset) if by == "time" else (_key_condition_sql(table, dataset.spec), None)


def _key_condition_sql(table: Table, spec: DatasetSpec) -> str:
    return _hash_condition_sql(table, split_key(spec), f"epoch:{spec.split.epoch:d}", spec.split.holdout)


def _validation_sql(
    table: Table, dataset: LocatedSpec[DatasetSpec], names: tuple[str, ...], validation: ValidationShare, learned: str
) -> str:
    """Return SQL that is true for a validation row; `names` are the columns that the training reads."""
    spec = dataset.spec
    if spec.split.by == "time":
        return _newest_condition(table, spec.time or "time", validation.share, learned)[0]
    return _hash_condition_sql(
        table, split_key(spec) or tuple(sorted(names)), f"validation:{validation.seed:d}", validation.share
    )


def _hash_condition_sql(table: Table, key: tuple[str, ...], salt: str, share: float) -> str:
    # hexadecimal texts of the same length sort like their numbers
    edge = min(int(share * 2**64), 2**64 - 1)
    return f"(substr(sha256('{salt}|' || {_row_identity_sql(table, key)}), 1, 16) < '{edge:016x}')"


def _row_identity_sql(table: Table, key: tuple[str, ...]) -> str:
    names = key or sorted(table.types)
    return key_text_sql(table.types, names, stored_types(table.connection, "cells", names))


def _key_help(spec: DatasetSpec) -> str:
    if spec.group:
        return "choose a group with more values"
    return "choose a key with more values" if spec.key else "add a column that identifies a row: `key: [...]`"


def _shared_key_note(table: Table, spec: DatasetSpec) -> str:
    """Return a note when several rows share a key or group and so go to the same side; else an empty text."""
    if spec.split.by == "time":
        return ""
    identity = _row_identity_sql(table, split_key(spec))
    rows, distinct = table.connection.execute(f"SELECT count(*), count(DISTINCT {identity}) FROM cells").fetchall()[0]
    if distinct == rows:
        return ""
    what = "group" if spec.group else "key" if spec.key else "row"
    counts = f"the data have {rows:,} rows, but only {pluralize(distinct, 'different ' + what)}"
    return f"{counts}, and {'equal rows' if what == 'row' else f'rows of one {what}'} always go to the same side"


def _time_condition(table: Table, dataset: LocatedSpec[DatasetSpec]) -> tuple[str, str]:
    spec = dataset.spec
    name = spec.time or "time"
    require_time(table, spec, name, dataset.locate("spec", "time"))
    moment = column_sql(name)
    ((missing,),) = table.connection.execute(f"SELECT count(*) - count({moment}) FROM cells").fetchall()
    if missing:
        raise Findings.of(
            "split-time-missing",
            f"the time column '{name}' has no value in {pluralize(missing, 'row')}, so a split by time cannot assign them to a side",
            location=dataset.locate("spec", "time"),
            help="remove these rows from the data, or split by key-hash",
        )
    return _newest_condition(table, name, spec.split.holdout)


def _newest_condition(table: Table, name: str, share: float, among: str = "true") -> tuple[str, str]:
    """Return SQL that is true for the newest share of the rows for which `among` is true, and the first moment of these.

    All of these rows have a time. Rows of the first moment are all in the share.
    """
    moment = column_sql(name)
    ((rows,),) = table.connection.execute(f"SELECT count(*) FROM cells WHERE {among}").fetchall()
    newest = max(1, round(rows * share))
    # DuckDB's own text form, which it reads back exactly
    (text,) = table.connection.execute(
        f"SELECT {moment}::VARCHAR FROM cells WHERE {among} ORDER BY {moment} DESC LIMIT 1 OFFSET {newest - 1}"
    ).fetchall()[0]
    type = _moment_sql_type(text, table.types[name])
    return f"({moment} >= CAST({quote_literal(text)} AS {type}))", text.replace(" ", "T")


def _moment_sql_type(text: str, type: str) -> str:
    """Return the DuckDB type that holds a cutoff of a column of the logical type exactly."""
    return "TIMESTAMP_NS" if type == "timestamp" and re.search(r"\.[0-9]{7}", text) else SQL_TYPES[type]
