"""What may be concluded from a value and its standard error, or from rows that all say the same: bounds and p-values."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mlops_ci.training.predictions import Floats

SQUARES_TOLERANCE = 1e-24  # of squares: twelve digits
MIN_INDEPENDENT_ROWS = 2  # independent rows, from which a spread can be told
_MAX_Z_SCORE = 1e9  # standard errors: further is no further
_MAX_EXPONENT = 709.0  # the exponential of more is no number
Bound = Callable[[float], float]  # probability -> that quantile of what the true value may be


@dataclass(frozen=True)
class Estimate:
    """A metric of one model. `bound(p)` lies above the true value with confidence 1-p at small p; None: no interval."""

    value: float
    bound: Bound | None = None


@dataclass(frozen=True)
class Difference:
    """Candidate minus champion, turned so that positive is better.

    `above(m)` is the p-value that the truth exceeds m (null: at most m), `below(m)` that it falls short of m. Without
    `varies`, every sample of the rows gives this difference, and only their number limits how small a p-value can be.
    """

    value: float
    bound: Bound
    p_value_above: Callable[[float], float]
    p_value_below: Callable[[float], float]
    varies: bool = True


@dataclass(frozen=True)
class ConstantSample:
    """What n independent rows prove that all gave the same value v, so that their spread says nothing.

    A mean of values within [low, high] that is at most m has a share of at most (m - low) / (v - low) of values v or more
    (Markov), hence n of n with at most that to the n: with v at the end of the range, Clopper and Pearson's bound
    (Biometrika 26 (1934) 404-413). Without a range it is the sign test's half, about the median.
    """

    value: float
    effective_sample_size: float
    low: float = -math.inf
    high: float = math.inf

    def p_value_above(self, margin: float) -> float:
        """Return the p-value that the mean exceeds the margin."""
        if margin >= self.value:
            return 1.0
        share = 0.5 if math.isinf(self.low) else max(margin - self.low, 0.0) / (self.value - self.low)
        return float(share**self.effective_sample_size)

    def p_value_below(self, margin: float) -> float:
        """Return the p-value that the mean falls short of the margin."""
        return ConstantSample(-self.value, self.effective_sample_size, -self.high, -self.low).p_value_above(-margin)

    def bound(self, p: float) -> float:
        """Return the limit that is proven at p (below the value) or at 1-p (above it)."""
        end = self.low if p < 0.5 else self.high
        return (
            self.value
            if math.isinf(end)
            else end + (self.value - end) * float(min(p, 1 - p) ** (1 / self.effective_sample_size))
        )

    def difference(self) -> Difference:
        """Return it as the difference of two models."""
        return Difference(self.value, self.bound, self.p_value_above, self.p_value_below, varies=False)


@dataclass(frozen=True)
class Spread:
    """How far an estimate may be from the truth: its standard error; 0 where nothing varies, NaN where that cannot be told.

    `units` is how many independent rows it rests on (None: so many that the normal law holds), `skew` the third moment of
    what they contribute, standardised: the skewness of the data divided by the root of `units`.
    """

    standard_error: float
    effective_sample_size: float | None = None
    skew: float = 0.0


def measure_spread(moves: Floats, units: float, parts: Sequence[Floats], *, even: bool) -> Spread:
    """Return the spread of an estimate from the influences of its rows, or of groups of rows.

    `parts` are what the moves are a difference of: less than their rounding is no spread. Where rows are not `even` (they
    have weights, or groups have sizes) few of them may make most of it, and these are as many as count (F. E. Satterthwaite,
    Biometrics Bulletin 2 (1946) 110-114).
    """
    squares = float((moves**2).sum())
    if not math.isfinite(squares):
        return Spread(math.nan, units)
    if squares <= SQUARES_TOLERANCE * sum(float((part**2).sum()) for part in parts):
        return Spread(0.0, units)
    scaled = moves / math.sqrt(squares)  # whose squares add up to 1
    shares = scaled * scaled
    counting = units if even else min(units, 1 / float(shares @ shares))
    return Spread(math.sqrt(squares), counting, float(shares @ scaled))


def student_t_difference(difference: float, spread: Spread) -> Difference:
    """Return what a difference and its spread say, by Student's t of `units` - 1 degrees, and corrected for skewness.

    Of the two p-values the larger counts, and of two bounds the wider. Many small gains and a few large losses are skewed,
    and t alone would take them for an improvement. The correction is P. Hall's monotone cubic (Journal of the Royal
    Statistical Society B 54 (1992) 221-228), whose quadratic part is N. J. Johnson's (JASA 73 (1978) 536-544).
    """
    from scipy.special import ndtr, ndtri, stdtr, stdtrit

    error, rows, skew = spread.standard_error, spread.effective_sample_size, spread.skew
    if rows is None:
        cdf, quantile = ndtr, ndtri
    else:
        error *= _small_sample_factor(rows)

        def cdf(z: float) -> float:
            return float(stdtr(rows - 1, z))

        def quantile(p: float) -> float:
            return float(stdtrit(rows - 1, p))

    def corrected(z: float) -> float:
        return z + skew * z * z / 3 + skew * skew * z**3 / 27 + skew / 6

    def uncorrected(z: float) -> float:
        if abs(skew) < 1e-9:
            return z
        return 3 / skew * (math.cbrt(1 + skew * (z - skew / 6)) - 1)

    def p_value(margin: float, sign: int) -> float:
        z = min(max((difference - margin) / error, -_MAX_Z_SCORE), _MAX_Z_SCORE)
        return max(float(cdf(-sign * z)), float(cdf(-sign * corrected(z))))

    def bound(p: float) -> float:
        z = float(quantile(1 - p))
        widest = min if p < 0.5 else max
        return (
            difference - error * z if p == 0.5 else widest(difference - error * z, difference - error * uncorrected(z))
        )

    return Difference(difference, bound, lambda margin: p_value(margin, 1), lambda margin: p_value(margin, -1))


def logit_bound(value: float, spread: Spread) -> Bound:
    """Return the bound of a value within 0 and 1 on the logit's scale, where the error near an end is less skewed.

    M. S. Pepe, The Statistical Evaluation of Medical Tests for Classification and Prediction, 2003.
    """
    from scipy.special import expit, logit

    slope = value * (1 - value)
    # what the scale itself adds to the skewness, where that is looked at
    bent = 1.5 * spread.standard_error * (2 * value - 1) / slope if spread.effective_sample_size is not None else 0.0
    scaled = student_t_difference(
        float(logit(value)), Spread(spread.standard_error / slope, spread.effective_sample_size, spread.skew + bent)
    )
    return lambda p: float(expit(scaled.bound(p)))


def log_bound(value: float, spread: Spread) -> Bound:
    """Return the bound of a value above 0 on the logarithm's scale, on which losses are less skewed."""
    relative = spread.standard_error / value
    scaled = student_t_difference(
        math.log(value), Spread(relative, spread.effective_sample_size, spread.skew - 1.5 * relative)
    )
    return lambda p: math.exp(min(scaled.bound(p), _MAX_EXPONENT))


