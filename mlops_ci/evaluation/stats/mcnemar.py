"""Two classifiers on the same rows: who is right where the other is wrong.

`better` counts rows that only the candidate gets right, `worse` rows that only the champion gets right.
"""

from __future__ import annotations

import math
from typing import Literal

Alternative = Literal["greater", "less", "two-sided"]


def mid_p_value(better: int, worse: int, alternative: Alternative = "greater") -> float:
    """Return the mid-p value of McNemar's exact test that the candidate is right more often (`greater`).

    Without discordant rows it is 0.5 one-sided and 1 two-sided: nothing was seen. M. W. Fagerland, S. Lydersen,
    P. Laake, BMC Medical Research Methodology 13 (2013) 91.
    """
    from scipy.special import bdtr

    total = better + worse
    if alternative == "less":
        better, worse = worse, better
    if alternative == "two-sided":
        better, worse = max(better, worse), min(better, worse)
    if total == 0:
        one_sided = 0.5
    else:  # P(X >= better) = P(X <= worse) at probability 1/2, half of P(X = better) taken off
        at_most = float(bdtr(worse, total, 0.5))
        exactly = at_most - (float(bdtr(worse - 1, total, 0.5)) if worse else 0.0)
        one_sided = at_most - exactly / 2
    return min(2 * one_sided, 1.0) if alternative == "two-sided" else one_sided


def score_statistic(better: int, worse: int, rows: int, difference: float) -> float:
    """Return the score test's z for the true difference in accuracy being `difference`, which lies in (-1, 1).

    T. Tango, Statistics in Medicine 17 (1998) 891-908. Positive when more was seen than `difference`.
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
    """Return the differences in accuracy that the score test does not reject at +-z: Tango's interval, by bisection."""
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
