"""Fairness gaps: values as fairlearn's, limits as statsmodels' for two groups, and what the limits promise, counted."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from fairlearn.metrics import demographic_parity_difference, equalized_odds_difference
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep

from mlops_ci.evaluation.verdict.fairness import MIN_RATE_ROWS, FairnessGap, FairnessMetric, measure_fairness_gap
from mlops_ci.training.predictions import Predictions, Truth

PARITY: FairnessMetric = "demographic-parity-difference"
ODDS: FairnessMetric = "equalized-odds-difference"
REFERENCE: Mapping[FairnessMetric, Callable[..., float]] = {
    PARITY: demographic_parity_difference,
    ODDS: equalized_odds_difference,  # between groups, worst case: its defaults
}

Cells = Mapping[str, tuple[int, int, int, int]]  # by group: true and predicted 1 1, 1 0, 0 1, 0 0


def rows(cells: Cells) -> tuple[Truth, Predictions, list[str]]:
    """Return the rows that cells count, shuffled."""
    true, said, groups = [], [], []
    for name, counts in cells.items():
        for (label, prediction), count in zip(((1, 1), (1, 0), (0, 1), (0, 0)), counts, strict=True):
            true += [label] * count
            said += [prediction] * count
            groups += [name] * count
    order = np.random.default_rng(0).permutation(len(true))
    labels, predictions = (np.array(part, dtype=np.int64)[order] for part in (true, said))
    return Truth(labels=labels, classes=("no", "yes")), Predictions(labels=predictions), [groups[at] for at in order]


def measure(name: FairnessMetric, cells: Cells, *, min_rows: int = 1) -> FairnessGap:
    found = measure_fairness_gap(name, *rows(cells), min_rows=min_rows)
    assert found is not None
    return found


def limit(found: FairnessGap, p: float) -> float:
    assert found.estimate.bound is not None
    return found.estimate.bound(p)


COUNTS = st.tuples(*[st.integers(5, 40)] * 4)


@pytest.mark.parametrize("name", [PARITY, ODDS])
@given(cells=st.dictionaries(st.text("abc", min_size=1, max_size=2), COUNTS, min_size=2, max_size=5))
@settings(max_examples=25, deadline=None)  # fairlearn takes 0.1 s for each
def test_a_gap_is_fairlearns(name: FairnessMetric, cells: Cells) -> None:
    truth, predictions, groups = rows(cells)
    found = measure(name, cells)
    expected = REFERENCE[name](truth.labels, predictions.labels, sensitive_features=groups)
    assert found.estimate.value == pytest.approx(expected, abs=1e-12)
    assert found.skipped_groups == ()
    shares = {group: share(found, counts) for group, counts in cells.items()}
    assert shares[found.highest_group] == max(shares.values())
    assert shares[found.lowest_group] == min(shares.values())
    assert shares[found.highest_group] - shares[found.lowest_group] == pytest.approx(expected, abs=1e-12)
    assert 0 <= limit(found, 0.001) <= limit(found, 0.05) <= found.estimate.value <= limit(found, 0.5) + 1e-12
    assert found.estimate.value <= limit(found, 0.95) <= limit(found, 0.999) <= 1


def share(found: FairnessGap, counts: Sequence[int]) -> float:
    hit, missed, alarm, quiet = counts
    top, bottom = {
        "selection": (hit + alarm, sum(counts)),
        "true-positive": (hit, hit + missed),
        "false-positive": (alarm, alarm + quiet),
    }[found.rate]
    return top / bottom


@given(st.integers(0, 60), st.integers(0, 60), st.integers(60, 90), st.integers(60, 90), st.floats(0.001, 0.2))
@settings(max_examples=100, deadline=None)
def test_limits_of_two_groups_are_newcombes(a: int, b: int, n: int, m: int, alpha: float) -> None:
    found = measure(PARITY, {"a": (a, n - a, 0, 0), "b": (b, m - b, 0, 0)})
    low, high = confint_proportions_2indep(a, n, b, m, method="newcomb", compare="diff", alpha=alpha)
    assert limit(found, 1 - alpha / 2) == pytest.approx(max(high, -low), abs=1e-9)
    assert limit(found, alpha) == pytest.approx(max(low, -high, 0), abs=1e-9)  # alpha / 2 for either order of the pair


def test_newcombes_own_example() -> None:
    """Given 56 of 70 and 48 of 80, then Newcombe's table II says 0.0524 to 0.3339 at 95 %."""
    found = measure(PARITY, {"a": (56, 14, 0, 0), "b": (48, 32, 0, 0)})
    assert (found.highest_group, found.lowest_group, found.rate) == ("a", "b", "selection")
    assert found.estimate.value == pytest.approx(0.2)
    assert limit(found, 0.975) == pytest.approx(0.3339, abs=5e-5)
    assert limit(found, 0.05) == pytest.approx(0.0524, abs=5e-5)


