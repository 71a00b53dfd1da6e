"""What a change touches, for a terminal and for a page."""

from __future__ import annotations

from collections.abc import Iterator

from mlops_ci.core.results.impact import AffectedItem, AffectedReport
from mlops_ci.reports import escaping, formatting

MAX_LISTED_MODELS = 100  # models that are listed; the JSON has all
_HEADER = ("model", "touched by")
_MAX_REASONS = 3  # of one model


def impact_lines(report: AffectedReport) -> Iterator[str]:
    """Yield the answer in a sentence, and the models with their reasons."""
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


def _impact_sentence(report: AffectedReport) -> str:
    count = f"{len(report.models):,} of {formatting.format_count(report.total_models, 'model')}"
    if report.compared is None:
        return f"{count}: {report.because}"
    return f"{count} touched since {report.compared}"


def _model_rows(touched: tuple[AffectedItem, ...]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [(one.name, _reasons_cell(one.reasons)) for one in touched[:MAX_LISTED_MODELS]]
    return (
        [*rows, ("...", f"and {len(touched) - MAX_LISTED_MODELS:,} more")] if len(touched) > MAX_LISTED_MODELS else rows
    )


def _reasons_cell(reasons: tuple[str, ...]) -> str:
    more = [f"{len(reasons) - _MAX_REASONS} more"] if len(reasons) > _MAX_REASONS else []
    return "; ".join([*reasons[:_MAX_REASONS], *more])


def _unused_datasets(report: AffectedReport) -> str | None:
    """Name the datasets that are touched while no model is touched by them."""
    said = " ".join(reason for model in report.models for reason in model.reasons)
    alone = [one.name for one in report.datasets if f"dataset {one.name}: " not in said]
    if not alone or report.because is not None or len(report.models) == report.total_models:
        return None
    return (
        f"{formatting.format_count(len(alone), 'dataset')} that no model learns from: {', '.join(alone[:_MAX_REASONS])}"
    )
