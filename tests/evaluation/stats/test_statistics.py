"""DeLong, McNemar, Tango, Holm and the bootstrap, against brute force and other people's code."""

from __future__ import annotations

import itertools
import math
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from mlops_ci.evaluation.stats import bootstrap, delong, intervals, mcnemar
from mlops_ci.evaluation.stats.evidence import measure_evidence
from mlops_ci.evaluation.stats.holm import adjust_p_values
from mlops_ci.evaluation.stats.metric_table import METRICS
from mlops_ci.training.predictions import MetricOptions, Predictions, Truth, require_part

scores_and_labels = st.integers(8, 40).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 6), min_size=n, max_size=n),
        st.lists(st.integers(0, 6), min_size=n, max_size=n),
        st.lists(st.booleans(), min_size=n, max_size=n).filter(lambda labels: 2 <= sum(labels) <= len(labels) - 2),
    )
)


def brute_force(positive: Any, scores: Any) -> tuple[Any, Any]:
    """DeLong's definition: the kernel for every pair, then the covariance of its means by positive and by negative."""
    kernels = []
    for row in scores:
        pairs = np.sign(row[positive][:, None] - row[~positive][None, :])
        kernels.append((pairs + 1) / 2)
    by_positive = np.stack([kernel.mean(axis=1) for kernel in kernels])
    by_negative = np.stack([kernel.mean(axis=0) for kernel in kernels])
    m, n = by_positive.shape[1], by_negative.shape[1]
    return by_positive.mean(axis=1), np.cov(by_positive) / m + np.cov(by_negative) / n


@given(scores_and_labels)
@settings(max_examples=60, deadline=None)
def test_delong_is_its_definition_also_with_ties(drawn: tuple[list[int], list[int], list[bool]]) -> None:
    scores = np.array(drawn[:2], dtype=float)
    positive = np.array(drawn[2])
    areas = delong.estimate_aucs(positive, scores)
    expected, covariance = brute_force(positive, scores)
    assert areas is not None
    assert areas.values == pytest.approx(expected, abs=1e-12)
    assert areas.covariance == pytest.approx(covariance, abs=1e-12)
    assert areas.values[0] == pytest.approx(roc_auc_score(positive, scores[0]), abs=1e-12)


def test_delong_needs_two_rows_of_either_class() -> None:
    assert delong.estimate_aucs([True, False, False], np.zeros((1, 3))) is None


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_midranks_are_those_of_scipy(values: list[int]) -> None:
    assert delong.midranks(np.array(values, dtype=float)).tolist() == stats.rankdata(values).tolist()


@given(st.integers(0, 40), st.integers(0, 40))
def test_mid_p_is_the_exact_test_less_half_of_what_was_seen(better: int, worse: int) -> None:
    n = better + worse
    greater = stats.binom.sf(better - 1, n, 0.5) - stats.binom.pmf(better, n, 0.5) / 2
    assert mcnemar.mid_p_value(better, worse) == pytest.approx(greater, abs=1e-12)
    assert mcnemar.mid_p_value(better, worse) + mcnemar.mid_p_value(better, worse, "less") == pytest.approx(
        1, abs=1e-12
    )
    exact = reference_mcnemar([[0, better], [worse, 0]], exact=True).pvalue
    if better != worse:
        assert mcnemar.mid_p_value(better, worse, "two-sided") == pytest.approx(
            exact - stats.binom.pmf(better, n, 0.5), abs=1e-12
        )


def test_mid_p_without_discordant_rows_says_nothing() -> None:
    assert [mcnemar.mid_p_value(0, 0, side) for side in ("greater", "less", "two-sided")] == [0.5, 0.5, 1.0]


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 60), st.sampled_from([-0.3, -0.05, 0.01, 0.2]))
def test_score_statistic_uses_the_likeliest_share_under_the_null(
    better: int, worse: int, same: int, margin: float
) -> None:
    n = better + worse + same
    grid = np.linspace(max(0.0, -margin), (1 - margin) / 2, 200_001)[1:-1]
    with np.errstate(divide="ignore"):
        likelihood = better * np.log(grid + margin) + worse * np.log(grid) + same * np.log1p(-2 * grid - margin)
    q = grid[np.argmax(likelihood)]
    z = (better - worse - n * margin) / math.sqrt(n * (2 * q + margin - margin**2))
    assert mcnemar.score_statistic(better, worse, n, margin) == pytest.approx(z, rel=1e-2, abs=1e-3)


