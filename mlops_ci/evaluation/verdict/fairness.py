"""Fairness gaps of a binary classifier: the same values as fairlearn's, with confidence intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mlops_ci.evaluation.stats.influence import sum_by_group
from mlops_ci.evaluation.stats.intervals import Bound, Estimate, wilson_bound
from mlops_ci.evaluation.verdict.slices import format_slice_values
from mlops_ci.training.predictions import Floats, Ints, Predictions, Truth, require_part

FairnessMetric = Literal["demographic-parity-difference", "equalized-odds-difference"]
RateName = Literal["selection", "true-positive", "false-positive"]
MIN_RATE_ROWS = 10  # positives (or negatives) that each group needs for a true-positive (or false-positive) rate
_RowMask = NDArray[np.bool_]


@dataclass(frozen=True)
class FairnessGap:
    """The largest gap of a rate between two groups: `highest_group` has the highest rate, `lowest_group` the lowest.

    `skipped_groups` are the names of the groups with too few rows for one of the rates.
    """

    estimate: Estimate
    rate: RateName
    highest_group: str
    lowest_group: str
    skipped_groups: tuple[str, ...]


def measure_fairness_gap(
    name: FairnessMetric, truth: Truth, predictions: Predictions, groups: Sequence[str], *, min_rows: int
) -> FairnessGap | None:
    """Return the fairness gap between groups of n rows; `groups` [n] is each row's group, and class 1 counts as selected.

    The demographic parity difference is the largest minus the smallest selection rate. The equalized odds difference is
    the larger of that difference in true-positive rates and in false-positive rates (M. Hardt, E. Price, N. Srebro,
    NeurIPS 2016). Groups with fewer than `min_rows` rows are skipped; a true-positive or false-positive rate also skips
    groups with fewer than MIN_RATE_ROWS positives or negatives. Returns None when a rate has fewer than two groups left,
    because the other rate alone could hide a gap.

    The upper limit is the largest of all pairs' limits at the same probability, because the gap is small only if every
    pair's difference is small (intersection-union test: R. L. Berger, Technometrics 24 (1982) 295-300). The lower limit
    is the largest of all pairs' limits at that probability divided by the number of ordered pairs of all rates
    (Bonferroni), because one large difference is enough. The limits of a pair are Newcombe's (see `_pairwise_limits`).
    """
    names, at = np.unique(format_slice_values(groups).astype(str), return_inverse=True)
    large = _independent_rows_by_group(truth, at, len(names)) >= min_rows
    rates = [_measure_rate(one, truth, predictions, at, large) for one in _METRIC_RATES[name]]
    if any(len(rate.groups) < 2 for rate in rates):
        return None
    widest = max(rates, key=lambda rate: rate.gap)  # the first one when gaps are equal
    counted = set.intersection(*(set(rate.groups.tolist()) for rate in rates))
    return FairnessGap(
        Estimate(widest.gap, _gap_bound(rates)),
        widest.name,
        str(names[widest.groups[np.argmax(widest.shares)]]),
        str(names[widest.groups[np.argmin(widest.shares)]]),
        tuple(str(group) for index, group in enumerate(names) if index not in counted),
    )


@dataclass(frozen=True)
class _Rate:
    """A rate by group: `groups` [k] are indices of the groups with enough rows, `shares` [k] their rates, `rows` [k] their sizes."""

    name: RateName
    groups: Ints
    shares: Floats
    rows: Floats

    @property
    def gap(self) -> float:
        return float(self.shares.max() - self.shares.min())


_METRIC_RATES: Mapping[FairnessMetric, tuple[RateName, ...]] = {
    "demographic-parity-difference": ("selection",),
    "equalized-odds-difference": ("true-positive", "false-positive"),
}
_RATE_DENOMINATORS: Mapping[RateName, Callable[[Truth], _RowMask | None]] = {
    "selection": lambda _: None,
    "true-positive": lambda truth: require_part(truth.labels) == 1,
    "false-positive": lambda truth: require_part(truth.labels) == 0,
}


def _measure_rate(name: RateName, truth: Truth, predictions: Predictions, at: Ints, large: _RowMask) -> _Rate:
    """Return a rate by group; with weighted or dependent rows, `rows` are the effective sample sizes."""
    selected, among = require_part(predictions.labels) == 1, _RATE_DENOMINATORS[name](truth)
    if among is not None:
        truth, selected, at = truth.select_rows(among), selected[among], at[among]
    mass, hits = (
        np.bincount(at[which], truth.weights_or_ones[which], len(large)) for which in (np.full(len(at), True), selected)
    )
    rows = _independent_rows_by_group(truth, at, len(large))
    groups = np.flatnonzero(large & (rows >= (1 if among is None else MIN_RATE_ROWS)))
    shares = hits[groups] / mass[groups]
    if not truth.has_equal_independent_rows:
        effective = [
            _effective_sample_size(truth, at == index, selected, share)
            for index, share in zip(groups, shares, strict=True)
        ]
        rows[groups] = np.minimum(rows[groups], effective)
    return _Rate(name, groups, shares, rows[groups])


def _effective_sample_size(truth: Truth, which: _RowMask, selected: _RowMask, share: float) -> float:
    """Return the number of equal, independent rows whose share has the same variance as this weighted share.

    It is lower than the effective sample size of the weights when weights correlate with the selection.
    """
    part = truth.select_rows(which)
    variance = float(
        (sum_by_group(part.weights_or_ones * (selected[which] - share) / part.weights_or_ones.sum(), part) ** 2).sum()
    )
    return share * (1 - share) / variance if variance else math.inf


def _independent_rows_by_group(truth: Truth, at: Ints, groups: int) -> Floats:
    """Return the effective sample size of each group, [groups]."""
    if truth.has_equal_independent_rows:
        return np.bincount(at, minlength=groups).astype(np.float64)
    return np.array([truth.effective_sample_size(at == index) for index in range(groups)])


def _gap_bound(rates: Sequence[_Rate]) -> Bound:
    pairs = sum(len(rate.groups) * (len(rate.groups) - 1) for rate in rates)

    def bound(p: float) -> float:
        level = p if p >= 0.5 else p / pairs
        return max(0.0, *(float(limits.max()) for limits in _pairwise_limits(rates, level)))

    return bound


def _pairwise_limits(rates: Sequence[_Rate], p: float) -> Iterator[Floats]:
    """Yield, for each rate, the limits at p of the differences of all pairs of groups, [k, k], with -1 on the diagonal.

    R. G. Newcombe, Statistics in Medicine 17 (1998) 873-890, method 10: the squared distances of Wilson's limits add up.
    """
    for rate in rates:
        sides = [
            wilson_bound(share, rows) for share, rows in zip(rate.shares.tolist(), rate.rows.tolist(), strict=True)
        ]
        towards = np.array([side(p) for side in sides]) - rate.shares
        away = np.array([side(1 - p) for side in sides]) - rate.shares
        width = np.hypot(towards[:, None], away[None, :])
        limits = rate.shares[:, None] - rate.shares[None, :] + (width if p >= 0.5 else -width)
        np.fill_diagonal(limits, -1.0)
        yield limits
