"""Texts for a slice's name and for the size of a holdout."""

from __future__ import annotations

from mlops_ci.evaluation.stats.evidence import MetricEvidence

Slice = tuple[str, ...]  # (column, value as text), or (name of a condition,)


def describe_rows(evidence: MetricEvidence) -> str:
    """Return a sentence with the number of rows and, for dependent or weighted rows, their effective sample size."""
    effective = (
        ""
        if evidence.effective_sample_size is None
        else f", equivalent to {evidence.effective_sample_size:,} independent rows"
    )
    return f"the holdout has {evidence.rows:,} rows{effective}"


def slice_name(slice_: Slice) -> str:
    """Return a slice as text: `column=value`, or the condition's name."""
    return "=".join(slice_)
