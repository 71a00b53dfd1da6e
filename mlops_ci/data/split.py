"""Which rows a model may learn from, and which judge it: sides that stay where they are when the data grow."""

# ruff: noqa: S608  SQL is made of quoted names and literals only, and the connection reaches nothing but the data
from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_ci.core.codec import encode
from mlops_ci.core.diagnostics import Diagnostic, Location
from mlops_ci.core.errors import Findings
from mlops_ci.core.records import FileDigest, Split
from mlops_ci.data.cache import data_key, load, save
from mlops_ci.data.leakage import Leaks, leaks
from mlops_ci.data.row_rules import counted
from mlops_ci.spec.spec_types import DatasetSpec, Task

if TYPE_CHECKING:
    from mlops_ci.data.engines.duckdb import Table
    from mlops_ci.data.sealed_holdout import Held
    from mlops_ci.spec.located_spec import Loaded

BATCH = 100_000  # rows written at a time
SEEN = "mlops-ci.seen."


@dataclass(frozen=True)
class TargetSummary:
    """What the two sides hold of the target: its logical type, rows without a value, distinct values."""

    type: str
    missing: int
    classes: int
    train_classes: int
    holdout_classes: int


@dataclass(frozen=True)
class Sides:
    """A split without its rows; `lots` says how few keys the rows share, if a side lacks classes and they do."""

    split: Split
    target: TargetSummary
    leaks: Leaks
    lots: str = ""


@dataclass(frozen=True)
class Earlier:
    """How an older model's rows were divided: its split, and the columns that this went by (none: all of them)."""

    split: Split
    key: tuple[str, ...]


@dataclass(frozen=True)
class SideFiles:
    """The two sides, written out as parquet."""

    train: Path
    holdout: Path


def split(
    root: Path,
    dataset: Loaded[DatasetSpec],
    files: tuple[FileDigest, ...],
    columns: tuple[str, ...],
    target: str,
    cache: Path | None,
    held: Held | None = None,
) -> Sides:
    """Divide the dataset's rows, or say how these very files were divided before; writes no rows (see `materialise`).

    `columns` are those that a model uses (features, target, slices; the key is added); they are what the digests are of.
    With `by: key-hash` a row is in the holdout iff the first 64 bits of SHA-256("epoch:<epoch>|" + its key's text, see
    `key_text`) are less than `holdout` of 2^64; in a dataset without a key all columns, by name, are the key. With
    `by: time` the newest rows are the holdout; rows of one moment stay together, in the holdout.
    With `by: sealed` all rows are to learn from, and `held` is the holdout; without it that side has no rows, and no digest.

    Raises Findings: `data-column-missing`, `split-time-missing`, `split-side-empty`, and those of `open_table`.
    """
    apart = encode(held.files) if held else None
    key = data_key(dataset.digest, files, "split", sorted(columns), target, *([apart] if apart else []))
    known = load(cache, key, Sides)
    if known is None:
        with _opened(root, dataset, files, (*columns, target), held) as table:
            known = _sides(table, dataset, _written(dataset.spec, (*columns, target)), target)
        save(cache, key, known)
    return known


def materialise(
    root: Path,
    dataset: Loaded[DatasetSpec],
    files: tuple[FileDigest, ...],
    columns: tuple[str, ...],
    target: str,
    folder: Path,
    seen: Mapping[str, Earlier] | None = None,
    held: Held | None = None,
    order: tuple[str, ...] | None = None,
) -> SideFiles:
    """Write `train.parquet` and `holdout.parquet` into an existing folder.

    Rows are ordered by key, then by content, whatever the layout of the files: first by that of `order` and `target`
    (default: all), so that rows stay in line with files that have these columns only. Columns are the key's, `columns` and
    `target`. The holdout gets a column SEEN + name for each of `seen`, which tells whether the older model of that name
    was free to learn from the row, then or had it been there. Raises as `split` does.
    """
    out = SideFiles(folder / "train.parquet", folder / "holdout.parquet")
    with _opened(root, dataset, files, (*columns, target), held) as table:
        condition, _ = _condition(table, dataset)
        names = _written(dataset.spec, (*columns, target))
        marks = {f"{SEEN}{name}": _learned(table, earlier) for name, earlier in (seen or {}).items()}
        first = _written(dataset.spec, (*order, target)) if order is not None else names
        _write(table, dataset.spec, names, f"NOT {condition}", out.train, {}, first)
        _write(table, dataset.spec, names, condition, out.holdout, marks, first)
    return out


def split_key(spec: DatasetSpec) -> tuple[str, ...]:
    """Return the columns that a split by key-hash goes by; none: all of them."""
    return (spec.group,) if spec.group else spec.key


def same_split(spec: DatasetSpec, today: Split, earlier: Earlier) -> bool:
    """Tell whether it is known, without looking at a row, that every one of today's holdout was held out then, too."""
    then = earlier.split
    if (then.by, then.epoch, then.fraction) != (today.by, today.epoch, today.fraction):
        return False
    if then.by == "time":
        return (
            then.cutoff is None
        )  # a run of an earlier version, which was trusted to be older than today's newest rows
    if then.by == "sealed":
        return True
    return then.by == "key-hash" and earlier.key == split_key(spec) and bool(earlier.key)


