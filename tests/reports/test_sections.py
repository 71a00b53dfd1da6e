"""The parts of a report on one model: what does not hold comes first, and slices are turned so that positive is better."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_ci.core.records.comparison import Comparison, MetricValue
from mlops_ci.core.results.gate import GatedModel
from mlops_ci.reports.sections import (
    collapse_section,
    costs_section,
    data_section,
    metrics_section,
    reasons_list,
    requirements_table,
    slice_differences,
    sort_worst_first,
    verdict_label,
)
from tests.support.report_samples import check, judged, requirement, snapshot


def compared(**metrics: dict[str, tuple[float, float]]) -> Comparison:
    """Metrics by slice of candidate and champion, as `name=(candidate, champion)`; `brier` stands for an error."""
    answer = judged().comparison
    assert answer is not None
    assert answer.champion is not None
    values = [(metric, slice_, *pair) for metric, slices in metrics.items() for slice_, pair in slices.items()]
    mine = tuple(MetricValue(metric, one, one - 0.01, one + 0.01, slice_, 300) for metric, slice_, one, _ in values)
    theirs = tuple(
        MetricValue(metric, other, other - 0.01, other + 0.01, slice_, 300) for metric, slice_, _, other in values
    )
    return replace(answer, metrics=mine, champion=replace(answer.champion, metrics=theirs))


def differences(comparison: Comparison) -> dict[str, list[tuple[str | None, float]]]:
    found = slice_differences(comparison)
    return {metric: [(one.candidate.slice, round(one.difference, 6)) for one in slices] for metric, slices in found}


@given(st.lists(st.sampled_from(["pass", "inconclusive", "incomparable", "fail"])))
def test_models_stand_in_the_order_in_which_they_need_attention(verdicts: list[str]) -> None:
    models = [GatedModel(f"m{at}", verdict, "") for at, verdict in enumerate(verdicts)]  # type: ignore[arg-type]  # one of the four
    ordered = sort_worst_first(models)
    ranks = [["fail", "incomparable", "inconclusive", "pass"].index(one.verdict) for one in ordered]
    assert ranks == sorted(ranks)
    for verdict in set(verdicts):
        assert [one for one in ordered if one.verdict == verdict] == [one for one in models if one.verdict == verdict]


def test_a_verdict_has_its_mark() -> None:
    assert verdict_label("fail") == "\u274c fail"
    assert verdict_label("pass", "verdict: ") == "\u2705 verdict: pass"


def test_of_a_metric_that_is_better_when_higher_the_worst_slice_comes_first() -> None:
    found = differences(compared(auc={"a": (0.8, 0.7), "b": (0.6, 0.7), "c": (0.7, 0.7)}))
    assert found == {"auc": [("b", -0.1), ("c", 0.0), ("a", 0.1)]}


def test_an_error_is_turned_so_that_positive_is_better() -> None:
    assert differences(compared(brier={"a": (0.2, 0.1), "b": (0.1, 0.2)})) == {"brier": [("a", -0.1), ("b", 0.1)]}


def test_metrics_of_requirements_come_first() -> None:
    assert list(differences(compared(brier={"a": (0.2, 0.1)}, auc={"a": (0.7, 0.8)}))) == ["auc", "brier"]


def test_a_slice_of_one_model_alone_and_a_metric_without_a_good_direction_are_left_out() -> None:
    whole = compared(auc={"a": (0.7, 0.8), "b": (0.7, 0.8)}, **{"quantile-coverage": {"a": (0.5, 0.6)}})
    assert whole.champion is not None
    without = replace(whole, champion=replace(whole.champion, metrics=whole.champion.metrics[:1]))
    assert differences(without) == {"auc": [("a", -0.1)]}
    assert differences(whole) == {"auc": [("a", -0.1), ("b", -0.1)]}
    assert differences(replace(whole, champion=None)) == {}


def test_slices_without_an_interval_count_only_where_no_slice_has_one() -> None:
    whole = compared(auc={"a": (0.7, 0.8), "b": (0.5, 0.8)})
    small = replace(whole.metrics[1], lower=None, upper=None)
    assert differences(replace(whole, metrics=(whole.metrics[0], small))) == {"auc": [("a", -0.1)]}
    both = tuple(replace(one, lower=None, upper=None) for one in whole.metrics)
    assert differences(replace(whole, metrics=both)) == {"auc": [("b", -0.3), ("a", -0.1)]}


def test_requirements_that_do_not_hold_come_first_and_those_that_are_cut_are_counted() -> None:
    results = [requirement(verdict) for verdict in ("pass", "inconclusive", "fail")]
    rows = requirements_table(results).splitlines()[2:]
    assert [row.split("|")[1].split()[1] for row in rows] == ["fail", "inconclusive", "pass"]
    assert requirements_table(results, most=1).splitlines()[-1] == "_… and 2 requirements more._"
    assert requirements_table(()) == ""


def test_reasons_are_of_what_does_not_hold() -> None:
    one = judged(requirements=(requirement("pass"), requirement("fail"), requirement("inconclusive"))).comparison
    assert one is not None
    lines, none = reasons_list(one).splitlines(), reasons_list(replace(one, requirements=one.requirements[:1]))
    assert lines[0] == "- “auc: at least 0.65” does not hold: 0.600, between 0.580 and 0.620."
    assert "between 0.640 and 0.680" in lines[1]
    assert none.splitlines() == lines[2:]


def test_data_that_pass_are_one_line_and_failed_checks_a_table() -> None:
    assert data_section(snapshot(check(True))) == "Data `flights`: 1,200 rows, 1 of 1 check passed."
    failing = data_section(snapshot(check(True), check(False), rows=1))
    assert failing.splitlines()[0] == "Data `flights`: 1 row, 1 of 2 checks passed."
    assert failing.splitlines()[-1] == "| hour | nulls | at most 0 | 3 missing | error |"


def test_costs_tell_of_fitting_the_package_and_what_was_measured_of_both() -> None:
    fitted = judged()
    assert costs_section(fitted).startswith("Cost: fitted in 2.3 s; the packaged model has a size of 0.12 MB")
    assert "was already fitted; the fit took 2.3 s" in costs_section(replace(fitted, fitted=False))
    answer = fitted.comparison
    assert answer is not None
    assert answer.champion is not None
    slow, fast = MetricValue("latency-p50-ms", 2.5), MetricValue("latency-p50-ms", 2.0)
    both = replace(answer, metrics=(slow,), champion=replace(answer.champion, metrics=(fast,)))
    assert "; latency-p50-ms 2.500 (champion 2.000)" in costs_section(replace(fitted, comparison=both)).replace(
        "\\", ""
    )
    assert costs_section(GatedModel("delay", "fail", "stopped")) == ""


@pytest.mark.parametrize(("count", "title"), [(1, "1 metric"), (3, "3 metrics")])
def test_every_metric_is_folded_away_under_their_number(count: int, title: str) -> None:
    answer = replace(
        compared(), metrics=tuple(MetricValue("auc", 0.7, slice=f"s{at}", rows=1200) for at in range(count))
    )
    page = metrics_section(answer)
    assert page.startswith(f"<details><summary>{title}</summary>\n\n")
    assert page.count("| 1,200 |") == count


def test_nothing_is_not_folded_away() -> None:
    assert collapse_section("0 metrics", "") == ""
