"""Predicts a user's own table with a released model, batch by batch: the table may be larger than memory.

The table is read and checked as the release's Dataset spec says; the spec's checks of the whole table are left out.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, cast

from mlops_ci.core.diagnostics import Diagnostic, Location, has_errors
from mlops_ci.core.errors import Findings, UsageProblem
from mlops_ci.core.records.training_run import ModelSignature
from mlops_ci.core.suggestions import suggest
from mlops_ci.data.checks import evaluate_checks, run_checks
from mlops_ci.data.column_types import EMPTY_TYPE, column_sql
from mlops_ci.data.engines.duckdb import ConnectionLimits, Table, open_files, plain_files
from mlops_ci.data.engines.duckdb_errors import translate_duckdb_errors
from mlops_ci.data.sources.files import read_digest
from mlops_ci.data.sources.protocol import ReadableFiles
from mlops_ci.spec.located_spec import LocatedSpec
from mlops_ci.spec.personal_data import names_to_show
from mlops_ci.spec.source_types import FileType, SourceSpec
from mlops_ci.spec.spec_types import ColumnSpec, ColumnType, DatasetSpec, PluginSource
from mlops_ci.training.frame import incompatible_inputs
from mlops_ci.training.inference.scoring import PackagedModel, missing_inputs, predict_to_file
from mlops_ci.training.prediction_columns import LABEL_COLUMN, PROBABILITY_PREFIX, SCORE_COLUMN, VALUE_COLUMN

BATCH_CELLS = 2_000_000  # values in a batch: about 16 MB of numbers
ROWS_PER_BATCH = 100_000
ENGINE_MEMORY = "1GB"  # what does not fit is in the scratch folder
TABLE_ENDINGS: Mapping[str, FileType] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
OUT_ENDINGS = (".csv", ".parquet")
ROW_COLUMN, PREDICTION_COLUMN, PREDICTED_SCORE, PROBABILITY = "row", "prediction", "score", "probability."
_PACKED = (".gz", ".zst")


@dataclass(frozen=True)
class PredictedTable:
    """A file of predictions: its columns and rows, and what the table's checks warn of."""

    path: Path
    columns: tuple[str, ...]
    rows: int
    diagnostics: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True)
class PredictionPlace:
    """The folder for what is written, the time for checks of freshness, and who hears of the progress."""

    scratch: Path
    now: datetime
    progress: Callable[[str], None]


class _Writer(Protocol):
    def write_table(self, table: Any) -> None: ...
    def close(self) -> None: ...


def require_table_type(table: Path) -> FileType:
    """Return the type of a table by the ending of its name; raises UsageProblem `predict-table` for another file."""
    kind = TABLE_ENDINGS.get(_ending(table))
    if kind is None or not table.is_file():
        what = f"is not a table: it ends in none of {', '.join(TABLE_ENDINGS)}" if kind is None else "is not a file"
        raise UsageProblem.of(
            "predict-table", f"{table} {what}", help="name a CSV, parquet or JSON Lines file with the model's columns"
        )
    return kind


def _ending(table: Path) -> str:
    """Return the ending of a table's name in lower case, without that of its compression."""
    name = table.name.lower()
    return Path(next((name.removesuffix(packed) for packed in _PACKED if name.endswith(packed)), name)).suffix


def require_out_ending(out: Path) -> str:
    """Return the ending of a file for predictions; raises UsageProblem `predict-out` for one that cannot be written."""
    if out.suffix.lower() not in OUT_ENDINGS:
        raise UsageProblem.of(
            "predict-out",
            f"predictions cannot be written to {out.name}: it ends in none of {', '.join(OUT_ENDINGS)}",
            help="name a file that ends in .csv or .parquet",
        )
    return out.suffix.lower()


def predict_table(
    model: PackagedModel, dataset: LocatedSpec[DatasetSpec], table: Path, ending: str, place: PredictionPlace
) -> PredictedTable:
    """Write the predictions of a table to a new file in `place.scratch`, and return what it holds.

    `dataset` is the spec of the data that the model was trained on: it says how the file is written and what its columns
    hold. Raises Findings when the table cannot be read, lacks a column of the model or has other values than the spec
    allows, and when the model cannot predict it.
    """
    kind, inputs = require_table_type(table), [field.name for field in model.signature.inputs]
    source = _table_source(dataset.spec.source, table, kind)
    wanted = [name for name in (*dataset.spec.key, *inputs) if name in dataset.spec.columns]
    # a key may come twice in a table that is to be predicted
    rules = {name: replace(dataset.spec.columns[name], unique=False) for name in wanted}
    file = read_digest(table.parent, table.name)
    with ExitStack() as stack:
        names = names_to_show(dataset.spec.columns, (*dataset.spec.key, *inputs))
        local = ReadableFiles(table.parent, (file,), source, known_names=names)
        plain = stack.enter_context(plain_files(local, place.scratch))
        limits = ConnectionLimits(str(place.scratch / "spill"), memory=ENGINE_MEMORY)
        opened = _open_table(plain, {**rules, **_reading_rules(model.signature, rules)}, limits)
        stack.callback(opened.connection.close)
        _require_inputs(opened, model.signature, table.name)
        known = DatasetSpec(source, columns={name: rule for name, rule in rules.items() if name in opened.types})
        _, outcomes = run_checks(opened, known)
        _, findings = evaluate_checks(replace(dataset, spec=known), outcomes, place.now)
        if has_errors(findings):
            raise Findings(findings)
        _require_types(opened, model.signature, table.name)
        made = _write_predictions(model, opened, dataset.spec.key, ending, place)
    return replace(made, diagnostics=findings)


