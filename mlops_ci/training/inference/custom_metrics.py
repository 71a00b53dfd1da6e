"""Computes custom metrics: a worker process calls their functions, which return a value for each row."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlops_ci.core.errors import Findings
from mlops_ci.spec.spec_types import CustomMetric, Task
from mlops_ci.training.predictions import Floats, Label, Predictions, require_part
from mlops_ci.training.workers import protocol, untrusted_files

_CUSTOM_METRIC_WORKER = "mlops_ci.training.workers.custom_metric"


@dataclass(frozen=True)
class LabelledRows:
    """The input of metrics: `labels` [n], the target as in the data, and `rows`, a pyarrow table of n rows."""

    task: Task
    labels: Any
    rows: Any


def custom_metric_values(
    metrics: Mapping[str, CustomMetric],
    models: Sequence[tuple[str, Predictions, tuple[Label, ...]]],
    given: LabelledRows,
    *,
    root: Path,
    scratch: Path,
) -> tuple[dict[str, Floats], ...]:
    """Return, for each model (name, predictions, classes), the values [n] of each metric by name.

    The given rows have the features and the metrics' `columns`; `root` is the folder of the entrypoints. Raises Findings
    when a function fails, or does not return a finite number for each row.
    """
    if not metrics:
        return tuple({} for _ in models)
    # a temporary folder: it has the holdout's labels, and another model's code may run next
    with tempfile.TemporaryDirectory(prefix="custom-", dir=scratch) as name:
        return _run_custom_metric_worker(metrics, models, given, root, Path(name).resolve())


def _run_custom_metric_worker(
    metrics: Mapping[str, CustomMetric],
    models: Sequence[tuple[str, Predictions, tuple[Label, ...]]],
    given: LabelledRows,
    root: Path,
    folder: Path,
) -> tuple[dict[str, Floats], ...]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(given.rows, folder / "rows.parquet")
    pq.write_table(pa.table({"y": pa.array(given.labels)}), folder / "truth.parquet")
    for at, (name, predictions, classes) in enumerate(models):
        for metric, one in metrics.items():
            columns = _prediction_columns(name, metric, one, predictions, classes, given.task)
            pq.write_table(pa.table(columns), folder / f"given-{at}-{metric}.parquet")
    entrypoints = {metric: one.entrypoint for metric, one in metrics.items()}
    job = protocol.CustomMetricJob(str(folder), str(root.resolve()), entrypoints, len(models))
    ended = protocol.run_worker(_CUSTOM_METRIC_WORKER, job, folder)
    answer = protocol.read_answer(protocol.CustomMetricAnswer, folder)
    if answer is not None and (errors := protocol.printable_errors(answer.diagnostics)):
        raise Findings(errors)
    if answer is None:
        how = "took too long" if ended.timed_out else f"ended with exit code {ended.returncode}"
        raise Findings.of(
            "metric-failed",
            f"the functions of evaluate.custom {how} and gave no result",
            help=protocol.as_quote(ended.tail),
        )
    return tuple(
        {
            metric: _read_metric_values(folder / f"values-{at}-{metric}.parquet", metric, len(given.rows))
            for metric in metrics
        }
        for at in range(len(models))
    )


def _prediction_columns(
    name: str, metric: str, custom: CustomMetric, predictions: Predictions, classes: tuple[Label, ...], task: Task
) -> dict[str, Any]:
    if custom.of == "probabilities":
        if predictions.probabilities is None:
            raise Findings.of(
                "metric-failed",
                f"the metric '{metric}' needs probabilities, and {name} gives none",
                help="use an estimator with predict_proba, or write `of: predictions`",
            )
        return {f"p{at}": column for at, column in enumerate(predictions.probabilities.T)}
    if task == "regression":
        return {"p": require_part(predictions.values)}
    return {"p": np.asarray(classes)[require_part(predictions.labels)]}


def _read_metric_values(path: Path, metric: str, rows: int) -> Floats:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with untrusted_files.open_regular_file(path, untrusted_files.PREDICTIONS_LIMIT) as stream:
            file = pq.ParquetFile(stream)
            fits = file.metadata.num_rows == rows and [str(one.type) for one in file.schema_arrow] == ["double"]
            values = file.read().column(0).to_numpy() if fits else None
    except (OSError, ValueError, pa.ArrowException) as error:
        raise Findings.of("metric-failed", f"the values of the metric '{metric}' cannot be read: {error}") from error
    if values is None:
        raise Findings.of("metric-failed", f"the metric '{metric}' did not give one number for each row")
    floats: Floats = np.asarray(values, dtype=np.float64)
    if not np.isfinite(floats).all():
        first = int(np.flatnonzero(~np.isfinite(floats))[0])
        raise Findings.of(
            "metric-failed",
            f"the metric '{metric}' is NaN or infinite for {int((~np.isfinite(floats)).sum()):,} of {rows:,} rows"
            f" (the first is holdout row {first + 1:,})",
            help="its function must return a finite number for every row",
        )
    return floats
