"""Metadata of the holdout rows beside their labels, by the candidate's rules: weights, dependence, slices, groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlops_ci.core.errors import Findings
from mlops_ci.data.row_rules import parse_duration, pluralize
from mlops_ci.evaluation.candidates.candidate import Candidate
from mlops_ci.evaluation.candidates.columns import slice_columns
from mlops_ci.evaluation.verdict.alignment import RowMetadata
from mlops_ci.evaluation.verdict.slice_masks import condition_mask
from mlops_ci.spec.condition_tree import ConditionError
from mlops_ci.spec.slice_conditions import parse_condition
from mlops_ci.training.golden import personal_inputs
from mlops_ci.training.predictions import Floats, Ints


def row_metadata(candidate: Candidate, table: Any) -> RowMetadata:
    """Return the metadata of the n rows of a pyarrow table: weights, groups of dependent rows, slices, fairness columns.

    Raises Findings `weights-invalid`, `slice-condition-invalid` or `blocks-time-type` when the rows do not fit the rules.
    """
    rules = candidate.rules

    def values(name: str) -> Any:
        column = distinct_values(table[name])
        is_shown = name in candidate.model.spec.release.personal or not personal_inputs((name,), candidate.dataset.spec)
        return column if is_shown else _number_values(column)

    return RowMetadata(
        weights=row_weights(candidate, table),
        groups=dependence_groups(candidate, table),
        slices={name: values(name) for name in slice_columns(rules)},
        conditions=dict(_condition_masks(candidate, table)),
        fairness_columns={one.by: values(one.by) for one in candidate.requirements if one.by is not None},
    )


def distinct_values(column: Any) -> Any:
    """Return a pyarrow column's values, [n], so that different values stay different: a missing one is None or NaN.

    numpy makes floats of integers if one is missing, and has no text for nanoseconds.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_integer(column.type) and column.null_count:
        return np.array(column.to_pylist(), dtype=object)
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        texts = pc.replace_substring_regex(pc.cast(column, pa.string()), r"\.?0+$", "")
        whole = pc.cast(pc.cast(column, pa.timestamp("s"), safe=False), pa.string())
        return pc.if_else(pc.match_substring(texts, "."), texts, whole).to_numpy()
    return column.to_numpy()


def _number_values(column: Any) -> Any:
    """Return a personal column's values as `*** 1`, `*** 2`, ... in their order, [n]; a missing value stays missing."""
    values = column.tolist()
    present = sorted({value for value in values if value is not None and value == value})
    names = {value: f"*** {at}" for at, value in enumerate(present, 1)}
    return np.array([names.get(value) if value == value else None for value in values], dtype=object)


def _condition_masks(candidate: Candidate, table: Any) -> Sequence[tuple[str, Any]]:
    masks = []
    for index, one in enumerate(candidate.rules.evaluate.slices):
        if isinstance(one, str):
            continue
        try:
            masks.append((one.name, condition_mask(parse_condition(one.where), table)))
        except ConditionError as error:
            raise Findings.of(
                "slice-condition-invalid",
                f"the condition of the slice '{one.name}' does not fit these data: {error.message}",
                location=candidate.model.locate("spec", "evaluate", "slices", index),
                help="compare each column with values of the column's own type",
            ) from error
    return masks


def row_weights(candidate: Candidate, table: Any) -> Floats | None:
    """Return the rows' weights [n]; None when all rows count equally.

    Raises Findings `weights-invalid` when a weight is missing, negative or not finite, or when all weights are 0.
    """
    name = candidate.rules.evaluate.weights
    if name is None:
        return None
    try:
        weights: Floats = table[name].to_numpy(zero_copy_only=False).astype(np.float64)
    except (ValueError, TypeError):
        weights = np.full(table.num_rows, np.nan)
    bad = ~(np.isfinite(weights) & (weights >= 0))
    if bad.any() or not weights.any():
        invalid = int(bad.sum())
        verb = "has" if invalid == 1 else "have"
        what = f"{pluralize(invalid, 'holdout row')} {verb} no valid weight" if invalid else "all weights are 0"
        raise Findings.of(
            "weights-invalid",
            f"the column '{name}' cannot be used as weights: {what}",
            location=candidate.model.locate("spec", "evaluate", "weights"),
            help="each weight must be a finite number of at least 0, and no weight may be missing",
        )
    return weights


def dependence_groups(candidate: Candidate, table: Any) -> Ints | None:
    """Return a group number for each row, [n]: dependent rows share a number; a row with a missing group is a group alone.

    None when the dataset has neither `blocks` nor `group`. Raises Findings `blocks-time-type` when the time column has
    no dates or timestamps.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    by = candidate.rules.dependence
    if by.blocks and by.time:
        try:
            moments = pc.cast(pc.cast(table[by.time], "timestamp[us]", safe=False), "int64")
        except pa.ArrowException as error:
            raise Findings.of(
                "blocks-time-type",
                f"the time column '{by.time}' has the type {table[by.time].type}, which cannot be divided into blocks of {by.blocks}",
                location=candidate.dataset.locate("spec", "blocks"),
                help="set the dataset's `time` to a column of dates or timestamps",
            ) from error
        column = pc.divide(moments, int(parse_duration(by.blocks).total_seconds() * 1_000_000))
    elif by.group:
        column = table[by.group]
    else:
        return None
    codes = column.combine_chunks().dictionary_encode().indices
    missing = codes.is_null().to_numpy(zero_copy_only=False)
    numbers: Ints = codes.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    return np.where(missing, numbers.max(initial=0) + 1 + np.arange(len(numbers)), numbers)
