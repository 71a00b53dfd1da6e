"""The process of a user's own metrics: truth, predictions and rows in, a number for each row out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mlops_ci.core.errors import Findings, ToolError
from mlops_ci.training import user_code
from mlops_ci.training.workers import protocol


def main(path: str) -> None:
    """Do the job at `path` and write the answer beside it."""
    job = protocol.read_job(protocol.CustomMetricJob, path)
    try:
        write_metric_values(job)
        found = protocol.CustomMetricAnswer()
    except ToolError as error:
        found = protocol.CustomMetricAnswer(error.diagnostics)
    protocol.write_answer(found, path)


def write_metric_values(job: protocol.CustomMetricJob) -> None:
    """Write what each metric gives for each model's rows; raises Findings for a function that fails."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder, root = Path(job.folder), Path(job.root)
    truth = pq.read_table(folder / "truth.parquet").column(0).to_numpy()
    rows = pq.read_table(folder / "rows.parquet").to_pandas()
    for name, entrypoint in job.metrics.items():
        function = user_code.load_entrypoint(entrypoint, root)
        for at in range(job.models):
            given = pq.read_table(folder / f"given-{at}-{name}.parquet")
            found = _call_metric(function, entrypoint, truth, _prediction_array(given), rows, root)
            pq.write_table(pa.table({"value": found}), folder / f"values-{at}-{name}.parquet")


def _prediction_array(given: Any) -> Any:
    """Return one array [n], or [n, k]; of the probabilities of two classes the second one's."""
    columns = [column.to_numpy() for column in given.columns]
    return columns[-1] if len(columns) < 3 else np.stack(columns, axis=1)


def _call_metric(function: Any, entrypoint: str, truth: Any, predictions: Any, rows: Any, root: Path) -> Any:
    help = "it is called as function(y_true, y_pred, rows) and returns a number for each row; the mean is the metric"
    found = user_code.call_user_code(
        # copies: what one call writes into them must not reach the next model
        lambda: np.asarray(function(truth.copy(), predictions.copy(), rows.copy()), dtype=np.float64),
        "metric-failed",
        f"{entrypoint} failed",
        help,
        root,
    )
    if found.shape != (len(truth),):
        raise Findings.of(
            "metric-failed",
            f"{entrypoint} returned shape {found.shape} for {len(truth):,} rows",
            help=help,
        )
    return found
