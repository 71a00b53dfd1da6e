"""What a holdout can tell, as text."""

from __future__ import annotations

from collections.abc import Iterator

from mlops_ci.core.results.power import Planned, PowerReport
from mlops_ci.reports import tables


def lines(report: PowerReport) -> Iterator[str]:
    """Yield each model's requirements with the smallest difference that they would see."""
    for one in report.models:
        rare = "" if one.rarest is None else f" ({one.rarest:,} of the rarest class)"
        worth = "" if one.worth is None else f", worth {one.worth:,} independent ones"
        yield f"{one.model}: {one.rows:,} held-out rows{rare}{worth}, each test at {one.alpha:.3g}, {one.power:.0%} power"
        rows = [(item.requirement, _smallest(item), item.basis) for item in one.requirements]
        yield tables.plain(("requirement", "sees a true difference of", "by"), rows, "  ")


def _smallest(item: Planned) -> str:
    if item.smallest is None:
        return "?"
    return f"{item.smallest:.1%} of the champion's" if item.relative else f"{item.smallest:.2g}"
