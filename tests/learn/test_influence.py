"""Each row's influence is the metric's derivative by that row's weight, and errors made of them are those of resampling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_ci.learn.bootstrap import resample
from mlops_ci.learn.evidence import gather
from mlops_ci.learn.influence import INFLUENCES
from mlops_ci.learn.metrics import METRICS
from mlops_ci.learn.predictions import Predictions, Truth, need
from mlops_ci.spec.metrics import METRICS as NAMES

STEP = 1e-6


def holdout(metric: str, rows: int, seed: int) -> tuple[Truth, Predictions, Predictions]:
    """Labels or values that two models know something of; scores are coarse, so that some are equal."""
    random = np.random.default_rng(seed)
    if NAMES[metric].tasks == ("regression",):
        values = 5 + random.standard_normal(rows)  # away from 0, where shares of the true value mean little
        errors = 0.5 * random.standard_normal((2, rows))
        one, other = (Predictions(values=values + error) for error in errors)
        return Truth(values=values), one, other
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
    return Truth(labels=labels, classes=(0, 1)), models[0], models[1]


def _of_three(rows: int, random: np.random.Generator) -> tuple[Truth, Predictions, Predictions]:
    labels = random.integers(3, size=rows)
    models = []
    for _ in range(2):
        odds = np.round(1.5 * np.eye(3)[labels] + random.standard_normal((rows, 3)), 1)
        shares = np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True)
        models.append(Predictions(labels=shares.argmax(axis=1), probabilities=shares))
    return Truth(labels=labels, classes=(0, 1, 2)), models[0], models[1]


@pytest.mark.parametrize("metric", INFLUENCES)
@given(rows=st.integers(10, 40), seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_an_influence_is_the_derivative_by_a_rows_weight(metric: str, rows: int, seed: int) -> None:
    truth, model, _ = holdout(metric, rows, seed)
    weighted = need(METRICS[metric].make(truth, model))
    up, down = (weighted(np.ones((rows, rows)) + sign * STEP * np.eye(rows)) for sign in (1, -1))
    expected = (up - down) / (2 * STEP)
    if np.isfinite(expected).all():
        assert INFLUENCES[metric](truth, model) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("metric", INFLUENCES)
def test_the_interval_of_a_difference_is_about_as_wide_as_the_bootstraps(metric: str) -> None:
    truth, one, other = holdout(metric, 800, 5)
    functions = [need(METRICS[metric].make(truth, model)) for model in (one, other)]
    drawn = resample(functions, len(truth), 1)
    difference = gather([metric], truth, one, other, seed=1).differences[metric]
    width = difference.bound(0.95) - difference.bound(0.05)
    low, high = np.quantile(drawn[0] - drawn[1], [0.05, 0.95])
    assert width == pytest.approx(high - low, rel=0.08)


def test_what_has_no_positives_moves_nothing() -> None:
    truth = Truth(labels=np.zeros(5, dtype=np.int64), classes=(0, 1))
    model = Predictions(labels=np.zeros(5, dtype=np.int64), scores=np.linspace(0, 1, 5))
    for metric in ("f1", "precision", "average-precision"):
        assert not INFLUENCES[metric](truth, model).any()
