"""The smallest differences that a holdout can detect, as text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mlops_ci.core.results.power import PowerReport, RequirementPower
from mlops_ci.reports import formatting
from mlops_ci.spec.requirement_text import describe_terms


def power_lines(report: PowerReport) -> Iterator[str]:
    """Yield each model's requirements with the smallest difference that their tests can detect."""
    for one in report.models:
        rare = "" if one.rarest is None else f" ({one.rarest:,} of the rarest class)"
        worth = "" if one.effective_rows is None else f", equivalent to {one.effective_rows:,} independent rows"
        tests = f"each test at significance level {one.alpha:.3g}, with a power of {one.power:.0%}"
        yield f"{one.model}: {one.rows:,} holdout rows{rare}{worth}, {tests}"
        rows = [(_label(item), _smallest_difference(item), item.basis) for item in one.requirements]
        yield formatting.text_table(("requirement", "detects a true difference of", "by"), rows, "  ")


def _label(item: RequirementPower) -> str:
    whole = describe_terms(replace(item.requirement, slices=None))
    return f"{whole}, on the whole holdout" if item.requirement.slices else whole


def _smallest_difference(item: RequirementPower) -> str:
    if item.smallest is None:
        return "?"
    return f"{item.smallest:.1%} of the champion's value" if item.relative else f"{item.smallest:.2g}"
