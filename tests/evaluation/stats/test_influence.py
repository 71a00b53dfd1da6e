"""Each row's influence is the metric's derivative by that row's weight, and errors made of them are those of resampling."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_ci.evaluation.stats.bootstrap import resample_metrics
from mlops_ci.evaluation.stats.evidence import measure_evidence
from mlops_ci.evaluation.stats.metric_table import METRICS, is_differentiable, row_influences
from mlops_ci.spec.metrics import METRIC_DEFINITIONS as NAMES
from mlops_ci.training.predictions import MetricOptions, Predictions, Truth, require_part

STEP = 1e-6
SMOOTH = (*(one.name for one in METRICS.values() if one.influence), *(one.name for one in METRICS.values() if one.rows))
TERMS = MetricOptions(quantile=0.8, top_k=2, costs=np.array([[0.0, 1.0, 3.0], [5.0, 0.0, 1.0], [2.0, 2.0, -1.0]]))


def holdout(metric: str, rows: int, seed: int) -> tuple[Truth, Predictions, Predictions]:
    """Labels or values that two models know something of; scores are coarse, so that some are equal."""
    random = np.random.default_rng(seed)
    if NAMES[metric].tasks == ("regression",):
        values = 5 + random.standard_normal(rows)  # away from 0, where shares of the true value mean little
        errors = 0.5 * random.standard_normal((2, rows))
        one, other = (Predictions(values=values + error) for error in errors)
        return Truth(values=values, metric_options=TERMS), one, other
    if NAMES[metric].tasks == ("multiclass-classification",):
        return _of_three(rows, random)
    labels = (random.random(rows) < 0.4).astype(np.int64)
    models = []
    for _ in range(2):
        positive = np.clip(np.round(0.3 + 0.3 * labels + 0.2 * random.standard_normal(rows), 2), 0.01, 0.99)
        models.append(
            Predictions(
                labels=(positive >= 0.5).astype(np.int64),
                probabilities=np.stack([1 - positive, positive], axis=1),
                scores=positive,
            )
        )
    return Truth(labels=labels, classes=(0, 1), metric_options=TERMS), models[0], models[1]


def _of_three(rows: int, random: np.random.Generator) -> tuple[Truth, Predictions, Predictions]:
    labels = random.integers(3, size=rows)
    models = []
    for _ in range(2):
        odds = np.round(1.5 * np.eye(3)[labels] + random.standard_normal((rows, 3)), 1)
        shares = np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True)
        models.append(Predictions(labels=shares.argmax(axis=1), probabilities=shares))
    return Truth(labels=labels, classes=(0, 1, 2), metric_options=TERMS), models[0], models[1]


@pytest.mark.parametrize("metric", SMOOTH)
@given(rows=st.integers(10, 40), seed=st.integers(0, 10_000), even=st.booleans())
@settings(max_examples=15, deadline=None)
def test_an_influence_is_the_derivative_by_a_rows_weight(metric: str, rows: int, seed: int, *, even: bool) -> None:
    truth, model, _ = holdout(metric, rows, seed)
    w = np.ones(rows) if even else np.random.default_rng(seed).uniform(0.2, 3, rows)
    truth = replace(truth, weights=None if even else w)
    weighted = require_part(METRICS[metric].factory()(truth, model))
    up, down = (weighted(w + sign * STEP * np.eye(rows)) for sign in (1, -1))
    expected = w * (up - down) / (2 * STEP)
    if np.isfinite(expected).all():
        assert row_influences(metric, truth, model) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("metric", [name for name in SMOOTH if name != "quantile-coverage"])
@pytest.mark.parametrize("dependent", [False, True])
def test_the_interval_of_a_difference_is_about_as_wide_as_the_bootstraps(metric: str, *, dependent: bool) -> None:
    truth, one, other = holdout(metric, 1200, 5)
    if dependent:  # twelve hundred rows, each there thrice: as good as four hundred
        thrice = np.tile(np.arange(400), 3)
        weights = np.random.default_rng(1).uniform(0.5, 2, 400)[thrice]
        truth = replace(truth.select_rows(thrice), groups=thrice, weights=weights)
        one, other = one.select_rows(thrice), other.select_rows(thrice)
    functions = [require_part(METRICS[metric].factory()(truth, model)) for model in (one, other)]
    drawn = resample_metrics(functions, truth, 1)
    difference = measure_evidence([metric], truth, one, other, seed=1).differences[metric]
    width = difference.bound(0.95) - difference.bound(0.05)
    low, high = np.quantile(drawn[0] - drawn[1], [0.05, 0.95])
    assert width == pytest.approx(high - low, rel=0.1)


def test_only_calibration_error_has_no_derivative() -> None:
    assert [metric for metric in METRICS if not is_differentiable(metric, Predictions())] == ["calibration-error"]


def test_rows_that_are_there_thrice_say_no_more_than_once_where_they_are_known_to_depend_on_each_other() -> None:
    truth, one, other = holdout("auc", 300, 2)
    thrice = np.tile(np.arange(300), 3)
    grouped = replace(truth.select_rows(thrice), groups=thrice)
    for metric in ("auc", "accuracy", "f1", "log-loss", "average-precision"):
        once = measure_evidence([metric], replace(truth, groups=np.arange(300)), one, other, seed=1).differences[metric]
        again = measure_evidence([metric], grouped, one.select_rows(thrice), other.select_rows(thrice), seed=1)
        assert again.differences[metric].bound(0.05) == pytest.approx(once.bound(0.05), abs=1e-9)
        assert (again.rows, again.effective_sample_size) == (900, 300)


def test_a_weight_of_two_is_worth_a_row_and_its_copy_that_depend_on_each_other() -> None:
    truth, one, other = holdout("auc", 300, 3)
    twice = np.concatenate([np.arange(300), np.arange(50)])
    copies = replace(truth.select_rows(twice), groups=twice)
    weighted = replace(truth, weights=np.where(np.arange(300) < 50, 2.0, 1.0))
    for metric in ("auc", "accuracy", "recall", "balanced-accuracy", "brier"):
        a = measure_evidence([metric], copies, one.select_rows(twice), other.select_rows(twice), seed=1).differences[
            metric
        ]
        b = measure_evidence([metric], weighted, one, other, seed=1).differences[metric]
        assert a.value == pytest.approx(b.value)
        assert a.bound(0.05) == pytest.approx(b.bound(0.05))


@pytest.mark.parametrize("metric", ["auc", "accuracy", "rmse"])
def test_of_equal_models_one_in_twenty_passes_by_chance_also_where_rows_come_in_groups(metric: str) -> None:
    """Groups of ten whose errors are shared: taking rows for independent ones, one in five would pass."""
    passed = naive = 0
    for seed in range(400):
        random = np.random.default_rng(seed)
        group = np.repeat(np.arange(80), 10)
        shared = random.standard_normal((2, 80))[:, group]
        noise = 0.7 * shared + 0.7 * random.standard_normal((2, 800))
        if metric == "rmse":
            values = random.standard_normal(800)
            truth = Truth(values=values, groups=group)
            one, other = (Predictions(values=values + error) for error in noise)
        else:
            labels = np.repeat((random.random(80) < 0.5).astype(np.int64), 10)
            truth = Truth(labels=labels, classes=(0, 1), groups=group)
            one, other = (
                Predictions(labels=(score > 0.5).astype(np.int64), scores=score) for score in labels + 0.8 * noise
            )
        passed += measure_evidence([metric], truth, one, other, seed=1).differences[metric].p_value_above(0.0) <= 0.05
        naive += (
            measure_evidence([metric], replace(truth, groups=None), one, other, seed=1)
            .differences[metric]
            .p_value_above(0.0)
            <= 0.05
        )
    assert passed / 400 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 400)
    assert naive / 400 > 0.15


def test_what_has_no_positives_moves_nothing() -> None:
    truth = Truth(labels=np.zeros(5, dtype=np.int64), classes=(0, 1))
    model = Predictions(labels=np.zeros(5, dtype=np.int64), scores=np.linspace(0, 1, 5))
    for metric in ("f1", "precision", "average-precision"):
        assert not row_influences(metric, truth, model).any()
