"""The share of the error probability that one evaluation gets when many evaluations use the same holdout.

By Bonferroni's inequality, the probability of any false promotion in `budget` evaluations is at most alpha. docs/gate.md
has measurements: with this level a champion's reported value is hardly overstated; with the full level it is.
"""

from __future__ import annotations


def level_per_test(alpha: float, budget: int) -> float:
    """Return the level of one test among `budget` of them on one holdout."""
    return alpha / budget