def test_the_rate_with_the_larger_gap_and_its_groups_are_named() -> None:
    found = measure(ODDS, {"a": (30, 10, 10, 30), "b": (20, 20, 10, 30), "c": (22, 18, 14, 26)})
    assert (found.rate, found.highest_group, found.lowest_group) == ("true-positive", "a", "b")
    assert found.estimate.value == pytest.approx(0.25)
    found = measure(ODDS, {"a": (30, 10, 10, 30), "b": (30, 10, 12, 28), "c": (28, 12, 28, 12)})
    assert (found.rate, found.highest_group, found.lowest_group) == ("false-positive", "c", "a")
    assert found.estimate.value == pytest.approx(0.45)


def test_groups_with_too_few_rows_are_passed_over_and_named() -> None:
    cells = {"a": (30, 30, 30, 30), "b": (40, 20, 30, 30), "tiny": (9, 0, 0, 0)}
    found = measure(PARITY, cells, min_rows=10)
    assert found.skipped_groups == ("tiny",)
    assert found.estimate.value == pytest.approx(10 / 120)
    assert measure(PARITY, cells, min_rows=9).highest_group == "tiny"


def test_groups_with_too_few_of_a_class_are_passed_over_in_the_rate_of_that_class_only() -> None:
    few = MIN_RATE_ROWS - 1
    cells = {"a": (30, 30, 30, 30), "b": (30, 30, 30, 30), "c": (few, 0, 60, 0)}
    found = measure(ODDS, cells, min_rows=10)
    assert (found.rate, found.highest_group, found.skipped_groups) == ("false-positive", "c", ("c",))
    assert found.estimate.value == pytest.approx(0.5)
    enough = measure(ODDS, {**cells, "c": (few + 1, 0, 30, 30)}, min_rows=10)
    assert (enough.rate, enough.skipped_groups) == ("true-positive", ())


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        (PARITY, {}),
        (ODDS, {}),
        (PARITY, {"a": (30, 30, 30, 30)}),
        (PARITY, {"a": (30, 30, 30, 30), "b": (1, 1, 1, 1)}),
        (ODDS, {"a": (30, 30, 0, 0), "b": (10, 50, 0, 0)}),  # nothing is known of false positives
        (ODDS, {"a": (30, 30, 30, 30), "b": (5, 4, 30, 30)}),
    ],
)
def test_fewer_than_two_groups_to_compare_give_no_gap(name: FairnessMetric, cells: Cells) -> None:
    assert measure_fairness_gap(name, *rows(cells), min_rows=10) is None


def test_rows_of_an_unknown_class_count_for_selection_only() -> None:
    truth = Truth(labels=np.array([-1] * 40), classes=("no", "yes"))
    predictions = Predictions(labels=np.array([1] * 20 + [0] * 20))
    groups = ["a"] * 20 + ["b"] * 20
    found = measure_fairness_gap(PARITY, truth, predictions, groups, min_rows=10)
    assert found is not None
    assert found.estimate.value == 1
    assert measure_fairness_gap(ODDS, truth, predictions, groups, min_rows=10) is None


def test_groups_that_are_all_selected_have_no_gap_and_limits_that_rows_narrow() -> None:
    upper = []
    for count in (20, 200, 2_000):
        found = measure(PARITY, {"a": (count, 0, 0, 0), "b": (count, 0, 0, 0)})
        assert found.estimate.value == 0
        assert limit(found, 0.05) == 0
        z = 1.6448536
        assert limit(found, 0.95) == pytest.approx(z * z / (count + z * z), abs=1e-6)  # Wilson's, of a full share
        upper.append(limit(found, 0.95))
    assert upper == sorted(upper, reverse=True)


def test_a_hundred_groups_are_cheap_and_complete() -> None:
    cells = {f"{index:02}": (50 + index % 7, 50, 50, 50) for index in range(99)} | {"low": (20, 80, 50, 50)}
    found = measure(ODDS, cells)
    assert found.lowest_group == "low"
    assert 0 < limit(found, 0.05) < found.estimate.value < limit(found, 0.95)


