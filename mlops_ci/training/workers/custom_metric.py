"""The custom-metric worker: calls the functions with truth, predictions and rows, and writes a number for each row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mlops_ci.core.errors import Findings, ToolError
from mlops_ci.training import user_code
from mlops_ci.training.workers import protocol


def main(path: str) -> None:
    """Do the job in the file `path` and write the answer into the same folder."""
    job = protocol.read_job(protocol.CustomMetricJob, path)
    try:
        write_metric_values(job)
        answer = protocol.CustomMetricAnswer()
    except ToolError as error:
        answer = protocol.CustomMetricAnswer(error.diagnostics)
    protocol.write_answer(answer, path)


def write_metric_values(job: protocol.CustomMetricJob) -> None:
    """Write each metric's values for each model's rows; raises Findings when a function fails."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder, root = Path(job.folder), Path(job.root)
    truth = pq.read_table(folder / "truth.parquet").column(0).to_numpy()
    rows = pq.read_table(folder / "rows.parquet").to_pandas()
    for name, entrypoint in job.metrics.items():
        function = user_code.load_entrypoint(entrypoint, root)
        for at in range(job.models):
            given = pq.read_table(folder / f"given-{at}-{name}.parquet")
            values = _call_metric(function, entrypoint, truth, _prediction_array(given), rows, root)
            pq.write_table(pa.table({"value": values}), folder / f"values-{at}-{name}.parquet")


def _prediction_array(given: Any) -> Any:
    """Return one array [n] or [n, k]; for the probabilities of two classes, those of the second class [n]."""
    columns = [column.to_numpy() for column in given.columns]
    return columns[-1] if len(columns) < 3 else np.stack(columns, axis=1)


def _call_metric(function: Any, entrypoint: str, truth: Any, predictions: Any, rows: Any, root: Path) -> Any:
    help = "function(y_true, y_pred, rows) must return one number for each row; the metric is the mean of these numbers"
    values = user_code.call_user_code(
        # copies, so that changes by one call do not affect the next model
        lambda: np.asarray(function(truth.copy(), predictions.copy(), rows.copy()), dtype=np.float64),
        "metric-failed",
        f"{entrypoint} failed",
        help,
        root,
    )
    if values.shape != (len(truth),):
        raise Findings.of(
            "metric-failed",
            f"{entrypoint} returned an array of shape {values.shape} for {len(truth):,} rows",
            help=help,
        )
    return values