def test_score_statistic_at_zero_is_mcnemars() -> None:
    expected = reference_mcnemar([[5, 12], [4, 20]], exact=False, correction=False).statistic
    assert mcnemar.score_statistic(12, 4, 41, 0.0) ** 2 == pytest.approx(expected)


def test_tangos_interval_has_width_even_without_discordant_rows() -> None:
    z = 1.959964
    low, high = mcnemar.tango_interval(0, 0, 50, z)
    assert [-low, high] == pytest.approx([z * z / (50 + z * z)] * 2)  # solved by hand


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 60))
def test_tangos_interval_ends_where_the_score_test_rejects(better: int, worse: int, same: int) -> None:
    n = better + worse + same
    low, high = mcnemar.tango_interval(better, worse, n, 1.645)
    assert low < (better - worse) / n < high
    assert mcnemar.score_statistic(better, worse, n, low) == pytest.approx(1.645, abs=1e-6)
    assert mcnemar.score_statistic(better, worse, n, high) == pytest.approx(-1.645, abs=1e-6)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_that_of_statsmodels(p_values: list[float]) -> None:
    with mock.patch("gc.collect"):  # statsmodels collects after each call: 0.1 s
        expected = multipletests(p_values, method="holm")[1].tolist()
    assert adjust_p_values(p_values) == pytest.approx(expected, abs=1e-12)


def test_bootstrap_draws_the_same_rows_for_every_function_and_run() -> None:
    rows = np.arange(40.0)
    mean = METRICS["mae"].factory()(Truth(values=rows), Predictions(values=np.zeros(40)))
    assert mean is not None
    drawn = bootstrap.resample_metrics([mean, mean], Truth(values=rows), seed=3)
    assert drawn.shape == (2, bootstrap.RESAMPLES)
    assert (drawn[0] == drawn[1]).all()
    assert (drawn == bootstrap.resample_metrics([mean, mean], Truth(values=rows), seed=3)).all()
    assert not (drawn == bootstrap.resample_metrics([mean, mean], Truth(values=rows), seed=4)).all()


def test_bootstrap_spreads_as_the_mean_does() -> None:
    rows = np.random.default_rng(0).normal(5, 2, 400)
    mean = METRICS["mae"].factory()(Truth(values=rows), Predictions(values=np.zeros(400)))
    assert mean is not None
    drawn = bootstrap.resample_metrics([mean], Truth(values=rows), seed=1)[0]
    assert drawn.std() == pytest.approx(np.abs(rows).std() / 20, rel=0.06)
    assert drawn.mean() == pytest.approx(np.abs(rows).mean(), abs=0.02)


def test_bootstrap_in_chunks_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "_MAX_WEIGHTS", 1000)
    mean = METRICS["mae"].factory()(Truth(values=np.ones(30)), Predictions(values=np.zeros(30)))
    assert mean is not None
    assert (bootstrap.resample_metrics([mean], Truth(values=np.ones(30)), seed=1, resamples=101) == 1).all()


def test_the_seed_follows_from_what_is_compared() -> None:
    assert bootstrap.seed_from_digests("a", "b") == 320_862_978_261_066_923
    assert len({bootstrap.seed_from_digests(*pair) for pair in itertools.permutations("abc", 2)}) == 6


def test_a_floor_of_auc_is_held_against_the_wider_of_two_intervals() -> None:
    """DeLong's on the logit's scale, and Newcombe's method 5, whose limits are where Hanley and McNeil's error is reached."""
    rng = np.random.default_rng(4)
    labels = (np.arange(200) < 15).astype(np.int64)
    scores = rng.normal(size=200) + 2.5 * labels
    areas = delong.estimate_aucs(labels == 1, scores[None])
    assert areas is not None
    area, error = float(areas.values[0]), math.sqrt(areas.covariance[0, 0])
    found = measure_evidence(["auc"], Truth(labels=labels, classes=(0, 1)), Predictions(scores=scores), None, seed=0)
    bound = found.candidate["auc"].bound
    assert bound is not None
    odds = math.log(area / (1 - area))
    for p, z in ((0.05, -1.6448536), (0.975, 1.959964)):
        delongs = 1 / (1 + math.exp(-odds - z * error / (area * (1 - area))))
        assert bound(p) == pytest.approx(delongs, abs=1e-5) or (bound(p) < delongs) == (p < 0.5)
        newcombes = intervals.hanley_mcneil_bound(area, 15, 185)(p)
        pairs = 1 + 99 * ((1 - newcombes) / (2 - newcombes) + newcombes / (1 + newcombes))
        assert abs(area - newcombes) == pytest.approx(
            abs(z) * math.sqrt(newcombes * (1 - newcombes) * pairs / (15 * 185)), abs=1e-6
        )
        assert bound(p) == pytest.approx(min(delongs, newcombes) if p < 0.5 else max(delongs, newcombes), abs=1e-6)
    assert bound(0.05) < area - 1.645 * error  # wider where it matters


