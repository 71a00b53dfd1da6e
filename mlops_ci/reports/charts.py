"""Magnitudes drawn with letters, and a chart of the way through the gate: GitHub shows no pictures that a comment brings."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mlops_ci.core.records import RequirementResult
from mlops_ci.core.results.gate import GatedModel
from mlops_ci.reports.formatting import format_count, format_number

_WIDTH = 21  # an odd number of characters: the limit stands in the middle
_NUMBER_PATTERN = r"([-+]?[0-9.]+(?:e[-+]?[0-9]+)?)"
# as learn.wording.describe writes requirements; a test holds them against each other
_AT_MOST_WORSE = re.compile(rf"at most {_NUMBER_PATTERN} worse than")
_NOT_WORSE = re.compile(rf"not worse than \S+ \S+ by more than {_NUMBER_PATTERN}|not worse than")
_BETTER = re.compile(rf"better than \S+ \S+ by more than {_NUMBER_PATTERN}|better than")
_ABSOLUTE_BOUND = re.compile(rf"at least {_NUMBER_PATTERN}|at most {_NUMBER_PATTERN}")


def requirement_limit(item: RequirementResult) -> float | None:
    """Return where a requirement's limit lies on the scale of its interval: of differences where it has one, else of values.

    None where there is not one limit, or its words are not known.
    """
    text = item.requirement
    if item.difference is None:
        bounds = _ABSOLUTE_BOUND.findall(text)
        return _parse_float(bounds[0][0] or bounds[0][1]) if len(bounds) == 1 else None
    if found := _AT_MOST_WORSE.search(text):
        return _parse_negated(found.group(1))
    if found := _NOT_WORSE.search(text):
        return _parse_negated(found.group(1) or "0")
    found = _BETTER.search(text)
    return _parse_float(found.group(1) or "0") if found else None


def _parse_float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _parse_negated(text: str) -> float | None:
    value = _parse_float(text)
    return None if value is None else -value


def draw_interval(item: RequirementResult) -> str:
    """Draw where a requirement's interval lies: `┃` is the limit, `━` the interval, `█` the estimate; nothing without one.

    The scale is as wide as it needs to be for the interval's further end.
    """
    limit = requirement_limit(item)
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
    """Draw a difference as a bar of at most `width` characters: `◀` worse, `▶` better, none at all where it is too small."""
    count = round(min(abs(value) / widest, 1) * width) if widest > 0 else 0
    return ("▶" if value > 0 else "◀") * count


def draw_flowchart(models: Sequence[GatedModel]) -> str:
    """Draw which way each model went, as a mermaid chart in a fence: data, training, the judge, the verdict."""
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
        checks = f"{format_count(failed, 'check')} failed" if failed else "checks hold"
        stops.append(("d", f"{format_count(gated.snapshot.rows, 'row')}, {checks}"))
    if gated.run is not None:
        stops.append(("t", f"fitted in {format_number(gated.run.seconds)} s" if gated.fitted else "trained before"))
    if gated.comparison is not None:
        champion = gated.comparison.champion
        against = f" against v{chart_label(champion.version)}" if champion else ""
        stops.append(("j", f"judged on {format_count(gated.comparison.holdout_rows, 'row')}{against}"))
    return stops


def chart_label(text: str) -> str:
    """Return text for a quoted label of a chart: letters, digits and what means nothing to mermaid; of 40 characters at most."""
    return re.sub(r"[^\w .=+-]|-{2,}", "·", " ".join(text[:200].split()))[:40]
