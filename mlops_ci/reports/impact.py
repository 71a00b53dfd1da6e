"""The models and datasets that a change affects, as text and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from mlops_ci.core.results.impact import AffectedItem, AffectedReport, ProjectsReport
from mlops_ci.reports import escaping, formatting

MAX_LISTED_MODELS = 100  # in the list; the JSON result has all
_HEADER = ("model", "affected by")
_MAX_REASONS = 3  # shown for each model


def impact_lines(report: AffectedReport) -> Iterator[str]:
    """Yield a summary sentence, and the affected models with the reasons."""
    yield _impact_sentence(report)
    if report.models and report.because is None:
        yield formatting.text_table(_HEADER, _model_rows(report.models), "  ")
    if unused := _unused_datasets(report):
        yield f"  and {unused}"
    if report.removed:
        yield f"removed: {', '.join(report.removed)}"


def impact_markdown(report: AffectedReport) -> str:
    """Return the same as Markdown."""
    parts = [f"### {escaping.escape_markdown(_impact_sentence(report))}"]
    if report.models and report.because is None:
        parts.append(escaping.markdown_table(_HEADER, _model_rows(report.models)))
    if unused := _unused_datasets(report):
        parts.append(escaping.escape_markdown(f"And {unused}."))
    if report.removed:
        parts.append(escaping.escape_markdown(f"Removed: {', '.join(report.removed)}."))
    return "\n\n".join(parts) + "\n"


def projects_lines(report: ProjectsReport) -> Iterator[str]:
    """Yield what a change affects in each project, and the jobs of its gate."""
    yield _gate_sentence(report)
    yield formatting.text_table(_PROJECT_HEADER, _project_rows(report), "  ")


def projects_markdown(report: ProjectsReport) -> str:
    """Return the same as Markdown."""
    table = escaping.markdown_table(_PROJECT_HEADER, _project_rows(report))
    return f"### {escaping.escape_markdown(_gate_sentence(report))}\n\n{table}\n"


_PROJECT_HEADER = ("project", "folder", "models", "affected")


def _gate_sentence(report: ProjectsReport) -> str:
    count = f"{len(report.affected_projects):,} of {formatting.format_count(len(report.projects), 'project')}"
    return f"{count} affected; the gate has {formatting.format_count(report.gate_jobs, 'job')}"


def _project_rows(report: ProjectsReport) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for one in report.projects:
        names = [model.name for model in one.impact.models]
        more = [f"and {len(names) - _MAX_REASONS:,} more"] if len(names) > _MAX_REASONS else []
        shown = ", ".join([*names[:_MAX_REASONS], *more]) or "-"
        rows.append((one.name, one.folder, f"{one.impact.total_models:,}", shown))
    return rows


def _impact_sentence(report: AffectedReport) -> str:
    count = f"{len(report.models):,} of {formatting.format_count(report.total_models, 'model')}"
    if report.compared is None:
        return f"{count}: {report.because}"
    return f"{count} affected since {report.compared}"


def _model_rows(models: tuple[AffectedItem, ...]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [(one.name, _reasons_cell(one.reasons)) for one in models[:MAX_LISTED_MODELS]]
    return (
        [*rows, ("...", f"and {len(models) - MAX_LISTED_MODELS:,} more")] if len(models) > MAX_LISTED_MODELS else rows
    )


def _reasons_cell(reasons: tuple[str, ...]) -> str:
    more = [f"{len(reasons) - _MAX_REASONS} more"] if len(reasons) > _MAX_REASONS else []
    return "; ".join([*reasons[:_MAX_REASONS], *more])


def _unused_datasets(report: AffectedReport) -> str | None:
    """Return the affected datasets that affect no model, as text; None if there are none."""
    reasons = " ".join(reason for model in report.models for reason in model.reasons)
    unused = [one.name for one in report.datasets if f"dataset {one.name}: " not in reasons]
    if not unused or report.because is not None or len(report.models) == report.total_models:
        return None
    return f"{formatting.format_count(len(unused), 'dataset')} that no model uses: {', '.join(unused[:_MAX_REASONS])}"
