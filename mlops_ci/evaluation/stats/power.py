"""How many rows a test needs before it sees an effect."""

from __future__ import annotations

import math

TARGET_POWER = 0.8  # what is meant by "needs"


def labels_needed(rows: int, p: float, alpha: float) -> int | None:
    """Return how many more rows give a one-sided test that gave p on `rows` rows 80 % power; None when it is unknown.

    The test's z grows with the root of the rows, whatever variance it uses, and z_alpha + z_power is needed. A p-value
    of a half or more shows no effect, and one that is small enough for power but did not decide is not limited by rows.
    """
    from scipy.special import ndtri

    seen = -float(ndtri(p))
    return additional_rows(rows, sum(z_scores(alpha)) / seen) if seen > 0 else None


def z_scores(alpha: float) -> tuple[float, float]:
    """Return the normal quantiles of a one-sided level and of the power."""
    from scipy.special import ndtri

    return -float(ndtri(alpha)), float(ndtri(TARGET_POWER))


def additional_rows(rows: int, ratio: float) -> int | None:
    """Return how many more rows make the z-score so many times larger; None when it is large enough."""
    more = rows * (ratio * ratio - 1)
    return math.ceil(more) if 0 < more < math.inf else None
