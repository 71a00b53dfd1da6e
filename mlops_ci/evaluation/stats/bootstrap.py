"""The paired percentile bootstrap: the same resampled rows, or groups of rows, for every metric and both models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from mlops_ci.core.digest import digest_json
from mlops_ci.evaluation.stats.metrics import WeightedMetric
from mlops_ci.training.predictions import Floats, Truth

RESAMPLES = 2000
_MAX_WEIGHTS = 1 << 17  # weights in memory at once: 1 MB, which fits into the processor's cache


def seed_from_digests(*digests: str) -> int:
    """Return a seed derived from digests of the compared models and rows, so that a comparison is reproducible."""
    return int(digest_json(list(digests))[:16], 16)


def resample_metrics(
    functions: Sequence[WeightedMetric], truth: Truth, seed: int, resamples: int = RESAMPLES
) -> Floats:
    """Return [functions, resamples]: each metric on bootstrap samples of the truth's rows, the same samples for all.

    When rows come in groups, the bootstrap draws groups. A row's weight is multiplied by the number of times it is drawn.
    """
    out = np.empty((len(functions), resamples))
    group = None if truth.groups is None else np.unique(truth.groups, return_inverse=True)[1]
    units = len(truth) if group is None else int(group.max(initial=-1)) + 1
    at = 0
    for drawn in _draw_counts(units, len(truth), seed, resamples):
        weights = drawn if group is None else np.take(drawn, group, axis=1)
        if truth.weights is not None:
            weights = weights * truth.weights
        for index, function in enumerate(functions):
            out[index, at : at + len(weights)] = function(weights)
        at += len(weights)
    return out


def _draw_counts(units: int, rows: int, seed: int, resamples: int) -> Iterator[Floats]:
    """Yield batches [b, units] of how often each of b samples draws each unit."""
    generator = np.random.default_rng(seed)
    step = max(_MAX_WEIGHTS // max(rows, 1), 1)
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        drawn = generator.integers(units, size=(count, units), dtype=np.int32)
        drawn += (np.arange(count, dtype=np.int32) * units)[:, None]
        yield np.bincount(drawn.ravel(), minlength=count * units).reshape(count, units).astype(np.float64)
