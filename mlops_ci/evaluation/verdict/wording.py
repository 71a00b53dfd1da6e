"""Slices and the size of a holdout, as text."""

from __future__ import annotations

from mlops_ci.evaluation.stats.evidence import MetricEvidence

Slice = tuple[str, ...]  # a column and a value of it, as text; or the name of a condition


def describe_rows(evidence: MetricEvidence) -> str:
    """Say how many rows there are, and what they are worth."""
    worth = (
        "" if evidence.effective_sample_size is None else f", worth {evidence.effective_sample_size:,} independent ones"
    )
    return f"the holdout has {evidence.rows:,} rows{worth}"


def slice_name(slice_: Slice) -> str:
    """Write a slice as people read it."""
    return "=".join(slice_)