def _open_table(files: ReadableFiles, rules: Mapping[str, ColumnSpec], limits: ConnectionLimits) -> Table:
    """Return the open table; where the dataset's files have an index without a name, this file need not have one."""
    try:
        return open_files(files, rules, limits=limits)
    except Findings as error:
        if files.source.index != "drop" or {found.id for found in error.diagnostics} != {"data-header"}:
            raise
        return open_files(replace(files, source=replace(files.source, index=None)), rules, limits=limits)


def _reading_rules(signature: ModelSignature, rules: Mapping[str, ColumnSpec]) -> dict[str, ColumnSpec]:
    """Return how to read the inputs whose type the spec does not declare: a column without a value does not show its type."""
    found = {}
    for field in signature.inputs:
        rule = rules.get(field.name, ColumnSpec())
        if rule.expected_type is None and field.type != "string":  # a number is no text that the model knows
            found[field.name] = replace(rule, type=cast("ColumnType", field.type))
    return found


def _table_source(source: SourceSpec | PluginSource, table: Path, kind: FileType) -> SourceSpec:
    """Return the source of a table: with the dataset's options, if the dataset's files are of the same type."""
    found = SourceSpec(kind, table.name)
    if isinstance(source, SourceSpec) and source.type == kind:
        found = replace(source, path=table.name, compression=None)
    return replace(found, delimiter="\t") if _ending(table) == ".tsv" else found


def _require_inputs(table: Table, signature: ModelSignature, name: str) -> None:
    if absent := missing_inputs(signature, table.types):
        shown = ", ".join(f"'{one}'" for one in absent[:10]) + (f" and {len(absent) - 10} more" if absent[10:] else "")
        near = suggest(absent[0], list(table.types), otherwise="the table's columns are")
        raise Findings.of(
            "predict-column-missing",
            f"{name} has no column {shown}, which the model needs",
            location=Location(name),
            help=near,
        )


def _require_types(table: Table, signature: ModelSignature, name: str) -> None:
    known = {column: type for column, type in table.types.items() if type != EMPTY_TYPE}
    if wrong := incompatible_inputs(signature.inputs, known):
        raise Findings.of(
            "predict-column-type",
            f"{name} has columns of another type than the model was trained on: {', '.join(wrong[:10])}",
            location=Location(name),
            help="write the values as in the training data",
        )


def _write_predictions(
    model: PackagedModel, table: Table, keys: Sequence[str], ending: str, place: PredictionPlace
) -> PredictedTable:
    key = [name for name in keys if name in table.types]
    inputs = [field.name for field in model.signature.inputs]
    columns = list(dict.fromkeys((*key, *inputs)))
    path = place.scratch / f"predictions{ending}"
    ((total,),) = table.connection.execute("SELECT count(*) FROM cells").fetchall()
    done, writer, names = 0, None, ()
    try:
        for batch in _batches(table, columns, max(1_000, min(ROWS_PER_BATCH, BATCH_CELLS // len(columns)))):
            made = _predict_batch(model, batch, inputs, place.scratch)
            kept = {name: batch[name] for name in key} if key else {ROW_COLUMN: _row_numbers(done, batch.num_rows)}
            result = _named_columns(kept, made, model.signature)
            writer = writer or _open_writer(path, result.schema)
            writer.write_table(result)
            done, names = done + batch.num_rows, tuple(result.column_names)
            place.progress(f"predicting: {done:,} of {total:,} rows ({done / total:.0%})")
    finally:
        if writer is not None:
            writer.close()
    return PredictedTable(path, names, done)


def _batches(table: Table, columns: Sequence[str], rows: int) -> Iterator[Any]:
    """Yield the columns in batches of rows as pyarrow tables, in the order of the file."""
    import pyarrow as pa

    query = f"SELECT {', '.join(map(column_sql, columns))} FROM cells"  # noqa: S608 - quoted names only
    with translate_duckdb_errors("the data"):
        for batch in table.connection.sql(query).to_arrow_reader(rows):
            if batch.num_rows:
                yield pa.Table.from_batches([batch]).rename_columns(list(columns))


def _predict_batch(model: PackagedModel, batch: Any, inputs: Sequence[str], scratch: Path) -> Any:
    import pyarrow.parquet as pq

    features = scratch / "batch.parquet"
    pq.write_table(batch.select(list(inputs)), features)
    made = predict_to_file(model, features, rows=batch.num_rows, scratch=scratch / "batch")
    table = pq.read_table(made)
    # a large table must not fill the disk; what a model's own code has locked goes with the scratch folder
    shutil.rmtree(scratch / "batch", ignore_errors=True)
    return table


def _row_numbers(before: int, rows: int) -> Any:
    import pyarrow as pa

    return pa.array(range(before + 1, before + rows + 1), pa.int64())


def _named_columns(kept: Mapping[str, Any], made: Any, signature: ModelSignature) -> Any:
    """Return key columns and predictions in one table; a prediction's column whose name is taken gets a `_`."""
    import pyarrow as pa

    names = {VALUE_COLUMN: PREDICTION_COLUMN, LABEL_COLUMN: PREDICTION_COLUMN, SCORE_COLUMN: PREDICTED_SCORE}
    for at, label in enumerate(signature.classes):
        names[f"{PROBABILITY_PREFIX}{at}"] = f"{PROBABILITY}{str(label).lower() if label in (True, False) else label}"
    table = dict(kept)
    for column in made.column_names:
        name = names[column]
        while name in table:
            name += "_"
        table[name] = made[column]
    return pa.table(table)


def _open_writer(path: Path, schema: Any) -> _Writer:
    import pyarrow.csv as pc
    import pyarrow.parquet as pq

    writer: _Writer = pq.ParquetWriter(path, schema) if path.suffix == ".parquet" else pc.CSVWriter(path, schema)
    return writer
