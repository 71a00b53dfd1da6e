"""The test of the difference between two root mean squared errors, based on the squared errors.

When a few rows cause most of the error, a test on the linearised root mistakes noise for an improvement. This test uses
means instead: for a margin m, the claim `champion - candidate > m` is equivalent to (champion - m)^2 > candidate^2, as in
E. C. Fieller (Journal of the Royal Statistical Society B 16 (1954) 175-185). For m = 0 it is the claim that the candidate's
mean squared error is smaller. The bounds are the margins at which the test just decides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mlops_ci.evaluation.stats.influence import sum_by_group
from mlops_ci.evaluation.stats.intervals import (
    MIN_INDEPENDENT_ROWS,
    SQUARES_TOLERANCE,
    ConstantSample,
    Difference,
    Spread,
    student_t_difference,
)
from mlops_ci.training.predictions import Floats, Predictions, Truth, require_part

_BISECTION_STEPS = 50  # about 15 digits


def _moments(a: Floats, b: Floats, order: int) -> tuple[float, ...]:
    """Return the coefficients of the sum of (scale a - b)^order as a polynomial in scale, the highest power first."""
    of_a, of_b = ([np.ones_like(part)] for part in (a, b))
    for _ in range(order):  # many times faster than numpy's own powers
        of_a.append(of_a[-1] * a)
        of_b.append(of_b[-1] * b)
    return tuple(float(math.comb(order, at) * (-1) ** at * (of_a[order - at] @ of_b[at])) for at in range(order + 1))


def _evaluate_polynomial(scale: float, moments: Sequence[float]) -> float:
    value = 0.0
    for moment in moments:  # Horner's rule, the highest power first
        value = value * scale + moment
    return value


def rmse_difference(
    truth: Truth, sides: Sequence[Predictions], values: Sequence[float], units: float
) -> Difference | None:
    """Return the difference champion minus candidate in RMSE on n rows; `values` are both RMSEs, the candidate's first.

    `units` is the effective sample size. None when it is below two, or when the squared errors overflow.
    """
    mine, theirs = ((require_part(truth.values) - require_part(side.values)) ** 2 for side in sides)
    candidate, champion = values
    share = truth.weights_or_ones / truth.weights_or_ones.sum()
    a, b = sum_by_group(share * (theirs - champion**2), truth), sum_by_group(share * (mine - candidate**2), truth)
    moments = {order: _moments(a, b, order) for order in ((2, 3) if truth.has_equal_independent_rows else (2, 3, 4))}

    def tested(margin: float) -> Difference | None:
        rest = champion - margin
        scale = rest / champion if champion else 0.0
        squares, cubes, *fourths = (_evaluate_polynomial(scale, moments[order]) for order in moments)
        if not math.isfinite(squares):
            return None
        gain = rest * abs(rest) - candidate**2
        if squares <= SQUARES_TOLERANCE * (scale**2 * moments[2][0] + moments[2][-1]):
            return ConstantSample(gain, units).difference()
        counting = squares**2 / max(fourths[0], squares**2 / units) if fourths else units
        if counting < MIN_INDEPENDENT_ROWS:
            return None
        return student_t_difference(gain, Spread(math.sqrt(squares), counting, cubes / squares**1.5))

    at_zero = tested(0.0)
    if at_zero is None:
        return None

    def p_value(margin: float, *, above: bool) -> float:
        difference = tested(margin)
        if difference is None:
            return 1.0
        return difference.p_value_above(0.0) if above else difference.p_value_below(0.0)

    seen = champion - candidate
    widest = 10 * (champion + candidate)

    def bound(p: float) -> float:
        lower = p < 0.5
        near, far = seen, seen - widest if lower else seen + widest
        for _ in range(_BISECTION_STEPS):
            middle = (near + far) / 2
            decided = p_value(middle, above=lower) <= min(p, 1 - p)
            near, far = (near, middle) if decided else (middle, far)
        return far if math.isfinite(far) else near

    if not at_zero.varies:
        same = bool(np.array_equal(mine, theirs))
        return ConstantSample(0.0 if same else seen, units).difference()
    return Difference(
        seen, bound, lambda margin: p_value(margin, above=True), lambda margin: p_value(margin, above=False)
    )
