"""The gate's error rates as a table, as text and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from mlops_ci.core.results.simulation import ClaimMeasurement, SelftestReport
from mlops_ci.reports import escaping, formatting

_HEADER = ("claim", "metric", "rows", "models", "measured", "must be", "naive", "budget spent", "")


def simulation_lines(report: SelftestReport) -> Iterator[str]:
    """Yield the table, and a legend of its columns."""
    yield formatting.text_table(_HEADER, [_row(one) for one in report.measured])
    yield f"\n{_legend(report)}"


def simulation_markdown(report: SelftestReport) -> str:
    """Return the same as Markdown."""
    return f"{escaping.markdown_table(_HEADER, [_row(one) for one in report.measured])}\n\n{escaping.escape_markdown(_legend(report))}\n"


def _row(one: ClaimMeasurement) -> tuple[str, ...]:
    unit = " points" if one.unit == "points" else ""
    digits = 2 if one.unit == "points" else 3
    return (
        one.claim,
        one.metric,
        f"{one.rows:,}",
        one.setting,
        f"{one.value:.{digits}f} \u00b1 {one.error:.{digits}f}{unit}",
        "" if one.limit is None else f"{'at least' if one.at_least else 'at most'} {one.limit:g}",
        f"{one.naive:.{digits}f}",
        f"unspent: {one.unspent:.2f}" if one.unspent is not None else "" if one.spent is None else f"{one.spent:.3f}",
        "" if one.is_met else "BROKEN",
    )


def _legend(report: SelftestReport) -> str:
    claims = [one for one in report.measured if one.limit is not None]
    held = sum(one.is_met for one in claims)
    verb = "holds" if len(claims) == 1 else "hold"
    if report.model is not None:
        return (
            f"{held} of {formatting.format_count(len(claims), 'claim')} {verb}, within two standard errors, as measured on"
            f" {report.trials:,} holdouts that were drawn with replacement from the holdout of '{report.model}'. The tests are one-sided,"
            f" at the level {report.alpha:g}. For equal models, the two predictions of each row are exchanged at random; otherwise the"
            " observed difference is taken as the true difference. Column “naive”: the error when only the two numbers are compared."
            f" Column “budget spent”: the same gate with tests at the level {report.alpha:g} / {report.budget}."
        )
    return (
        f"{held} of {formatting.format_count(len(claims), 'claim')} {verb}, within two standard errors, as measured on"
        f" {report.trials:,} simulated holdouts for each claim. The tests are one-sided, at the level {report.alpha:g}, on a holdout that"
        " is used for the first time. Column “naive”: the error on the same holdouts when only the two numbers are compared. Column"
        f" “budget spent”: the same gate with tests at the level {report.alpha:g} / {report.budget}, which each of {report.budget}"
        " evaluations on one holdout has. Overstatement is measured at that level. Rows about copies: the share of simulated tables that are refused; their naive"
        " rule refuses a table with any holdout row that equals a training row."
    )
