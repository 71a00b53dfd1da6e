"""Holm's correction for many tests at once (S. Holm, Scandinavian Journal of Statistics 6 (1979) 65-70)."""

from __future__ import annotations

from collections.abc import Sequence


def adjust_p_values(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return the adjusted p-values in the given order; rejecting those up to alpha keeps the family-wise error at alpha."""
    count = len(p_values)
    adjusted = [1.0] * count
    largest = 0.0
    for place, index in enumerate(sorted(range(count), key=lambda index: p_values[index])):
        largest = max(largest, min((count - place) * p_values[index], 1.0))
        adjusted[index] = largest
    return tuple(adjusted)
