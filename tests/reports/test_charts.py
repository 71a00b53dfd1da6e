"""Magnitudes drawn with letters: where an interval lies, and by how much two models differ."""

from __future__ import annotations

import pytest

from mlops_ci.core.requirements import Reason
from mlops_ci.reports import charts
from mlops_ci.spec.requirement_text import requirement_terms
from mlops_ci.spec.spec_types import Requirement
from tests.support.report_samples import judged, requirement


@pytest.mark.parametrize(
    ("asked", "limit"),
    [
        (Requirement("auc", min=0.65), 0.65),
        (Requirement("brier", max=0.2), 0.2),
        (Requirement("auc", against="champion", test="non-inferiority", margin=0.02), -0.02),
        (Requirement("auc", against="champion", test="no-regression", margin=0.01, slices="all"), -0.01),
        (Requirement("auc", against="anchor", test="no-regression", margin=0.0), 0.0),
        (Requirement("auc", against="anchor", test="superiority", margin=1e-05), 1e-05),
        (Requirement("auc", against="champion", margin=0.0), 0.0),
        (Requirement("auc", min=0.6, max=0.9), None),
        (Requirement("latency-p50-ms", against="champion", max_ratio=1.5), None),
        (Requirement("at least 3", min=0.65), 0.65),  # names are words of people, too
    ],
)  # fmt: skip
def test_a_limit_is_one_of_the_terms(asked: Requirement, limit: float | None) -> None:
    assert charts.requirement_limit(requirement_terms(asked)) == limit


def test_a_bar_shows_on_which_side_of_the_limit_an_interval_lies() -> None:
    drawing = charts.draw_interval(requirement("pass", candidate=0.75, lower=0.70, upper=0.80))
    assert drawing == "──────────┃──━━━━█━━━"
    across = charts.draw_interval(requirement("inconclusive", candidate=0.65, lower=0.60, upper=0.70))
    assert across == "━" * 10 + "█" + "━" * 10
    assert charts.draw_interval(requirement("pass", candidate=0.75, lower=None, upper=None)) == ""


def test_a_ratio_has_no_interval_to_draw() -> None:
    asked = Requirement("latency-p50-ms", against="champion", max_ratio=1.5)
    shown = requirement("pass", asked, Reason("ratio-measured", baseline="m@v1.0.0"), lower=1.0, upper=2.0)
    assert charts.draw_interval(shown) == ""


@pytest.mark.parametrize(
    ("difference", "widest", "drawing"),
    [(0.1, 0.1, "▶" * 10), (-0.05, 0.1, "◀" * 5), (0.001, 0.1, ""), (0.0, 0.0, ""), (0.3, 0.1, "▶" * 10)],
)
def test_a_difference_is_as_long_as_its_share_of_the_widest(difference: float, widest: float, drawing: str) -> None:
    assert charts.draw_difference(difference, widest) == drawing


def test_a_flowchart_has_one_line_a_model_and_a_colour_a_verdict() -> None:
    lines = charts.draw_flowchart([judged("fail", "bad"), judged("pass", "good")]).splitlines()
    assert lines[:2] == ["```mermaid", "flowchart LR"]
    assert [line.rpartition(":::")[2] for line in lines[2:4]] == ["fail", "pass"]
    assert [line.split()[1] for line in lines[4:6]] == ["pass", "fail"]
    assert lines[-1] == "```"
