"""Simulates tables with and without copied rows, and counts how often the search for leaks reports copies.

Independent rows have measurements that are rounded to 2 to 6 decimals and depend on each other, a category, and a target that
depends on them. Repeated entities have features that do not change from row to row, and a target that does, with a
probability of the entity's own. Copies are rows that are appended again under new keys.
"""

# ruff: noqa: S608  SQL contains only names and numbers of this file
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from mlops_ci.data.column_types import column_sql
from mlops_ci.data.engines.duckdb import Table
from mlops_ci.data.leakage import MATTERING_COPY_SHARE, find_leaks
from mlops_ci.evaluation.simulation.trials import TrialCounts
from mlops_ci.spec.spec_types import DatasetSpec, SourceSpec

LEAK_TABLE_ROWS = (500, 5_000, 50_000)
_HOLDOUT_SHARE = 0.2
_SPEC = DatasetSpec(SourceSpec("parquet", "simulated.parquet"), key=("id",))
_TYPES = {"f": "number", "i": "integer"}
_Columns = dict[str, Any]
LeakPopulation = Literal["independent", "entities", "whole table", "part"]
_COPIED = ("whole table", "part")
_SETTINGS: Mapping[LeakPopulation, str] = {
    "independent": "independent rows, 2 to 6 decimals",
    "entities": "repeated entities",
    "whole table": "whole table appended",
    "part": "a tenth to a half appended",
}


@dataclass(frozen=True)
class LeakClaim:
    """The share of simulated tables that are refused for copies: at most `limit`, or at least `limit` where rows are copied."""

    setting: str
    rows: int
    limit: float
    population: LeakPopulation

    @property
    def has_copies(self) -> bool:
        """Whether rows of the tables are copied."""
        return self.population in _COPIED


def leak_claims() -> tuple[LeakClaim, ...]:
    """Return the claims about copies, in the order of the table."""
    return tuple(
        LeakClaim(_SETTINGS[population], rows, 0.99 if population in _COPIED else 0.01, population)
        for population in _SETTINGS
        for rows in LEAK_TABLE_ROWS
    )


def run_leak_trials(claim: LeakClaim, seed: Sequence[int], trials: int) -> TrialCounts:
    """Return in how many tables copies are an error, and in how many the naive rule, any equal row, finds them."""
    refused = any_equal = 0
    for stream in np.random.SeedSequence(seed).spawn(trials):
        random = np.random.default_rng(stream)
        columns = _draw_table(claim, random)
        found = _find_leaks(columns, random)
        held = int(len(columns["y"]) * _HOLDOUT_SHARE)
        refused += found.copies >= max(1.0, MATTERING_COPY_SHARE * held)
        any_equal += found.rows_with_equal_content > 0
    return TrialCounts(trials, (refused,), (any_equal,), ())


def _draw_table(claim: LeakClaim, random: np.random.Generator) -> _Columns:
    if claim.population == "entities":
        return _draw_entities(random, claim.rows)
    if not claim.has_copies:
        return _draw_rows(random, claim.rows, int(random.integers(1, 5)))
    share = 1.0 if claim.population == "whole table" else float(random.uniform(0.1, 0.5))
    rows = int(claim.rows / (1 + share))
    columns = _draw_rows(random, rows, int(random.integers(3, 7)))
    return {name: np.concatenate([values, values[rows - int(rows * share) :]]) for name, values in columns.items()}


def _draw_rows(random: np.random.Generator, rows: int, measurements: int) -> _Columns:
    shared, decimals = random.normal(size=(rows, 1)), int(random.integers(2, 7))
    weight = random.uniform(0, 0.9)
    values = np.sqrt(weight) * shared + np.sqrt(1 - weight) * random.normal(size=(rows, measurements))
    if random.random() < 0.3:  # prices, durations and other skewed values
        values = np.exp(values)
    slope, middle = random.uniform(0, 4), random.uniform(-3, 1)
    return {
        **{f"x{at}": np.round(values[:, at], decimals) for at in range(measurements)},
        "c": random.integers(0, 3, rows),
        "y": _draw_labels(random, 1 / (1 + np.exp(-slope * values[:, 0] - middle))),
    }


def _draw_entities(random: np.random.Generator, rows: int) -> _Columns:
    each = int(random.integers(2, 13))  # rows of each entity, or of each on average
    entities = max(rows // each, 2)
    which = np.repeat(np.arange(entities), each) if random.random() < 0.5 else random.integers(0, entities, rows)
    income = np.round(random.lognormal(10, 0.5, entities), 2)
    age, region = random.integers(18, 90, entities), random.integers(0, 8, entities)
    certainty = random.uniform(0.5, 5)  # the lower, the more alike are the labels of one entity
    share = random.beta(certainty, certainty * random.uniform(1, 5), entities)
    return {
        "income": income[which],
        "age": age[which],
        "region": region[which],
        "y": _draw_labels(random, share[which]),
    }


def _draw_labels(random: np.random.Generator, probabilities: Any) -> Any:
    return (random.random(len(probabilities)) < probabilities).astype(np.int64)


def _find_leaks(columns: _Columns, random: np.random.Generator) -> Any:
    import duckdb
    import pyarrow as pa

    rows = len(columns["y"])
    named = {"id": random.permutation(rows), **columns}
    types = {name: _TYPES[values.dtype.kind] for name, values in named.items()}
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("drawn", pa.table(named))
        connection.execute(
            f"CREATE TABLE cells AS SELECT {', '.join(f'{name} AS {column_sql(name)}' for name in named)} FROM drawn"
        )
        condition = f"({column_sql('id')} < {rows * _HOLDOUT_SHARE})"
        return find_leaks(Table(connection, types), _SPEC, condition)
