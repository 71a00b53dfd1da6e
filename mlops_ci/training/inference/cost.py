"""Measure what packaged models cost: time and memory in processes of their own, size and training by the records."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.training.inference.scoring import PackagedModel, copy_model_for_worker, process_groups
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
    timeout: float | None = None,
) -> tuple[ModelCosts, ...]:
    """Return what each model costs by the metrics of operation among `wanted`, in the order of `models`.

    Models of library code alone are timed in turns in one process, on the rows of the parquet file `features`, so that
    what else the machine does meets all of them; each of the others in a process of its own, after those. A model that
    fails lacks the values of running it, and has a diagnostic; the others have theirs. Raises Findings when a file is not
    the one that was recorded.
    """
    running = tuple(name for name in RUNTIME_METRICS if name in wanted)
    found: dict[int, ModelCosts] = {}
    for group in process_groups(models) if running else []:
        scratch.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="measure-", dir=scratch)).resolve()
        found |= dict(
            zip(
                group,
                _run_measure_worker([models[at] for at in group], features, running, folder, timeout),
                strict=True,
            )
        )
    return tuple(
        ModelCosts(model.name, {**recorded_costs(model, wanted, cost_per_hour), **ran.values}, ran.diagnostics)
        for at, model in enumerate(models)
        for ran in [found.get(at, ModelCosts(model.name))]
    )


def external_costs(
    reported: ModelCosts, model: PackagedModel, wanted: Collection[str], cost_per_hour: float | None
) -> ModelCosts:
    """Return a model's costs where it was run in another place, which told `one`; what records tell, they tell."""
    return _validate_costs(
        reported,
        tuple(name for name in RUNTIME_METRICS if name in wanted),
        recorded_costs(model, wanted, cost_per_hour),
    )


def recorded_costs(model: PackagedModel, wanted: Collection[str], cost_per_hour: float | None) -> Mapping[str, float]:
    """Return a model's costs that need no run, by metric: its file's size, and what training took."""
    values = {"model-size-mb": model.model.stat().st_size / 1e6}
    if model.seconds is not None:
        values["training-seconds"] = model.seconds
        if cost_per_hour is not None:
            values["training-cost"] = model.seconds / 3600 * cost_per_hour
    return {name: value for name, value in values.items() if name in wanted}


def _run_measure_worker(
    models: Sequence[PackagedModel], features: Path, metrics: tuple[str, ...], folder: Path, timeout: float | None
) -> Iterator[ModelCosts]:
    rows_here = folder / "features.parquet"
    untrusted_files.copy_untrusted_file(features, rows_here)
    items = tuple(copy_model_for_worker(model, folder / f"{at}-{model.model.name}") for at, model in enumerate(models))
    ended = protocol.run_worker(_MEASURER, protocol.MeasureJob(str(rows_here), items, metrics), folder, timeout=timeout)
    answer = protocol.read_answer(protocol.MeasureAnswer, folder)
    names = [model.name for model in models]
    if answer is None or [one.name for one in answer.costs] != names:
        how = "took too long" if ended.timed_out else f"ended with code {ended.returncode}"
        message = f"measuring {' and '.join(names)} {how} and gave no result"
        why = Diagnostic("measure-failed", message, help=protocol.as_quote(ended.tail) or None)
        yield from (ModelCosts(name, diagnostics=(why,)) for name in names)
        return
    yield from (_validate_costs(one, metrics, {}) for one in answer.costs)


def _validate_costs(one: ModelCosts, metrics: tuple[str, ...], beside: Mapping[str, float]) -> ModelCosts:
    values = {name: value for name in metrics if _is_cost(value := one.values.get(name, math.nan))}
    said = protocol.printable_errors(one.diagnostics)
    if missing := [name for name in metrics if name not in values and not said]:
        said = (Diagnostic("measure-failed", f"measuring {one.name} gave no {' and no '.join(missing)}"),)
    return ModelCosts(one.name, {**beside, **values}, said)


def _is_cost(value: float) -> bool:
    """Tell whether a child's number is one: the child may have run a candidate's code."""
    return math.isfinite(value) and value >= 0