def test_a_p_value_of_the_bootstrap_goes_on_where_counting_ends() -> None:
    rng = np.random.default_rng(0)
    true, near = rng.normal(size=400), rng.normal(0, 1, 400)
    sides = [Predictions(values=true + near), Predictions(values=true + near + 0.4 * np.sign(near))]
    found = measure_evidence(["mae"], Truth(values=true), *sides, seed=1).differences["mae"]
    assert found.value == pytest.approx(0.4)
    assert not found.varies
    assert found.p_value_above(0.0) == pytest.approx(0.5**400)
    noisy = Predictions(values=true + near + rng.normal(0, 3, 400))
    found = measure_evidence(["mae"], Truth(values=true), sides[0], noisy, seed=1).differences["mae"]
    margins = np.linspace(found.value - 12 * 0.1, found.value + 1, 60)
    p_values = [found.p_value_above(margin) for margin in margins]
    assert p_values == sorted(p_values)
    assert p_values[0] < 1e-12
    assert noisy.values is not None
    gains = np.abs(noisy.values - true) - np.abs(near)
    z = gains.mean() / (gains.std() / 20)
    assert found.p_value_above(0.0) == pytest.approx(stats.norm.sf(z), rel=0, abs=1e-12)
    at = gains.mean() - 4 * gains.std() / 20
    assert math.log10(found.p_value_above(at)) == pytest.approx(math.log10(stats.norm.sf(4)), abs=0.3)
    assert found.bound(0.0001) < found.bound(0.01) < found.value < found.bound(0.99) < found.bound(0.9999)
    assert found.bound(0.0001) <= found.value - 3.6 * gains.std() / 20  # the least of 2,000 samples is nearer


@pytest.mark.parametrize(("rows", "share"), [(10, 0.05), (30, 0.01)])
def test_rows_that_all_say_the_same_prove_what_clopper_and_pearson_say(rows: int, share: float) -> None:
    labels = np.repeat([0, 1], rows)
    truth = Truth(labels=labels, classes=(0, 1))
    right = Predictions(labels=labels, scores=labels.astype(float))
    for metric in ("auc", "f1", "average-precision"):
        bound = measure_evidence([metric], truth, right, None, seed=0).candidate[metric].bound
        assert bound is not None
        assert bound(share) == pytest.approx(proportion_confint(rows, rows, alpha=2 * share, method="beta")[0])
        assert bound(1 - share) == 1
    wrong = Predictions(labels=1 - labels, scores=1.0 - labels)
    found = measure_evidence(["auc"], truth, right, wrong, seed=0).differences["auc"]
    assert (found.value, found.varies) == (1.0, False)
    assert found.p_value_above(0.0) == pytest.approx(0.5**rows)
    assert found.p_value_above(found.bound(share)) == pytest.approx(share)
    assert (found.p_value_below(0.0), found.p_value_above(1.0)) == (1.0, 1.0)


def test_equal_rankings_differ_by_nothing_and_perfect_ones_by_what_their_rows_allow() -> None:
    labels = np.repeat([0, 1], 20)
    truth, scores = Truth(labels=labels, classes=(0, 1)), np.random.default_rng(0).normal(size=40)
    same = measure_evidence(["auc"], truth, Predictions(scores=scores), Predictions(scores=np.exp(scores)), seed=0)
    assert same.differences["auc"].p_value_above(-0.01) == pytest.approx(0.5**20)
    perfect = [Predictions(scores=labels + share * scores / 100) for share in (1, -1)]
    assert measure_evidence(["auc"], truth, *perfect, seed=0).differences["auc"].p_value_above(-0.01) == pytest.approx(
        0.99**20
    )


def passes(metric: str, truth: Truth, one: Predictions, other: Predictions) -> bool:
    difference = measure_evidence([metric], truth, one, other, seed=0).differences.get(metric)
    return difference is not None and difference.p_value_above(0.0) <= 0.05


