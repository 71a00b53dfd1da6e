"""Confidence bounds and p-values from an estimate and its standard error, or from rows that all have the same value."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mlops_ci.training.predictions import Floats

SQUARES_TOLERANCE = 1e-24  # relative tolerance of sums of squares: twelve digits of the values
MIN_INDEPENDENT_ROWS = 2  # fewer rows have no standard error
_MAX_Z_SCORE = 1e9  # in standard errors; larger z-scores are clipped
_MAX_EXPONENT = 709.0  # the exponential of a larger number overflows
Bound = Callable[[float], float]  # probability p -> the p quantile of the confidence distribution of the true value


@dataclass(frozen=True)
class Estimate:
    """The value of a metric of one model, with its bound.

    For p below 0.5, `bound(p)` is a lower limit with confidence 1 - p; for p above 0.5, an upper limit with confidence p.
    None means that the value has no interval.
    """

    value: float
    bound: Bound | None = None


@dataclass(frozen=True)
class Difference:
    """The difference between candidate and champion, with the sign that makes positive values better.

    `p_value_above(m)` is the p-value of the claim that the true difference exceeds m (null hypothesis: at most m), and
    `p_value_below(m)` that of the claim that it is below m. When `varies` is false, every sample of the rows gives this
    same difference, and only the number of rows limits how small a p-value can be.
    """

    value: float
    bound: Bound
    p_value_above: Callable[[float], float]
    p_value_below: Callable[[float], float]
    varies: bool = True


@dataclass(frozen=True)
class ConstantSample:
    """Bounds and p-values from n independent rows that all have the same value v, so that they have no spread.

    If the mean of values in [low, high] is at most m, then at most the share (m - low) / (v - low) of them is v or more
    (Markov's inequality). The probability that n of n rows are is at most that share to the power n. With v at the end of
    the range, this is the bound of Clopper and Pearson (Biometrika 26 (1934) 404-413). Without a range the share is 0.5,
    as in a sign test about the median.
    """

    value: float
    effective_sample_size: float
    low: float = -math.inf
    high: float = math.inf

    def p_value_above(self, margin: float) -> float:
        """Return the p-value of the claim that the mean exceeds the margin."""
        if margin >= self.value:
            return 1.0
        share = 0.5 if math.isinf(self.low) else max(margin - self.low, 0.0) / (self.value - self.low)
        return float(share**self.effective_sample_size)

    def p_value_below(self, margin: float) -> float:
        """Return the p-value of the claim that the mean is below the margin."""
        return ConstantSample(-self.value, self.effective_sample_size, -self.high, -self.low).p_value_above(-margin)

    def bound(self, p: float) -> float:
        """Return the lower limit with confidence 1 - p for p below 0.5, else the upper limit with confidence p."""
        end = self.low if p < 0.5 else self.high
        return (
            self.value
            if math.isinf(end)
            else end + (self.value - end) * float(min(p, 1 - p) ** (1 / self.effective_sample_size))
        )

    def difference(self) -> Difference:
        """Return the same bounds and p-values as a `Difference` that does not vary."""
        return Difference(self.value, self.bound, self.p_value_above, self.p_value_below, varies=False)


@dataclass(frozen=True)
class Spread:
    """The standard error of an estimate: 0 when nothing varies, NaN when it is unknown.

    `effective_sample_size` is the number of independent rows behind it; None means so many that the normal distribution
    applies. `skew` is the standardised third moment of the rows' contributions: the skewness of the data divided by the
    square root of the effective sample size.
    """

    standard_error: float
    effective_sample_size: float | None = None
    skew: float = 0.0


def measure_spread(moves: Floats, units: float, parts: Sequence[Floats], *, even: bool) -> Spread:
    """Return the spread of an estimate from the influences of its rows, or of groups of rows.

    `parts` are the influences whose difference `moves` is; a spread below their rounding error counts as 0. Rows that are
    not `even` have weights, or come in groups of different sizes, so a few rows may cause most of the variance; the
    effective sample size is then reduced as in F. E. Satterthwaite, Biometrics Bulletin 2 (1946) 110-114.
    """
    squares = float((moves**2).sum())
    if not math.isfinite(squares):
        return Spread(math.nan, units)
    if squares <= SQUARES_TOLERANCE * sum(float((part**2).sum()) for part in parts):
        return Spread(0.0, units)
    scaled = moves / math.sqrt(squares)  # the squares add up to 1
    shares = scaled * scaled
    counting = units if even else min(units, 1 / float(shares @ shares))
    return Spread(math.sqrt(squares), counting, float(shares @ scaled))


def student_t_difference(difference: float, spread: Spread) -> Difference:
    """Return a difference by Student's t with n - 1 degrees of freedom, with and without a correction for skewness.

    n is the effective sample size. The p-value is the larger of the two, and the bound is the wider of the two. Many
    small gains with a few large losses are skewed, and Student's t alone would report them as an improvement. The
    correction is P. Hall's monotone cubic (Journal of the Royal Statistical Society B 54 (1992) 221-228); its quadratic
    part is N. J. Johnson's (JASA 73 (1978) 536-544).
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
    """Return the bound of a value in (0, 1), computed on the logit scale, where errors near 0 and 1 are less skewed.

    M. S. Pepe, The Statistical Evaluation of Medical Tests for Classification and Prediction, 2003.
    """
    from scipy.special import expit, logit

    slope = value * (1 - value)
    # the skewness that the logit scale itself adds
    bent = 1.5 * spread.standard_error * (2 * value - 1) / slope if spread.effective_sample_size is not None else 0.0
    scaled = student_t_difference(
        float(logit(value)), Spread(spread.standard_error / slope, spread.effective_sample_size, spread.skew + bent)
    )
    return lambda p: float(expit(scaled.bound(p)))


def log_bound(value: float, spread: Spread) -> Bound:
    """Return the bound of a value above 0, computed on the logarithmic scale, where losses are less skewed."""
    relative = spread.standard_error / value
    scaled = student_t_difference(
        math.log(value), Spread(relative, spread.effective_sample_size, spread.skew - 1.5 * relative)
    )
    return lambda p: math.exp(min(scaled.bound(p), _MAX_EXPONENT))


def hanley_mcneil_bound(area: float, positives: int, negatives: int) -> Bound:
    """Return the bound of an area under the ROC curve; it stays reliable near 1, where few pairs are ranked wrongly.

    R. G. Newcombe, Statistics in Medicine 25 (2006) 559-573, method 5. A limit is the area whose distance from the
    observed one equals z standard errors, with the standard error of J. A. Hanley and B. J. McNeil (Radiology 143 (1982)
    29-36) at that limit.
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
    """Return the bound of a share of n rows by Wilson's score interval (E. B. Wilson, JASA 22 (1927) 209-212)."""
    from scipy.special import ndtri

    def bound(p: float) -> float:
        z = float(ndtri(p))
        centre = share + z * z / (2 * n)
        return (centre + z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))) / (1 + z * z / n)

    return bound


def auc_standard_error(variance: float) -> float:
    """Return the standard error of an area from its variance; 0 when the variance is only a rounding error."""
    return math.sqrt(variance) if variance > 1e-18 else 0.0


def _small_sample_factor(rows: float) -> float:
    """Return the factor sqrt(n / (n - 1)) that corrects a standard error from n rows, as for a mean."""
    return math.sqrt(rows / (rows - 1))
