"""The scoring process: packaged models and features in, predictions out. It never sees a label."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from mlops_ci.diagnostics import Diagnostic
from mlops_ci.errors import Findings, ToolError
from mlops_ci.learn import frame, jobs, package

_WARM_UPS, _REPEATS, _PATIENCE = 20, 200, 5.0  # calls, calls, seconds after which fewer calls must do
_FEWEST = 20


def main(path: str) -> None:
    """Do the job at `path` and write the answer beside it."""
    job = jobs.read_job(jobs.ScoreJob, path)
    try:
        found = jobs.ScoreAnswer(scored=score(job))
    except ToolError as error:
        found = jobs.ScoreAnswer(error.diagnostics)
    jobs.write_answer(found, path)


def score(job: jobs.ScoreJob) -> tuple[jobs.Scored, ...]:
    """Write each model's predictions; raises Findings when a model cannot be loaded or used."""
    import pyarrow.parquet as pq

    rows = pq.read_table(job.features).to_pandas()
    return tuple(_one(item, rows, job.latency) for item in job.items)


def _one(item: jobs.ScoreItem, rows: Any, latency: bool) -> jobs.Scored:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sys.path += [folder for folder in item.paths if folder not in sys.path]
    model = package.load(Path(item.model), item.trusted)
    if differs := package.mismatch(model, item.signature, item.task):
        raise Findings.of("model-file-unreadable", f"{item.name} is not the model that was recorded: {differs}")
    x = frame.features(rows, item.signature.inputs)
    try:
        columns = package.predict(model, x, item.task)
        operational = _latency(model, x, item.task) if latency else {}
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
    pq.write_table(pa.table({name: pa.array(values) for name, values in columns.items()}), item.out)
    return jobs.Scored(item.name, operational)


def _not_finite(name: str, bad: int, rows: int, first: int) -> Diagnostic:
    return Diagnostic(
        "predictions-not-finite",
        f"{name} predicts NaN or infinity for {bad:,} of {rows:,} holdout rows (the first is row {first + 1:,})",
        help="Look for features with missing or huge values that the model was not trained on.",
    )


def _latency(model: Any, x: Any, task: str) -> dict[str, float]:
    """Return percentiles of the milliseconds that one row takes, as a frame of one row, after warming up.

    On one thread: more gain nothing for one row, and on a busy machine they wait for each other.
    """
    from threadpoolctl import threadpool_limits

    call = model.predict_proba if task != "regression" and hasattr(model, "predict_proba") else model.predict
    if not len(x):
        return {}
    singles = [x.iloc[[at]] for at in np.linspace(0, len(x) - 1, _REPEATS).round().astype(int)]
    taken: list[float] = []
    with threadpool_limits(1):
        began = time.perf_counter()
        for single in singles[:_WARM_UPS]:
            call(single)
        for single in singles:
            started = time.perf_counter()
            call(single)
            taken.append((time.perf_counter() - started) * 1000)
            if len(taken) >= _FEWEST and time.perf_counter() - began > _PATIENCE:
                break
    p50, p95 = np.percentile(taken, [50, 95])
    return {"latency-p50-ms": float(p50), "latency-p95-ms": float(p95)}
