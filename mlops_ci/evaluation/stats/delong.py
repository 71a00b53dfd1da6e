"""The area under the ROC curve and its covariance between models, without resampling.

E. R. DeLong, D. M. DeLong, D. L. Clarke-Pearson, Biometrics 44 (1988) 837-845; by midranks in O(n log n) after X. Sun,
W. Xu, IEEE Signal Processing Letters 21 (2014) 1389-1393.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlops_ci.training.predictions import Floats


@dataclass(frozen=True)
class AucEstimates:
    """AUCs [m] of m models on the same rows, their covariance matrix [m, m], and the number of rows of each class."""

    values: Floats
    covariance: Floats
    positives: int
    negatives: int


def estimate_aucs(positive: Any, scores: Floats) -> AucEstimates | None:
    """Return the AUCs and covariance of m models' scores [m, n], given a mask of positives [n].

    None when a class has fewer than two rows.
    """
    positive = np.asarray(positive, dtype=bool)
    m, n = int(positive.sum()), int((~positive).sum())
    if m < 2 or n < 2:
        return None
    good, bad = scores[:, positive], scores[:, ~positive]
    within_good = np.stack([midranks(row) for row in good])
    within_bad = np.stack([midranks(row) for row in bad])
    among_all = np.stack([midranks(np.concatenate([g, b])) for g, b in zip(good, bad, strict=True)])
    above = (among_all[:, :m] - within_good) / n  # for each positive, the share of negatives with a lower score
    below = 1 - (among_all[:, m:] - within_bad) / m
    covariance = np.atleast_2d(np.cov(above)) / m + np.atleast_2d(np.cov(below)) / n
    return AucEstimates(above.mean(axis=1), covariance, m, n)


def midranks(values: Floats) -> Floats:
    """Return the ranks of n values, starting from 1; equal values get the mean of their ranks."""
    _, group, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return (last - (count - 1) / 2)[group]
