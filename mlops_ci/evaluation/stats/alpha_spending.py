"""How much of the error probability one question to a holdout may cost, when many are asked of the same rows.

By Bonferroni: whatever is promoted after `budget` questions, the probability that any of them was a false promotion is
at most alpha. Measured in docs/gate.md: this keeps a champion's reported value honest, where tests at the full level do not.
"""

from __future__ import annotations


def level_per_test(alpha: float, budget: int) -> float:
    """Return the level of one test among `budget` of them on one holdout."""
    return alpha / budget
