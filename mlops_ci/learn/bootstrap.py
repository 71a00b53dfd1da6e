"""The paired percentile bootstrap: the same resampled rows for every metric and both models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from mlops_ci.digest import digest_json
from mlops_ci.learn.metrics import Weighted
from mlops_ci.learn.predictions import Floats

RESAMPLES = 2000
_CELLS = 1 << 17  # weights that are held at once: 1 MB, which stays in the processor's cache


def seed_of(*digests: str) -> int:
    """Return a seed that follows from what is compared, so that the same comparison gives the same numbers."""
    return int(digest_json(list(digests))[:16], 16)


def resample(functions: Sequence[Weighted], rows: int, seed: int, resamples: int = RESAMPLES) -> Floats:
    """Return [functions, resamples]: each metric on bootstrap samples of `rows` rows, the same samples for all."""
    out = np.empty((len(functions), resamples))
    at = 0
    for weights in _weights(rows, seed, resamples):
        for index, function in enumerate(functions):
            out[index, at : at + len(weights)] = function(weights)
        at += len(weights)
    return out


def _weights(rows: int, seed: int, resamples: int) -> Iterator[Floats]:
    generator = np.random.default_rng(seed)
    step = max(_CELLS // max(rows, 1), 1)
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        drawn = generator.integers(rows, size=(count, rows), dtype=np.int32)
        drawn += (np.arange(count, dtype=np.int32) * rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=count * rows).reshape(count, rows).astype(np.float64)
