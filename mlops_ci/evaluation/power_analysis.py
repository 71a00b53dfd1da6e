"""Power analysis: the smallest difference that the gate can detect with today's holdout, known before any training.

The analysis takes the variation between two models from the last release that was tested against a champion. Before such a
release exists, it assumes the variation of the simulated models of `selftest`.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlops_ci.core.records.comparison import Comparison
from mlops_ci.core.records.events import Release
from mlops_ci.core.results.power import ModelPower, PowerBasis, RequirementPower
from mlops_ci.data.split import SplitSource, write_split_files
from mlops_ci.evaluation.base_branch_rules import BaseBranch
from mlops_ci.evaluation.candidates.candidate import Candidate
from mlops_ci.evaluation.candidates.columns import required_columns
from mlops_ci.evaluation.candidates.opponents import find_champion
from mlops_ci.evaluation.holdout.row_metadata import dependence_groups, row_weights
from mlops_ci.evaluation.holdout.sealed import open_candidate
from mlops_ci.evaluation.simulation.claims import CHAMPION_QUALITY, MODEL_DISAGREEMENT, SHARED_ERROR_VARIANCE
from mlops_ci.evaluation.simulation.populations import (
    ClassifierPopulation,
    Population,
    RegressorPopulation,
    find_correlation,
    find_separation,
)
from mlops_ci.evaluation.stats.alpha_spending import level_per_test
from mlops_ci.evaluation.stats.evidence import measure_evidence, whole_rows
from mlops_ci.evaluation.stats.power import TARGET_POWER
from mlops_ci.registry import run_store
from mlops_ci.registry.state import ModelState, RegistryState
from mlops_ci.repository.context import Project
from mlops_ci.spec.metrics import METRIC_DEFINITIONS
from mlops_ci.spec.positive_class import positive_class
from mlops_ci.spec.requirement_text import requirement_terms
from mlops_ci.spec.spec_types import ModelSpec, Requirement, Task
from mlops_ci.training.predictions import Truth

SIMULATED_ROWS = 4_000  # enough for two digits of a standard error, and few enough for the bootstrap
_SEED = 20_261_125
# metrics that need only rows and predictions; the others need costs, a quantile or k
SIMULATED_METRICS = frozenset(METRIC_DEFINITIONS) - {"cost", "pinball-loss", "quantile-coverage", "top-k-accuracy"}
# the unit of these metrics depends on the data, so the difference is a share of the champion's value
_RELATIVE_METRICS = ("rmse", "mae", "mape", "log-loss", "brier")


def analyse_power(project: Project, name: str, registry: RegistryState, base: BaseBranch | None = None) -> ModelPower:
    """Return the differences that a model's gate can detect with today's holdout.

    Raises Findings when a check of the data fails.
    """
    with open_candidate(project, name, base) as candidate:
        shares, effective_rows = _measure_holdout(project, candidate)
    spec, rows = candidate.model.spec, candidate.sides.split.holdout_rows
    alpha = level_per_test(1 - candidate.rules.gate.confidence, candidate.holdout_budget or 1)
    comparison = _last_comparison(project, registry.model(name))
    known = _measured_standard_errors(comparison) if comparison else {}
    powers = [
        _requirement_power(requirement, (rows, effective_rows or rows), alpha, known, spec, shares)
        for requirement in candidate.requirements
        if _is_foreseeable(requirement.metric)
    ]
    rarest = min(shares.values(), default=None)
    return ModelPower(
        name, rows, None if rarest is None else round(rarest * rows), alpha, TARGET_POWER, tuple(powers), effective_rows
    )


def _is_foreseeable(metric: str) -> bool:
    return metric not in METRIC_DEFINITIONS or not (
        METRIC_DEFINITIONS[metric].is_operational or METRIC_DEFINITIONS[metric].compares_groups
    )


def _requirement_power(
    requirement: Requirement,
    rows: tuple[int, int],
    alpha: float,
    known: Mapping[str, float],
    model: ModelSpec,
    shares: Mapping[Any, float],
) -> RequirementPower:
    metric, against = requirement.metric, requirement.against is not None
    terms = requirement_terms(requirement)
    error = known.get(metric) if against else None
    basis: PowerBasis = "the last release"
    if error is None:
        error, basis = (
            _assumed_standard_error(metric, model.task, shares, model.positive, against=against),
            "assumption",
        )
    if error is None:
        return RequirementPower(terms, None, "not known before the first release")
    # a measured error already includes the dependence between rows; an assumed error is for independent rows
    smallest = _detection_factor(alpha) * error / math.sqrt(rows[basis == "assumption"])
    return RequirementPower(terms, smallest, basis, basis == "assumption" and metric in _RELATIVE_METRICS)


def _detection_factor(alpha: float) -> float:
    from scipy.special import ndtri

    return -float(ndtri(alpha)) + float(ndtri(TARGET_POWER))


def _last_comparison(project: Project, state: ModelState) -> Comparison | None:
    """Return the comparison of the champion's release; None without a champion, or when its run cannot be fetched."""
    context, environment = project.context, project.specs.project.spec.champion_environment
    repo = context.repo
    champion = find_champion(state, environment, offline=context.offline)
    if champion is None or repo is None or not isinstance(champion.record, Release):
        return None
    stored = run_store.find_run(repo, run_store.release_ref(state.model, champion.version), fetch=True)
    return run_store.read_record(repo, stored, "comparison.json", Comparison) if stored else None


