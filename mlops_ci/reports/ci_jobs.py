"""What the verbs say that part training, predicting, judging and keeping into jobs of their own."""

from __future__ import annotations

from collections.abc import Iterator

from mlops_ci.core.results.ci_jobs import FeaturesReport, KeepReport, PredictReport
from mlops_ci.reports import formatting


def features_lines(report: FeaturesReport) -> Iterator[str]:
    """Yield a line for each model that is to predict in another job."""
    for task in report.tasks:
        yield f"{task.model}: {formatting.format_count(task.rows, 'row')} without labels"
    if not report.tasks:
        yield "no model has code of its own: the job that judges loads them itself"


def predict_lines(report: PredictReport) -> Iterator[str]:
    """Yield what was answered."""
    measured = f", {', '.join(report.metrics)} measured" if report.metrics else ""
    yield f"{report.model}: answers for {formatting.format_count(report.rows, 'row')}{measured}"


def keep_lines(report: KeepReport) -> Iterator[str]:
    """Yield a line for each run."""
    for one in report.runs:
        asked = f", question {one.question}" if one.question else ""
        yield f"{one.model}: {one.state} ({one.verdict}{asked})\n  {one.ref}"
