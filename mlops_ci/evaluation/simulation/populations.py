"""Simulated populations with models of known quality, so that a verdict of the gate is known to be right or wrong.

Two classifiers score the same rows: each score is the class's mean plus noise. The classifiers share most of the noise, so
they disagree on few rows, as retrained models do. The probabilities are posterior probabilities, and the label is the more
likely class. The errors of two regressors are noise that they share in part.
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
    """A holdout of n rows and the models' predictions for it, the candidate's first."""

    truth: Truth
    models: tuple[Predictions, ...]


class Population(Protocol):
    """A population that samples of rows and predictions are drawn from."""

    def draw(self, random: np.random.Generator, rows: int) -> Sample:
        """Return a holdout of independent rows."""
        ...


@dataclass(frozen=True)
class ClassifierPopulation:
    """A population with binary classifiers.

    A classifier's separation is the distance between the mean scores of the two classes, in standard deviations of the
    noise. `correlation` is the correlation of the models' noise.
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
    """A population with regressors.

    `spreads` are the standard deviations of their errors, and `correlation` is that of the errors. `tails` is the number
    of degrees of freedom of Student's t; None means normal errors.
    """

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
    """Return the true accuracy of a classifier with that separation, at that share of positives."""
    from scipy.special import ndtr

    threshold = separation / 2 - math.log(share / (1 - share)) / separation
    return float(share * ndtr(separation - threshold) + (1 - share) * ndtr(threshold))


def true_auc(separation: float) -> float:
    """Return the true area under the ROC curve of a classifier with that separation."""
    from scipy.special import ndtr

    return float(ndtr(separation / math.sqrt(2)))


TRUE_VALUES: dict[SimulatedMetric, Callable[[float], float]] = {"accuracy": true_accuracy, "auc": true_auc}


@cache
def find_separation(of: SimulatedMetric, value: float) -> float:
    """Return the separation at which a classifier has that true value of a metric, for balanced classes."""
    from scipy.optimize import brentq

    return float(brentq(lambda at: TRUE_VALUES[of](at) - value, 0.01, 8.0))


@cache
def find_correlation(separations: tuple[float, float], disagreement: float) -> float:
    """Return the correlation of noise at which two classifiers disagree on that share of rows, for balanced classes."""
    from scipy.optimize import brentq
    from scipy.special import ndtr
    from scipy.stats import multivariate_normal

    # balanced classes are symmetric, so a negative row is enough: its score is below or above half the separation
    below = [at / 2 for at in separations]

    def gap(rho: float) -> float:
        both = float(multivariate_normal.cdf(below, cov=[[1.0, rho], [rho, 1.0]]))
        return float(ndtr(below[0]) + ndtr(below[1])) - 2 * both - disagreement

    return float(brentq(gap, 0.0, 0.9999))