def hanley_mcneil_bound(area: float, positives: int, negatives: int) -> Bound:
    """Return the bound of an area under the ROC curve that is near 1, where few pairs of rows are ranked wrongly.

    R. G. Newcombe, Statistics in Medicine 25 (2006) 559-573, method 5: the limits at which the standard error of J. A.
    Hanley and B. J. McNeil (Radiology 143 (1982) 29-36) just reaches what was seen.
    """
    from scipy.special import ndtri

    extra = (positives + negatives) / 2 - 1

    def error(true: float) -> float:
        pairs = 1 + extra * (1 - true) / (2 - true) + extra * true / (1 + true)
        return math.sqrt(true * (1 - true) * pairs / (positives * negatives))

    def bound(p: float) -> float:
        z = abs(float(ndtri(p)))
        end, near = (0.0, area) if p < 0.5 else (1.0, area)
        for _ in range(60):
            middle = (end + near) / 2
            if abs(area - middle) > z * error(middle):
                end = middle
            else:
                near = middle
        return (end + near) / 2

    return bound


def wilson_bound(share: float, n: float) -> Bound:
    """E. B. Wilson, JASA 22 (1927) 209-212."""
    from scipy.special import ndtri

    def bound(p: float) -> float:
        z = float(ndtri(p))
        centre = share + z * z / (2 * n)
        return (centre + z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))) / (1 + z * z / n)

    return bound


def auc_standard_error(variance: float) -> float:
    """Return the standard error of an area that a variance stands for; 0 for what is left of equal rows, which is rounding."""
    return math.sqrt(variance) if variance > 1e-18 else 0.0


def _small_sample_factor(rows: float) -> float:
    """Return what a standard error from so many rows is too small by, as that of a mean is."""
    return math.sqrt(rows / (rows - 1))