@pytest.mark.parametrize("metric", ["rmse", "mae"])
@pytest.mark.parametrize("unit", [1.0, 1e-9, 1e12])
def test_the_targets_unit_does_not_matter(metric: str, unit: float) -> None:
    """Given a target in tiny or huge units, then the same tests decide; its spread is no rounding."""
    rng = np.random.default_rng(3)
    values = rng.normal(size=300)
    truth = Truth(values=values * unit)
    one, other = (Predictions(values=(values + rng.normal(size=300)) * unit) for _ in range(2))
    found = measure_evidence([metric], truth, one, other, seed=0).differences[metric]
    plain = measure_evidence(
        [metric],
        Truth(values=values),
        Predictions(values=require_part(one.values) / unit),
        Predictions(values=require_part(other.values) / unit),
        seed=0,
    ).differences[metric]
    assert found.p_value_above(0.0) == pytest.approx(plain.p_value_above(0.0), rel=1e-6)
    assert found.bound(0.05) / unit == pytest.approx(plain.bound(0.05), rel=1e-6)


def test_a_champion_that_once_predicts_nonsense_is_no_proof_of_anything() -> None:
    """Given one prediction too large to be squared, then r2 and rmse have no value, and nothing passes by it."""
    rng = np.random.default_rng(4)
    values = rng.normal(size=200)
    wild = values.copy()
    wild[7] = 1e160
    found = measure_evidence(
        ["r2", "rmse", "mae"], Truth(values=values), Predictions(values=-values), Predictions(values=wild), seed=0
    )
    assert set(found.differences) <= {"mae"}
    assert not passes("mae", Truth(values=values), Predictions(values=-values), Predictions(values=wild))


@pytest.mark.parametrize(("rows", "costly", "most"), [(500, 30, 0.05), (2000, 10, 0.05), (500, 100, 0.05)])
def test_many_small_gains_do_not_hide_a_rare_large_loss(rows: int, costly: int, most: float) -> None:
    """Given models of equal cost, one of which is right often by little and wrong seldom by much, then it rarely passes."""
    costs = np.array([[0.0, 1.0], [float(costly), 0.0]])
    terms = MetricOptions(costs=costs)
    passed = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        # a negative that only the champion misses saves 1; a positive that only the candidate misses costs `costly`
        positive = rng.random(rows) < 0.3
        candidate, champion = positive.astype(np.int64), positive.astype(np.int64)
        gains = ~positive & (rng.random(rows) < 0.1)
        losses = positive & (rng.random(rows) < 0.07 / (0.3 * costly))
        champion[gains], candidate[losses] = 1, 0
        truth = Truth(labels=positive.astype(np.int64), classes=(0, 1), metric_options=terms)
        passed += passes("cost", truth, Predictions(labels=candidate), Predictions(labels=champion))
    assert passed / 300 <= most + 2 * math.sqrt(most * (1 - most) / 300)


def test_one_wild_error_of_the_champion_proves_no_improvement_of_rmse() -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(size=500)
    errors = rng.normal(size=(2, 500))
    errors[1, 3] = 1e6
    truth = Truth(values=values)
    one, other = (Predictions(values=values + error) for error in errors)
    assert measure_evidence(["rmse"], truth, one, other, seed=0).differences["rmse"].p_value_above(0.0) > 0.1


def test_the_bounds_of_a_difference_of_rmse_are_where_its_test_decides() -> None:
    rng = np.random.default_rng(6)
    values = rng.normal(size=300)
    for groups in (None, np.arange(300) // 5):
        truth = Truth(values=values, groups=groups)
        one, other = (Predictions(values=values + scale * rng.normal(size=300)) for scale in (1.0, 1.1))
        found = measure_evidence(["rmse"], truth, one, other, seed=0).differences["rmse"]
        for p in (0.01, 0.05, 0.2):
            assert found.p_value_above(found.bound(p)) == pytest.approx(p, abs=1e-6)
            assert found.p_value_below(found.bound(1 - p)) == pytest.approx(p, abs=1e-6)


def test_weights_may_be_of_any_size_and_even_ones_count_whole() -> None:
    for scale in (0.1, 1 / 3, 123.456):
        truth = Truth(values=np.arange(50.0), weights=np.full(50, scale))
        assert (
            measure_evidence(["mae"], truth, Predictions(values=np.zeros(50)), None, seed=0).effective_sample_size == 50
        )
