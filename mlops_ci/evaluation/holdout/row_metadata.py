"""What is known of held-out rows beside their labels, by the candidate's rules: weights, dependence, slices, groups."""

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
from mlops_ci.training.predictions import Floats, Ints


def row_metadata(candidate: Candidate, table: Any) -> RowMetadata:
    """Return what is known of the rows of a table beside their labels: weights, groups, slices, parts.

    Raises Findings for weights, conditions or times that the rows do not fit.
    """
    rules = candidate.rules
    return RowMetadata(
        weights=row_weights(candidate, table),
        groups=dependence_groups(candidate, table),
        slices={name: table[name].to_numpy() for name in slice_columns(rules)},
        conditions=dict(_condition_masks(candidate, table)),
        fairness_columns={one.by: table[one.by].to_numpy() for one in candidate.requirements if one.by is not None},
    )


def _condition_masks(candidate: Candidate, table: Any) -> Sequence[tuple[str, Any]]:
    found = []
    for index, one in enumerate(candidate.rules.evaluate.slices):
        if isinstance(one, str):
            continue
        try:
            found.append((one.name, condition_mask(parse_condition(one.where), table)))
        except ConditionError as error:
            raise Findings.of(
                "slice-condition-invalid",
                f"the slice '{one.name}' cannot be cut from these data: {error.message}",
                location=candidate.model.locate("spec", "evaluate", "slices", index),
                help="compare columns with values of their own type",
            ) from error
    return found


def row_weights(candidate: Candidate, table: Any) -> Floats | None:
    """Return how much each row counts, [n]; None: all the same. Raises Findings for values that are no weights."""
    name = candidate.rules.evaluate.weights
    if name is None:
        return None
    try:
        weights: Floats = table[name].to_numpy(zero_copy_only=False).astype(np.float64)
    except (ValueError, TypeError):
        weights = np.full(table.num_rows, np.nan)
    bad = ~(np.isfinite(weights) & (weights >= 0))
    if bad.any() or not weights.any():
        none = int(bad.sum())
        what = (
            f"{pluralize(none, 'row')} of the holdout {'has' if none == 1 else 'have'} none"
            if none
            else "all of them are 0"
        )
        raise Findings.of(
            "weights-invalid",
            f"'{name}' cannot be the rows' weights: {what}",
            location=candidate.model.locate("spec", "evaluate", "weights"),
            help="weights are finite numbers, at least 0, and never missing",
        )
    return weights


def dependence_groups(candidate: Candidate, table: Any) -> Ints | None:
    """Return a number for each row, [n]: rows that depend on each other share one; without a group a row has its own."""
    import pyarrow as pa
    import pyarrow.compute as pc

    by = candidate.rules.dependence
    if by.blocks and by.time:
        try:
            moments = pc.cast(pc.cast(table[by.time], "timestamp[us]"), "int64")
        except pa.ArrowException as error:
            raise Findings.of(
                "blocks-time-type",
                f"'{by.time}' is {table[by.time].type}, which cannot be cut into blocks of {by.blocks}",
                location=candidate.dataset.locate("spec", "blocks"),
                help="name a column of dates or timestamps as the dataset's `time`",
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
