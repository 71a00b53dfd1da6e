"""The scoring worker: predicts with packaged models on features. It never receives a label."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.errors import Findings, ToolError, error_headline
from mlops_ci.training import frame, prediction_columns
from mlops_ci.training.library_imports import LIBRARIES, import_libraries
from mlops_ci.training.packaging.skops import SKOPS
from mlops_ci.training.packaging.table import load_packager
from mlops_ci.training.workers import protocol


def main(path: str) -> None:
    """Do the job in the file `path` and write the answer into the same folder."""
    job = protocol.read_job(protocol.ScoreJob, path)
    if any(item.packager == SKOPS.name for item in job.items):
        import_libraries(LIBRARIES)
    try:
        answer = protocol.ScoreAnswer(scored=write_predictions(job))
    except ToolError as error:
        answer = protocol.ScoreAnswer(error.diagnostics)
    protocol.write_answer(answer, path)


def write_predictions(job: protocol.ScoreJob) -> tuple[str, ...]:
    """Write each model's predictions, and return the models' names; raises Findings when a model cannot be used."""
    import pyarrow.parquet as pq

    rows = pq.read_table(job.features).to_pandas()
    return tuple(_score_model(item, rows, out) for item, out in zip(job.items, job.outs, strict=True))


def load_recorded_model(item: protocol.ModelItem) -> Any:
    """Return the loaded model, with its own code importable.

    Raises Findings when the model cannot be loaded or differs from its recorded signature.
    """
    sys.path += [folder for folder in item.paths if folder not in sys.path]
    model = load_packager(item.packager).load(Path(item.model), item.trusted)
    if differs := prediction_columns.signature_mismatch(model, item.signature, item.task):
        raise Findings.of("model-file-unreadable", f"{item.name} is not the recorded model: {differs}")
    return model


def _score_model(item: protocol.ModelItem, rows: Any, out: str) -> str:
    import pyarrow as pa
    import pyarrow.parquet as pq

    model = load_recorded_model(item)
    x = frame.feature_frame(rows, item.signature.inputs)
    try:
        columns = prediction_columns.predict_columns(model, x, item.task)
    except (Exception, SystemExit) as error:  # any error of a model is about the model and the rows
        raise Findings.of(
            "score-failed",
            f"{item.name} cannot predict these rows: {error_headline(error)}",
            help="Check the rows for values that the training rows do not have, such as a new category.",
        ) from error
    numbers = [values for name, values in columns.items() if name != prediction_columns.LABEL_COLUMN]
    bad = np.any([~np.isfinite(values) for values in numbers], axis=0) if numbers else np.zeros(len(x), dtype=bool)
    if bad.any():
        raise Findings([_not_finite_finding(item.name, int(bad.sum()), len(x), int(np.flatnonzero(bad)[0]))])
    pq.write_table(pa.table({name: pa.array(values) for name, values in columns.items()}), out)
    return item.name


def _not_finite_finding(name: str, bad: int, rows: int, first: int) -> Diagnostic:
    return Diagnostic(
        "predictions-not-finite",
        f"{name} predicts NaN or infinity for {bad:,} of {rows:,} rows (the first is row {first + 1:,})",
        help="Check the features for missing or very large values that the training rows do not have.",
    )
