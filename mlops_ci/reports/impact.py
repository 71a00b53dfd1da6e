"""What a change touches, for a terminal and for a page."""

from __future__ import annotations

from collections.abc import Iterator

from mlops_ci.core.results.impact import AffectedReport, Touched
from mlops_ci.reports import escaping as markup
from mlops_ci.reports import tables

MOST = 100  # models that are listed; the JSON has all
_HEADER = ("model", "touched by")
_REASONS = 3  # of one model


def lines(report: AffectedReport) -> Iterator[str]:
    """Yield the answer in a sentence, and the models with their reasons."""
    yield _sentence(report)
    if report.models and report.because is None:
        yield tables.plain(_HEADER, _rows(report.models), "  ")
    if unused := _unused(report):
        yield f"  and {unused}"
    if report.removed:
        yield f"removed: {', '.join(report.removed)}"


def markdown(report: AffectedReport) -> str:
    """Return the same as Markdown."""
    parts = [f"### {markup.escaped(_sentence(report))}"]
    if report.models and report.because is None:
        parts.append(markup.markdown(_HEADER, _rows(report.models)))
    if unused := _unused(report):
        parts.append(markup.escaped(f"And {unused}."))
    if report.removed:
        parts.append(markup.escaped(f"Removed: {', '.join(report.removed)}."))
    return "\n\n".join(parts) + "\n"


def _sentence(report: AffectedReport) -> str:
    count = f"{len(report.models):,} of {tables.counted(report.of, 'model')}"
    if report.compared is None:
        return f"{count}: {report.because}"
    return f"{count} touched since {report.compared}"


def _rows(touched: tuple[Touched, ...]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [(one.name, _reasons(one.reasons)) for one in touched[:MOST]]
    return [*rows, ("...", f"and {len(touched) - MOST:,} more")] if len(touched) > MOST else rows


def _reasons(reasons: tuple[str, ...]) -> str:
    more = [f"{len(reasons) - _REASONS} more"] if len(reasons) > _REASONS else []
    return "; ".join([*reasons[:_REASONS], *more])


def _unused(report: AffectedReport) -> str | None:
    """Name the datasets that are touched while no model is touched by them."""
    said = " ".join(reason for model in report.models for reason in model.reasons)
    alone = [one.name for one in report.datasets if f"dataset {one.name}: " not in said]
    if not alone or report.because is not None or len(report.models) == report.of:
        return None
    return f"{tables.counted(len(alone), 'dataset')} that no model learns from: {', '.join(alone[:_REASONS])}"
