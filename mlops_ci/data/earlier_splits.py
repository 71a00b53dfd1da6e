"""Splits of older models: what they prove about the rows of a dataset today."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlops_ci.core.records.training_run import Split
from mlops_ci.spec.spec_types import DatasetSpec


@dataclass(frozen=True)
class EarlierSplit:
    """The split of an older model, and the columns of its split key (none: all columns)."""

    split: Split
    key: tuple[str, ...]


def split_key(spec: DatasetSpec) -> tuple[str, ...]:
    """Return the columns whose values a split by key-hash uses; none means all columns."""
    return (spec.group,) if spec.group else spec.key


def has_same_holdout(spec: DatasetSpec, today: Split, earlier: EarlierSplit) -> bool:
    """Return whether the splits alone prove that every row of today's holdout was also in the earlier holdout."""
    then = earlier.split
    if (then.by, then.epoch, then.fraction) != (today.by, today.epoch, today.fraction):
        return False
    if then.by == "time":
        return (
            then.cutoff is None
        )  # a run of an earlier version of mlops-ci: its training rows are assumed older than today's holdout
    if then.by == "sealed":
        return True
    return then.by == "key-hash" and earlier.key == split_key(spec) and bool(earlier.key)


def untraceable_reason(types: Mapping[str, str], earlier: EarlierSplit, *, same_columns: bool) -> str | None:
    """Return the reason why an older model's training rows cannot be determined, or None when they can.

    `types` are today's columns with their types. `same_columns`: the older model's data had the same columns.
    """
    then = earlier.split
    if then.by == "time" and (then.time is None or then.cutoff is None):
        return "the run of that version does not record the time at which its holdout begins"
    if then.by == "key-hash" and not earlier.key and not same_columns:
        return "the split of that version was computed from whole rows, and the rows have other columns now"
    needed = earlier.key if then.by == "key-hash" else (then.time or "",)
    if missing := [name for name in needed if name not in types]:
        return f"the split of that version used {', '.join(missing)}, which the data no longer have"
    if then.by in ("key-hash", "time"):
        return None
    return f"the split of that version is of type '{then.by}', which cannot be computed again on the current data"
