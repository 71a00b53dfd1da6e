"""What may be concluded from a value and its standard error, or from rows that all say the same: bounds and p-values."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

_LARGEST = 709.0  # the exponential of more is no number
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
    above: Callable[[float], float]
    below: Callable[[float], float]
    varies: bool = True


@dataclass(frozen=True)
class Constant:
    """What n independent rows prove that all gave the same value v, so that their spread says nothing.

    A mean of values within [low, high] that is at most m has a share of at most (m - low) / (v - low) of values v or more
    (Markov), hence n of n with at most that to the n: with v at the end of the range, Clopper and Pearson's bound
    (Biometrika 26 (1934) 404-413). Without a range it is the sign test's half, about the median.
    """

    v: float
    n: float
    low: float = -math.inf
    high: float = math.inf

    def above(self, margin: float) -> float:
        """Return the p-value that the mean exceeds the margin."""
        if margin >= self.v:
            return 1.0
        share = 0.5 if math.isinf(self.low) else max(margin - self.low, 0.0) / (self.v - self.low)
        return float(share**self.n)

    def below(self, margin: float) -> float:
        """Return the p-value that the mean falls short of the margin."""
        return Constant(-self.v, self.n, -self.high, -self.low).above(-margin)

    def bound(self, p: float) -> float:
        """Return the limit that is proven at p (below the value) or at 1-p (above it)."""
        end = self.low if p < 0.5 else self.high
        return self.v if math.isinf(end) else end + (self.v - end) * float(min(p, 1 - p) ** (1 / self.n))

    def difference(self) -> Difference:
        """Return it as the difference of two models."""
        return Difference(self.v, self.bound, self.above, self.below, varies=False)


def student(difference: float, error: float, rows: float | None = None) -> Difference:
    """Return what a difference and its standard error say: by Student's t of `rows` - 1 degrees, or by the normal law."""
    from scipy.special import ndtr, ndtri, stdtr, stdtrit

    if rows is None:
        cdf, quantile = ndtr, ndtri
    else:
        error *= _small_sample(rows)

        def cdf(z: float) -> float:
            return float(stdtr(rows - 1, z))

        def quantile(p: float) -> float:
            return float(stdtrit(rows - 1, p))

    return Difference(
        difference,
        lambda p: difference + float(quantile(p)) * error,
        lambda margin: float(cdf((margin - difference) / error)),
        lambda margin: float(cdf((difference - margin) / error)),
    )


def on_logits(value: float, error: float, rows: float | None = None) -> Bound:
    """Return the bound of a value within 0 and 1 on the logit's scale, where the error near an end is less skewed.

    M. S. Pepe, The Statistical Evaluation of Medical Tests for Classification and Prediction, 2003.
    """
    from scipy.special import expit, logit

    scaled = student(float(logit(value)), error / (value * (1 - value)), rows)
    return lambda p: float(expit(scaled.bound(p)))


def on_logarithms(value: float, error: float, rows: float) -> Bound:
    """Return the bound of a value above 0 on the logarithm's scale, on which losses are less skewed."""
    scaled = student(math.log(value), error / value, rows)
    return lambda p: math.exp(min(scaled.bound(p), _LARGEST))


def wilson(share: float, n: float) -> Bound:
    """E. B. Wilson, JASA 22 (1927) 209-212."""
    from scipy.special import ndtri

    def bound(p: float) -> float:
        z = float(ndtri(p))
        centre = share + z * z / (2 * n)
        return (centre + z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))) / (1 + z * z / n)

    return bound


def root(variance: float) -> float:
    """Return the standard error that a variance stands for; 0 for what is left of equal rows, which is rounding."""
    return math.sqrt(variance) if variance > 1e-18 else 0.0


def _small_sample(rows: float) -> float:
    """Return what a standard error from so many rows is too small by, as that of a mean is."""
    return math.sqrt(rows / (rows - 1))