def untraceable(types: Mapping[str, str], earlier: Earlier, *, same_columns: bool) -> str | None:
    """Say why it cannot be told which rows an older model has learned from; None when it can. `types` are today's columns."""
    then = earlier.split
    if then.by == "time" and (then.time is None or then.cutoff is None):
        return "its run does not say when its holdout began"
    if then.by == "key-hash" and not earlier.key and not same_columns:
        return "its split went by whole rows, and these have other columns now"
    needed = earlier.key if then.by == "key-hash" else (then.time or "",)
    if gone := [name for name in needed if name not in types]:
        return f"its split went by {', '.join(gone)}, which the data no longer have"
    return None if then.by in ("key-hash", "time") else f"its holdout was set aside by {then.by}"


def _learned(table: Table, earlier: Earlier) -> str:
    """Return SQL that is true for a row of the side that an older model was trained on."""
    from mlops_ci.data.column_types import SQL_TYPES, literal, quoted

    then = earlier.split
    if then.by == "time" and then.time and then.cutoff:
        moment = f"TRY_CAST({literal(then.cutoff)} AS {SQL_TYPES[table.types[then.time]]})"
        return (
            f"coalesce({quoted(then.time)} < {moment}, true)"  # a row that cannot be placed may have been learned from
        )
    return f"(NOT {_hashed(table, earlier.key, then.epoch, then.fraction)})"


def target_findings(sides: Sides, target: str, task: Task, location: Location | None = None) -> tuple[Diagnostic, ...]:
    """Say why the target cannot be learnt: `target-missing`, `target-one-class`, `target-not-binary`, `target-not-numeric`."""
    summary = sides.target
    found = []
    if summary.missing:
        message = f"the target '{target}' has no value (null or NaN) in {counted(summary.missing, 'row')}"
        help = f"leave these rows out of the data, and keep them out with the check '{target}: {{nulls: {{max: 0}}}}'"
        found.append(Diagnostic("target-missing", message, location, help))
    if task == "regression":
        if summary.type not in ("integer", "number"):
            message = f"the target '{target}' of a regression is {summary.type}, not a number"
            found.append(
                Diagnostic("target-not-numeric", message, location, "choose a classification task, or another target")
            )
        return tuple(found)
    if summary.classes < 2:
        message = f"the target '{target}' has {counted(summary.classes, 'class')} in the whole data"
        help = "a classifier needs rows of two classes at least; is a filter too strict, or the column wrong?"
        found.append(Diagnostic("target-one-class", message, location, help))
    elif summary.train_classes < 2 or (summary.holdout_classes < 2 and sides.split.holdout_rows):
        side = "training" if summary.train_classes < 2 else "holdout"
        message = f"the target '{target}' has one class only on the {side} side"
        help = sides.lots or "add rows of the rare class, or change the split"
        found.append(Diagnostic("target-one-class", message, location, help))
    if task == "binary-classification" and summary.classes > 2:
        message = f"the target '{target}' of a binary classification has {summary.classes} classes"
        found.append(Diagnostic("target-not-binary", message, location, "use the task multiclass-classification"))
    return tuple(found)


def held_out(table: Table, spec: DatasetSpec) -> int:
    """Return how many of the open rows a split by key would put into the holdout."""
    found = table.connection.execute(f"SELECT count(*) FILTER (WHERE {_by_key(table, spec)}) FROM data").fetchall()
    return int(found[0][0])


@contextmanager
def _opened(
    root: Path,
    dataset: Loaded[DatasetSpec],
    files: tuple[FileDigest, ...],
    wanted: tuple[str, ...],
    held: Held | None,
) -> Iterator[Table]:
    from mlops_ci.data.engines.duckdb import open_table, reading
    from mlops_ci.data.sealed_holdout import beside

    spec = dataset.spec
    with open_table(root, files, spec, more=held.paths if held else ()) as table, reading("the data"):
        if held:
            table = beside(table, held, spec, dataset.locate("spec", "split", "source"))
        _present(table.types, dataset, wanted)
        yield table


def _present(types: Mapping[str, str], dataset: Loaded[DatasetSpec], wanted: tuple[str, ...]) -> None:
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


def _written(spec: DatasetSpec, columns: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*spec.key, *columns)))


