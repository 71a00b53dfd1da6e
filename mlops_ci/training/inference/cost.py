"""Measures the costs of packaged models: time and memory in worker processes, size and training from the records."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.training.inference.scoring import PackagedModel, copy_model_for_worker, process_groups
from mlops_ci.training.withheld import withhold_output, withhold_texts
from mlops_ci.training.workers import protocol, untrusted_files
from mlops_ci.training.workers.protocol import ModelCosts

_MEASURER = "mlops_ci.training.workers.measure"
RUNTIME_METRICS = (
    *("latency-p50-ms", "latency-p95-ms", "batch-latency-p50-ms", "batch-latency-p95-ms"),
    "peak-memory-mb",
)


def measure_costs(
    models: Sequence[PackagedModel],
    features: Path,
    wanted: Collection[str],
    *,
    scratch: Path,
    cost_per_hour: float | None = None,
) -> tuple[ModelCosts, ...]:
    """Return the costs of each model by the operational metrics among `wanted`, in the order of `models`.

    Models that consist of library code alone are timed in turns in one process, on the rows of the parquet file
    `features`, so that other load on the machine affects all of them. Each other model is then timed in its own process.
    A model that fails has a diagnostic and no values from running; this does not affect the other models. Raises
    Findings when a model file is not the recorded one.
    """
    running = tuple(name for name in RUNTIME_METRICS if name in wanted)
    measured: dict[int, ModelCosts] = {}
    for group in process_groups(models) if running else []:
        scratch.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="measure-", dir=scratch)).resolve()
        measured |= dict(
            zip(
                group,
                _run_measure_worker([models[at] for at in group], features, running, folder),
                strict=True,
            )
        )
    return tuple(
        ModelCosts(model.name, {**recorded_costs(model, wanted, cost_per_hour), **ran.values}, ran.diagnostics)
        for at, model in enumerate(models)
        for ran in [measured.get(at, ModelCosts(model.name))]
    )


def external_costs(
    reported: ModelCosts, model: PackagedModel, wanted: Collection[str], cost_per_hour: float | None
) -> ModelCosts:
    """Return the costs of a model that ran in another place: `reported` from there, and the others from the records."""
    return _validate_costs(
        reported,
        tuple(name for name in RUNTIME_METRICS if name in wanted),
        recorded_costs(model, wanted, cost_per_hour),
    )


def recorded_costs(model: PackagedModel, wanted: Collection[str], cost_per_hour: float | None) -> Mapping[str, float]:
    """Return the costs of a model that need no run, by metric: the size of its file, and its training time and cost."""
    values = {"model-size-mb": model.model.stat().st_size / 1e6}
    if model.seconds is not None:
        values["training-seconds"] = model.seconds
        if cost_per_hour is not None:
            values["training-cost"] = model.seconds / 3600 * cost_per_hour
    return {name: value for name, value in values.items() if name in wanted}


def _run_measure_worker(
    models: Sequence[PackagedModel], features: Path, metrics: tuple[str, ...], folder: Path
) -> Iterator[ModelCosts]:
    rows_here = folder / "features.parquet"
    untrusted_files.copy_untrusted_file(features, rows_here)
    items = tuple(copy_model_for_worker(model, folder / f"{at}-{model.model.name}") for at, model in enumerate(models))
    ended = protocol.run_worker(_MEASURER, protocol.MeasureJob(str(rows_here), items, metrics), folder)
    is_personal = any(model.is_personal for model in models)
    ended = withhold_output(ended) if is_personal else ended
    answer = protocol.read_answer(protocol.MeasureAnswer, folder)
    names = [model.name for model in models]
    if answer is None or [one.name for one in answer.costs] != names:
        how = "took too long" if ended.timed_out else f"ended with exit code {ended.returncode}"
        message = f"the measurement of {' and '.join(names)} {how} and gave no result"
        why = Diagnostic("measure-failed", message, help=protocol.as_quote(ended.tail) or None)
        yield from (ModelCosts(name, diagnostics=(why,)) for name in names)
        return
    for one in answer.costs:
        costs = _validate_costs(one, metrics, {})
        yield replace(costs, diagnostics=withhold_texts(costs.diagnostics)) if is_personal else costs


def _validate_costs(one: ModelCosts, metrics: tuple[str, ...], beside: Mapping[str, float]) -> ModelCosts:
    values = {name: value for name in metrics if _is_cost(value := one.values.get(name, math.nan))}
    errors = protocol.printable_errors(one.diagnostics)
    if missing := [name for name in metrics if name not in values and not errors]:
        errors = (
            Diagnostic("measure-failed", f"the measurement of {one.name} gave no value of {' or '.join(missing)}"),
        )
    return ModelCosts(one.name, {**beside, **values}, errors)


def _is_cost(value: float) -> bool:
    """Return whether a number from a worker is a valid cost. The worker may have run a candidate's code."""
    return math.isfinite(value) and value >= 0
