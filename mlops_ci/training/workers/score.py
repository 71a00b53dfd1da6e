"""The scoring process: packaged models and features in, predictions out. It never sees a label."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.errors import Findings, ToolError
from mlops_ci.training import frame
from mlops_ci.training.packaging import skops as package
from mlops_ci.training.workers import protocol as jobs


def main(path: str) -> None:
    """Do the job at `path` and write the answer beside it."""
    job = jobs.read_job(jobs.ScoreJob, path)
    try:
        found = jobs.ScoreAnswer(scored=score(job))
    except ToolError as error:
        found = jobs.ScoreAnswer(error.diagnostics)
    jobs.write_answer(found, path)


def score(job: jobs.ScoreJob) -> tuple[str, ...]:
    """Write each model's predictions, and return its name; raises Findings when a model cannot be loaded or used."""
    import pyarrow.parquet as pq

    rows = pq.read_table(job.features).to_pandas()
    return tuple(_one(item, rows, out) for item, out in zip(job.items, job.outs, strict=True))


def load(item: jobs.ModelItem) -> Any:
    """Return the model, its own code importable; raises Findings when it cannot be loaded or is not the one recorded."""
    sys.path += [folder for folder in item.paths if folder not in sys.path]
    model = package.load(Path(item.model), item.trusted)
    if differs := package.mismatch(model, item.signature, item.task):
        raise Findings.of("model-file-unreadable", f"{item.name} is not the model that was recorded: {differs}")
    return model


def _one(item: jobs.ModelItem, rows: Any, out: str) -> str:
    import pyarrow as pa
    import pyarrow.parquet as pq

    model = load(item)
    x = frame.features(rows, item.signature.inputs)
    try:
        columns = package.predict(model, x, item.task)
    except (Exception, SystemExit) as error:  # what a model raises on rows is about the model and the rows
        raise Findings.of(
            "score-failed",
            f"{item.name} cannot predict the holdout: {package.headline_of(error)}",
            help="Look at the values that are in the holdout and not in the training rows.",
        ) from error
    numbers = [values for name, values in columns.items() if name != package.LABEL]
    bad = np.any([~np.isfinite(values) for values in numbers], axis=0) if numbers else np.zeros(len(x), dtype=bool)
    if bad.any():
        raise Findings([_not_finite(item.name, int(bad.sum()), len(x), int(np.flatnonzero(bad)[0]))])
    pq.write_table(pa.table({name: pa.array(values) for name, values in columns.items()}), out)
    return item.name


def _not_finite(name: str, bad: int, rows: int, first: int) -> Diagnostic:
    return Diagnostic(
        "predictions-not-finite",
        f"{name} predicts NaN or infinity for {bad:,} of {rows:,} holdout rows (the first is row {first + 1:,})",
        help="Look for features with missing or huge values that the model was not trained on.",
    )