def _sides(table: Table, dataset: Loaded[DatasetSpec], names: tuple[str, ...], target: str) -> Sides:
    from mlops_ci.data.column_types import quoted
    from mlops_ci.data.content_digest import content_digests

    spec = dataset.spec
    condition, cutoff = _condition(table, dataset)
    digests = content_digests(table.connection, "data", {name: table.types[name] for name in names}, condition)
    if spec.split.by == "sealed":
        digests.setdefault(True, (0, ""))  # not opened: no rows, and nothing that tells which they are
    if len(digests) < 2:
        side = "training" if True in digests else "holdout"
        rows, lots = digests[True in digests][0], _lots(table, spec)
        raise Findings.of(
            "split-side-empty",
            f"the {side} side of the split has no rows: {lots or counted(rows, 'row') + ' in all, on the other side'}",
            location=dataset.locate("spec", "split"),
            help=(f"{_key_help(spec)}, " if lots else "")
            + "more data, another share for the holdout, or, by time, rows of more than one moment",
        )
    value = quoted(target)
    classes, train, holdout, missing = table.connection.execute(
        f"SELECT count(DISTINCT {value}), count(DISTINCT {value}) FILTER (WHERE NOT {condition}), "
        f"count(DISTINCT {value}) FILTER (WHERE {condition}), count(*) - count({value}) FROM data"
    ).fetchall()[0]
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
    lacking = min(train, holdout) < min(classes, 2) and spec.split.by != "sealed"
    lots = f"{text}; {_key_help(spec)}" if lacking and (text := _lots(table, spec)) else ""
    summary = TargetSummary(table.types[target], missing, classes, train, holdout)
    return Sides(record, summary, leaks(table, spec, condition), lots)


def _condition(table: Table, dataset: Loaded[DatasetSpec]) -> tuple[str, str | None]:
    """Return SQL that is true for a row of the holdout and never null, and the cutoff of a split by time."""
    by = dataset.spec.split.by
    if by == "sealed":
        return table.held, None
    return _by_time(table, dataset) if by == "time" else (_by_key(table, dataset.spec), None)


def _by_key(table: Table, spec: DatasetSpec) -> str:
    return _hashed(table, split_key(spec), spec.split.epoch, spec.split.holdout)


def _hashed(table: Table, key: tuple[str, ...], epoch: int, share: float) -> str:
    # hex of one length sorts as the number does
    edge = min(int(share * 2**64), 2**64 - 1)
    return f"(substr(sha256('epoch:{epoch:d}|' || {_identity(table, key)}), 1, 16) < '{edge:016x}')"


def _identity(table: Table, key: tuple[str, ...]) -> str:
    from mlops_ci.data.content_digest import key_text

    return key_text(table.types, key or sorted(table.types))


def _key_help(spec: DatasetSpec) -> str:
    if spec.group:
        return "choose a group with more values"
    return "choose a key with more values" if spec.key else "add a column that identifies a row, as key: [...]"


def _lots(table: Table, spec: DatasetSpec) -> str:
    """Say that rows go to their side in fewer lots than there are rows, if they do; else the text is empty."""
    if spec.split.by == "time":
        return ""
    identity = _identity(table, split_key(spec))
    rows, lots = table.connection.execute(f"SELECT count(*), count(DISTINCT {identity}) FROM data").fetchall()[0]
    if lots == rows:
        return ""
    what = "group" if spec.group else "key" if spec.key else "row"
    only = f"{rows:,} rows, but only {counted(lots, 'different ' + what)}"
    return f"{only}: {'equal rows' if what == 'row' else f'rows of one {what}'} stay on one side"


def _by_time(table: Table, dataset: Loaded[DatasetSpec]) -> tuple[str, str]:
    from mlops_ci.data.column_types import SQL_TYPES, literal, quoted

    spec = dataset.spec
    name = spec.time or "time"
    moment = quoted(name)
    rows, missing = table.connection.execute(f"SELECT count(*), count(*) - count({moment}) FROM data").fetchall()[0]
    if missing:
        raise Findings.of(
            "split-time-missing",
            f"'{name}' is missing in {counted(missing, 'row')}, for which a split by time has no side",
            location=dataset.locate("spec", "time"),
            help="leave these rows out of the data, or split by key-hash",
        )
    newest = max(1, round(rows * spec.split.holdout))
    type = SQL_TYPES[table.types[name]]
    # as text: the engine's own, which it reads back exactly
    (text,) = table.connection.execute(
        f"SELECT {moment}::VARCHAR FROM data ORDER BY {moment} DESC LIMIT 1 OFFSET {newest - 1}"
    ).fetchall()[0]
    return f"({moment} >= CAST({literal(text)} AS {type}))", text.replace(" ", "T")


def _write(
    table: Table,
    spec: DatasetSpec,
    names: tuple[str, ...],
    where: str,
    path: Path,
    marks: Mapping[str, str],
    first: tuple[str, ...],
) -> None:
    import pyarrow.parquet as pq

    from mlops_ci.data.column_types import quoted
    from mlops_ci.data.content_digest import row_hash

    chosen = ", ".join([*map(quoted, names), *(f"{sql} AS {quoted(name)}" for name, sql in marks.items())])
    content = dict.fromkeys(row_hash({name: table.types[name] for name in some}) for some in (first, names))
    order = ", ".join([*map(quoted, spec.key), *content])
    reader: Any = table.connection.sql(f"SELECT {chosen} FROM data WHERE {where} ORDER BY {order}").to_arrow_reader(
        BATCH
    )
    with pq.ParquetWriter(path, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