def _measured_standard_errors(comparison: Comparison) -> dict[str, float]:
    """Return, by metric, the standard error of a difference scaled to one row, from the intervals of a comparison."""
    from scipy.special import ndtri

    errors = {}
    for one in comparison.requirements:
        if one.difference is not None and one.lower is not None and one.upper is not None and one.slice is None:
            error = (one.upper - one.lower) / (2 * float(ndtri(comparison.confidence)))
            errors[one.requirement.metric] = error * math.sqrt(comparison.holdout_rows)
    return {metric: error for metric, error in errors.items() if error > 0}


def _assumed_standard_error(
    metric: str, task: Task, shares: Mapping[Any, float], positive: str | int | bool | None = None, *, against: bool
) -> float | None:
    """Return the standard error scaled to one row, of a difference (`against`) or of one value, from simulated models."""
    from scipy.special import ndtri

    population = _simulated_population(task, shares, positive) if metric in SIMULATED_METRICS else None
    if population is None:
        return math.sqrt(MODEL_DISAGREEMENT) if metric == "accuracy" else None
    drawn = population.draw(np.random.default_rng(_SEED), SIMULATED_ROWS)
    evidence = measure_evidence([metric], drawn.truth, *drawn.models, seed=_SEED)
    if metric not in evidence.differences:
        return None
    bound = evidence.differences[metric].bound if against else evidence.candidate[metric].bound
    if bound is None:
        return None
    error = (bound(0.95) - bound(0.05)) / (2 * float(ndtri(0.95))) * math.sqrt(SIMULATED_ROWS)
    return error / evidence.champion[metric].value if metric in _RELATIVE_METRICS else error


def _simulated_population(
    task: Task, shares: Mapping[Any, float], positive: str | int | bool | None
) -> Population | None:
    if task == "regression":
        return RegressorPopulation((1.0, 1.0), SHARED_ERROR_VARIANCE)
    if task == "multiclass-classification":
        return None
    at = find_separation("accuracy", CHAMPION_QUALITY)
    # recall, precision and f1 are about this class; without its rows in the holdout, any share is a guess
    share = shares.get(positive_class(list(shares), positive), min(shares.values()))
    return ClassifierPopulation(share, (at, at), find_correlation((at, at), MODEL_DISAGREEMENT))


def _measure_holdout(project: Project, candidate: Candidate) -> tuple[dict[Any, float], int | None]:
    """Return each class's share of the holdout, and the effective sample size when rows are weighted or dependent."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    context, target = project.context, candidate.model.spec.target
    columns = tuple(required_columns(candidate.rules))
    with tempfile.TemporaryDirectory(dir=context.scratch) as folder:
        files = candidate.snapshot.files
        source = SplitSource(context.root, candidate.dataset_by_rules, files, candidate.sealed_holdout)
        sides = write_split_files(source, columns, target, Path(folder), sides=("holdout",))
        with pq.ParquetFile(sides.holdout) as file:
            table = file.read()
    truth = Truth(
        np.zeros(table.num_rows), weights=row_weights(candidate, table), groups=dependence_groups(candidate, table)
    )
    effective_rows = None if truth.has_equal_independent_rows else whole_rows(truth.effective_sample_size())
    if candidate.model.spec.task == "regression":
        return {}, effective_rows
    counts = pc.value_counts(table.column(target)).to_pylist()
    total = sum(one["counts"] for one in counts)
    return {one["values"]: one["counts"] / total for one in counts}, effective_rows
