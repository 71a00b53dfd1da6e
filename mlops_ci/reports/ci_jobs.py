"""The reports of the verbs that put training, prediction, evaluation and storage into separate jobs, as text."""

from __future__ import annotations

from collections.abc import Iterator

from mlops_ci.core.results.ci_jobs import FeaturesReport, KeepReport, PredictReport
from mlops_ci.reports import formatting


def features_lines(report: FeaturesReport) -> Iterator[str]:
    """Yield a line for each model that has to predict in another job."""
    for task in report.tasks:
        yield f"{task.model}: {formatting.format_count(task.rows, 'row')} without labels"
    if not report.tasks:
        yield "no model runs the repository's own code, so the job that evaluates can load every model itself"


def predict_lines(report: PredictReport) -> Iterator[str]:
    """Yield the number of predictions, and the metrics that were measured."""
    measured = f", {', '.join(report.metrics)} measured" if report.metrics else ""
    yield f"{report.model}: predictions for {formatting.format_count(report.rows, 'row')}{measured}"


def keep_lines(report: KeepReport) -> Iterator[str]:
    """Yield a line for each run."""
    for one in report.runs:
        number = f", evaluation {one.question}" if one.question else ""
        yield f"{one.model}: {one.state} ({one.verdict}{number})\n  {one.ref}"
