"""Populations in which it is known how good two models are, so that a gate's answers can be right or wrong.

Two classifiers see the same rows: each scores a row by its class and by noise, most of which they share, so that they
disagree on few rows, as retrained models do. Probabilities are the posterior ones; labels say which class is likelier.
Two regressors err by noise of which they share a part.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal, Protocol

import numpy as np

from mlops_ci.training.predictions import Floats, Predictions, Truth

BINARY_CLASSES = (0, 1)


@dataclass(frozen=True)
class Sample:
    """A holdout of n rows and what the models, the candidate first, say of it."""

    truth: Truth
    models: tuple[Predictions, ...]


class Population(Protocol):
    """A population."""

    def draw(self, random: np.random.Generator, rows: int) -> Sample:
        """Return a holdout of independent rows."""
        ...


@dataclass(frozen=True)
class ClassifierPopulation:
    """Binary classifiers by their separations: how far apart the mean scores of the classes are, in standard deviations.

    `share` is that of positives, `correlation` that of the models' noise.
    """

    positive_share: float
    separations: tuple[float, ...]
    correlation: float

    def draw(self, random: np.random.Generator, rows: int) -> Sample:
        """Return a holdout of independent rows."""
        labels = (random.random(rows) < self.positive_share).astype(np.int64)
        common = math.sqrt(self.correlation) * random.standard_normal(rows)
        return Sample(
            Truth(labels=labels, classes=BINARY_CLASSES),
            tuple(self._predict(random, labels, common, separation) for separation in self.separations),
        )

    def _predict(
        self, random: np.random.Generator, labels: np.ndarray[tuple[int], np.dtype[np.int64]], common: Floats, at: float
    ) -> Predictions:
        scores = at * labels + common + math.sqrt(1 - self.correlation) * random.standard_normal(len(labels))
        odds = at * scores - at * at / 2 + math.log(self.positive_share / (1 - self.positive_share))
        positive = 1 / (1 + np.exp(-odds))
        return Predictions(
            labels=(positive >= 0.5).astype(np.int64),
            probabilities=np.stack([1 - positive, positive], axis=1),
            scores=positive,
        )


@dataclass(frozen=True)
class RegressorPopulation:
    """Regressors by the standard deviations of their errors; `tails` are the degrees of freedom of Student's t, none: normal."""

    spreads: tuple[float, ...]
    correlation: float
    tails: int | None = None

    def draw(self, random: np.random.Generator, rows: int) -> Sample:
        """Return a holdout of independent rows."""
        values = random.standard_normal(rows)
        common = math.sqrt(self.correlation) * self._noise(random, rows)
        errors = (common + math.sqrt(1 - self.correlation) * self._noise(random, rows) for _ in self.spreads)
        models = (values + spread * error for spread, error in zip(self.spreads, errors, strict=True))
        return Sample(Truth(values=values), tuple(Predictions(values=model) for model in models))

    def _noise(self, random: np.random.Generator, rows: int) -> Floats:
        if self.tails is None:
            return random.standard_normal(rows)
        return random.standard_t(self.tails, rows) * math.sqrt((self.tails - 2) / self.tails)


SimulatedMetric = Literal["accuracy", "auc"]


def true_accuracy(separation: float, share: float = 0.5) -> float:
    """Return the true accuracy of a classifier."""
    from scipy.special import ndtr

    threshold = separation / 2 - math.log(share / (1 - share)) / separation
    return float(share * ndtr(separation - threshold) + (1 - share) * ndtr(threshold))


def true_auc(separation: float) -> float:
    """Return the true area under the ROC curve of a classifier."""
    from scipy.special import ndtr

    return float(ndtr(separation / math.sqrt(2)))


TRUE_VALUES: dict[SimulatedMetric, Callable[[float], float]] = {"accuracy": true_accuracy, "auc": true_auc}


@cache
def find_separation(of: SimulatedMetric, value: float) -> float:
    """Return the separation at which a classifier of balanced classes has that true value of a metric."""
    from scipy.optimize import brentq

    return float(brentq(lambda at: TRUE_VALUES[of](at) - value, 0.01, 8.0))


@cache
def find_correlation(separations: tuple[float, float], disagreement: float) -> float:
    """Return the correlation of noise at which two classifiers of balanced classes disagree on that share of the rows."""
    from scipy.optimize import brentq
    from scipy.special import ndtr
    from scipy.stats import multivariate_normal

    # by symmetry of the balanced classes, of a negative row: both are below half their separation, or only one is
    below = [at / 2 for at in separations]

    def gap(rho: float) -> float:
        both = float(multivariate_normal.cdf(below, cov=[[1.0, rho], [rho, 1.0]]))
        return float(ndtr(below[0]) + ndtr(below[1])) - 2 * both - disagreement

    return float(brentq(gap, 0.0, 0.9999))
