"""Slices and the size of a holdout, as text."""

from __future__ import annotations

from mlops_ci.evaluation.stats.evidence import Evidence

Slice = tuple[str, ...]  # a column and a value of it, as text; or the name of a condition


def rows_of(evidence: Evidence) -> str:
    """Say how many rows there are, and what they are worth."""
    worth = "" if evidence.units is None else f", worth {evidence.units:,} independent ones"
    return f"the holdout has {evidence.rows:,} rows{worth}"


def slice_name(slice_: Slice) -> str:
    """Write a slice as people read it."""
    return "=".join(slice_)
