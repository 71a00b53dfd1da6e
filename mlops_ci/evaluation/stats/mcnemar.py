"""Tests of two classifiers on the same rows, from the rows where exactly one of them is correct.

`better` counts the rows that only the candidate gets right, `worse` the rows that only the champion gets right.
"""

from __future__ import annotations

import math
from typing import Literal

Alternative = Literal["greater", "less", "two-sided"]


def mid_p_value(better: int, worse: int, alternative: Alternative = "greater") -> float:
    """Return the mid-p value of McNemar's exact test; `greater` claims that the candidate is correct more often.

    Without discordant rows it is 0.5 (one-sided) or 1 (two-sided). Source: M. W. Fagerland, S. Lydersen, P. Laake,
    BMC Medical Research Methodology 13 (2013) 91.
    """
    from scipy.special import bdtr

    total = better + worse
    if alternative == "less":
        better, worse = worse, better
    if alternative == "two-sided":
        better, worse = max(better, worse), min(better, worse)
    if total == 0:
        one_sided = 0.5
    else:  # P(X >= better) = P(X <= worse) for probability 1/2, minus half of P(X = better)
        at_most = float(bdtr(worse, total, 0.5))
        exactly = at_most - (float(bdtr(worse - 1, total, 0.5)) if worse else 0.0)
        one_sided = at_most - exactly / 2
    return min(2 * one_sided, 1.0) if alternative == "two-sided" else one_sided


def score_statistic(better: int, worse: int, rows: int, difference: float) -> float:
    """Return the z-score of Tango's score test that the true difference in accuracy is `difference`, in (-1, 1).

    It is positive when the observed difference is larger. T. Tango, Statistics in Medicine 17 (1998) 891-908.
    """
    a = 2 * rows
    b = -better - worse + (2 * rows - better + worse) * difference
    c = -worse * difference * (1 - difference)
    only_worse = (math.sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
    variance = rows * (2 * only_worse + difference * (1 - difference))
    gap = better - worse - rows * difference
    if variance <= 0:
        return 0.0 if gap == 0 else math.copysign(math.inf, gap)
    return gap / math.sqrt(variance)


def tango_interval(better: int, worse: int, rows: int, z: float) -> tuple[float, float]:
    """Return Tango's interval: the range of accuracy differences that the score test does not reject at +-z."""
    return _difference_at_score(better, worse, rows, z), _difference_at_score(better, worse, rows, -z)


def _difference_at_score(better: int, worse: int, rows: int, z: float) -> float:
    low, high = -1.0, 1.0
    for _ in range(60):  # the statistic falls as the difference rises
        middle = (low + high) / 2
        if score_statistic(better, worse, rows, middle) > z:
            low = middle
        else:
            high = middle
    return (low + high) / 2
