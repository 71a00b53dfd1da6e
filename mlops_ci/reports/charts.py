"""Bars and intervals drawn with characters, and a mermaid chart of the gate: a comment on GitHub cannot contain images."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mlops_ci.core.requirements import RequirementResult, RequirementTerms
from mlops_ci.core.results.gate import GatedModel
from mlops_ci.reports.formatting import format_count, format_number

_WIDTH = 21  # an odd number of characters: the limit stands in the middle


def requirement_limit(terms: RequirementTerms) -> float | None:
    """Return a requirement's limit on the scale of its interval: a difference or, for a threshold, a value.

    Return None unless there is exactly one limit.
    """
    match terms.test:
        case "threshold":
            bounds = [bound for bound in (terms.min, terms.max) if bound is not None]
            return bounds[0] if len(bounds) == 1 else None
        case "superiority":
            return terms.margin or 0.0
        case "non-inferiority" | "no-regression":
            return -(terms.margin or 0.0)
        case "ratio":
            return None


def draw_interval(item: RequirementResult) -> str:
    """Draw a requirement's interval: `┃` is the limit, `━` the interval, `█` the estimate; empty without an interval.

    The scale reaches as far as the end of the interval that is farther from the limit.
    """
    limit = requirement_limit(item.requirement)
    seen = item.candidate if item.difference is None else item.difference
    if limit is None or seen is None or item.lower is None or item.upper is None:
        return ""
    widest = max(abs(item.lower - limit), abs(item.upper - limit), abs(seen - limit))
    if not 0 < widest < float("inf"):
        return ""
    middle = _WIDTH // 2
    low, at, high = (middle + round((value - limit) / widest * middle) for value in (item.lower, seen, item.upper))
    cells = ["─"] * _WIDTH
    cells[low : high + 1] = ["━"] * (high + 1 - low)
    cells[middle] = "╋" if low <= middle <= high else "┃"
    cells[at] = "█"
    return "".join(cells)


def draw_difference(value: float, widest: float, width: int = 10) -> str:
    """Draw a difference as a bar of at most `width` characters: `◀` worse, `▶` better, empty if it is too small."""
    count = round(min(abs(value) / widest, 1) * width) if widest > 0 else 0
    return ("▶" if value > 0 else "◀") * count


def draw_flowchart(models: Sequence[GatedModel]) -> str:
    """Return a fenced mermaid chart of each model's steps: data, training, evaluation, verdict."""
    lines = ["```mermaid", "flowchart LR"]
    for at, gated in enumerate(models):
        stops = [
            f'm{at}["{chart_label(gated.model)}"]',
            *(f'm{at}{name}["{text}"]' for name, text in _flowchart_steps(gated)),
        ]
        lines.append("  " + " --> ".join([*stops, f'm{at}v(["{gated.verdict}"]):::{gated.verdict}']))
    colours = {"pass": "#2da44e", "fail": "#cf222e", "inconclusive": "#bf8700", "incomparable": "#bf8700"}
    used = {gated.verdict for gated in models}
    lines += [f"  classDef {name} fill:{colours[name]},color:#fff" for name in colours if name in used]
    return "\n".join([*lines, "```"])


def _flowchart_steps(gated: GatedModel) -> list[tuple[str, str]]:
    stops = []
    if gated.snapshot is not None:
        failed = sum(not check.passed for check in gated.snapshot.checks)
        checks = f"{format_count(failed, 'check')} failed" if failed else "checks passed"
        stops.append(("d", f"{format_count(gated.snapshot.rows, 'row')}, {checks}"))
    if gated.run is not None:
        stops.append(("t", f"fitted in {format_number(gated.run.seconds)} s" if gated.fitted else "trained before"))
    if gated.comparison is not None:
        champion = gated.comparison.champion
        against = f" against v{chart_label(champion.version)}" if champion else ""
        stops.append(("j", f"evaluated on {format_count(gated.comparison.holdout_rows, 'row')}{against}"))
    return stops


def chart_label(text: str) -> str:
    """Return text for a quoted label of a chart: at most 40 characters, without those that have a meaning in mermaid."""
    return re.sub(r"[^\w .=+-]|-{2,}", "·", " ".join(text[:200].split()))[:40]
