"""The number of rows that a test needs to detect an effect."""

from __future__ import annotations

import math

TARGET_POWER = 0.8  # the probability with which a test must detect the effect


def labels_needed(rows: int, p: float, alpha: float) -> int | None:
    """Return the number of additional rows for 80 % power of a one-sided test that gave p on `rows` rows.

    The test's z-score grows with the square root of the rows, and z_alpha + z_power is needed. Returns None when the
    number is unknown: a p-value of 0.5 or more shows no effect; and when the z-score is already large enough, more rows
    are not what the decision needs.
    """
    from scipy.special import ndtri

    seen = -float(ndtri(p))
    return additional_rows(rows, sum(z_scores(alpha)) / seen) if seen > 0 else None


def z_scores(alpha: float) -> tuple[float, float]:
    """Return the normal quantiles of a one-sided level alpha and of the target power."""
    from scipy.special import ndtri

    return -float(ndtri(alpha)), float(ndtri(TARGET_POWER))


def additional_rows(rows: int, ratio: float) -> int | None:
    """Return the number of additional rows that multiply the z-score by `ratio`; None when the ratio is at most 1."""
    more = rows * (ratio * ratio - 1)
    return math.ceil(more) if 0 < more < math.inf else None