# What the limits promise, counted over draws of the same population; SE is that of the count.

TRIALS = 2_000
SLACK = 2 * math.sqrt(0.05 * 0.95 / TRIALS)
SHARES = [
    [0.3, 0.4],
    [0.1, 0.6],
    [0.3, 0.35, 0.35, 0.4, 0.45],
    [0.2, 0.4, 0.4, 0.4, 0.4],
    [0.3, *[0.4] * 8, 0.5],
    [0.35] * 5 + [0.45] * 5,
]


def drawn(shares: Sequence[float], size: int, seed: str) -> Any:
    """Yield gaps of so many rows a group, each said yes to at its group's share."""
    rng = np.random.default_rng(list(seed.encode()))
    groups = [str(index) for index in range(len(shares)) for _ in range(size)]
    truth = Truth(labels=np.zeros(len(groups), dtype=np.int64), classes=(0, 1))
    for _ in range(TRIALS):
        said = (rng.random(len(groups)) < np.repeat(shares, size)).astype(np.int64)
        found = measure_fairness_gap(PARITY, truth, Predictions(labels=said), groups, min_rows=1)
        assert found is not None
        yield found


@pytest.mark.parametrize("shares", [*SHARES, [0.3] * 2, [0.3] * 5, [0.3] * 10], ids=str)
def test_limits_lie_beyond_the_true_gap_as_rarely_as_they_say(shares: list[float]) -> None:
    """Given many draws, then the upper limit covers the true gap, and the lower one lies above it, as often as they say."""
    true = max(shares) - min(shares)
    limits = [(limit(found, 0.05), limit(found, 0.95)) for found in drawn(shares, 120, str(shares))]
    assert np.mean([upper >= true for _, upper in limits]) >= 0.95 - SLACK
    assert np.mean([lower > true for lower, _ in limits]) <= 0.05 + SLACK


def test_limits_of_both_rates_together_hold_what_they_promise() -> None:
    """Given equal odds in four groups, then a gap above 0 is claimed at most as often as alpha, over both rates."""
    rng = np.random.default_rng(7)
    groups = [name for name in "abcd" for _ in range(200)]
    labels = np.tile([0, 1], 400)
    above = []
    for _ in range(TRIALS):
        said = (rng.random(800) < np.where(labels == 1, 0.7, 0.2)).astype(np.int64)
        found = measure_fairness_gap(
            ODDS, Truth(labels=labels, classes=(0, 1)), Predictions(labels=said), groups, min_rows=1
        )
        assert found is not None
        above.append(limit(found, 0.05) > 0)
    assert np.mean(above) <= 0.05 + SLACK


def test_rows_that_are_there_thrice_widen_nothing_and_narrow_nothing_where_they_are_known_to_depend_on_each_other() -> (
    None
):
    random = np.random.default_rng(5)
    labels = random.integers(2, size=300)
    said = random.integers(2, size=300)
    groups: Any = np.array(["a", "b", "c"], dtype=object)[random.integers(3, size=300)]
    thrice = np.tile(np.arange(300), 3)
    once = measure_fairness_gap(
        ODDS, Truth(labels=labels, classes=(0, 1)), Predictions(labels=said), groups, min_rows=10
    )
    again = measure_fairness_gap(
        ODDS,
        Truth(labels=labels[thrice], classes=(0, 1), groups=thrice),
        Predictions(labels=said[thrice]),
        groups[thrice],
        min_rows=10,
    )
    weighted = measure_fairness_gap(
        ODDS,
        Truth(labels=labels, classes=(0, 1), weights=np.full(300, 2.5)),
        Predictions(labels=said),
        groups,
        min_rows=10,
    )
    assert once is not None
    for other in (again, weighted):
        assert other is not None
        assert other.estimate.value == pytest.approx(once.estimate.value)
        assert limit(other, 0.95) == pytest.approx(limit(once, 0.95))


def test_weights_are_those_of_fairlearn() -> None:
    random = np.random.default_rng(6)
    labels, said = random.integers(2, size=(2, 400))
    groups: Any = np.array(["a", "b"], dtype=object)[random.integers(2, size=400)]
    weights = random.uniform(0.5, 3, size=400)
    found = measure_fairness_gap(
        PARITY, Truth(labels=labels, classes=(0, 1), weights=weights), Predictions(labels=said), groups, min_rows=1
    )
    wanted = demographic_parity_difference(labels, said, sensitive_features=groups, sample_weight=weights)
    assert found is not None
    assert found.estimate.value == pytest.approx(wanted)
