"""The populations are what they are said to be: whoever measures with them relies on it."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, roc_auc_score, root_mean_squared_error

from mlops_ci.evaluation.simulation.populations import (
    ClassifierPopulation,
    RegressorPopulation,
    find_correlation,
    find_separation,
    true_accuracy,
    true_auc,
)
from mlops_ci.training.predictions import require_part

MANY = 200_000
SLACK = 0.004


def drawn(share: float, separations: tuple[float, ...], rho: float = 0.8) -> ClassifierPopulation:
    return ClassifierPopulation(share, separations, rho)


@pytest.mark.parametrize("value", [0.7, 0.8, 0.9])
def test_a_separation_gives_the_accuracy_and_the_area_that_were_asked_for(value: float) -> None:
    assert true_accuracy(find_separation("accuracy", value)) == pytest.approx(value)
    assert true_auc(find_separation("auc", value)) == pytest.approx(value)


@pytest.mark.parametrize("share", [0.5, 0.05])
def test_true_values_are_those_of_a_large_holdout(share: float) -> None:
    at = find_separation("accuracy", 0.8)
    holdout = drawn(share, (at,)).draw(np.random.default_rng(1), MANY)
    (model,) = holdout.models
    assert accuracy_score(holdout.truth.labels, model.labels) == pytest.approx(true_accuracy(at, share), abs=SLACK)
    assert roc_auc_score(holdout.truth.labels, model.scores) == pytest.approx(true_auc(at), abs=2 * SLACK)
    assert np.mean(require_part(holdout.truth.labels)) == pytest.approx(share, abs=SLACK)


def test_two_models_disagree_as_often_as_they_were_made_to() -> None:
    both = (find_separation("accuracy", 0.82), find_separation("accuracy", 0.8))
    holdout = drawn(0.5, both, find_correlation(both, 0.1)).draw(np.random.default_rng(2), MANY)
    one, other = holdout.models
    assert np.mean(require_part(one.labels) != require_part(other.labels)) == pytest.approx(0.1, abs=SLACK)


@pytest.mark.parametrize("tails", [None, 5])
def test_errors_have_the_spread_and_the_correlation_that_were_asked_for(tails: int | None) -> None:
    holdout = RegressorPopulation((1.1, 1.0), 0.9, tails).draw(np.random.default_rng(3), MANY)
    one, other = holdout.models
    assert root_mean_squared_error(holdout.truth.values, one.values) == pytest.approx(1.1, abs=0.02)
    truth = require_part(holdout.truth.values)
    assert np.corrcoef(require_part(one.values) - truth, require_part(other.values) - truth)[0, 1] == pytest.approx(
        0.9, abs=0.01
    )
