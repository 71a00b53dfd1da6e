"""Measure what packaged models cost: time and memory in processes of their own, size and training by the records."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.training.inference.scoring import Packaged, groups, item
from mlops_ci.training.workers import protocol as jobs
from mlops_ci.training.workers import untrusted_files as received
from mlops_ci.training.workers.protocol import Measured

_MEASURER = "mlops_ci.training.workers.measure"
BY_RUNNING = (
    *("latency-p50-ms", "latency-p95-ms", "batch-latency-p50-ms", "batch-latency-p95-ms"),
    "peak-memory-mb",
)


def measure(
    models: Sequence[Packaged],
    features: Path,
    wanted: Collection[str],
    *,
    scratch: Path,
    cost_per_hour: float | None = None,
    timeout: float | None = None,
) -> tuple[Measured, ...]:
    """Return what each model costs by the metrics of operation among `wanted`, in the order of `models`.

    Models of library code alone are timed in turns in one process, on the rows of the parquet file `features`, so that
    what else the machine does meets all of them; each of the others in a process of its own, after those. A model that
    fails lacks the values of running it, and has a diagnostic; the others have theirs. Raises Findings when a file is not
    the one that was recorded.
    """
    running = tuple(name for name in BY_RUNNING if name in wanted)
    found: dict[int, Measured] = {}
    for group in groups(models) if running else []:
        scratch.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="measure-", dir=scratch)).resolve()
        found |= dict(
            zip(group, _process([models[at] for at in group], features, running, folder, timeout), strict=True)
        )
    return tuple(
        Measured(model.name, {**recorded(model, wanted, cost_per_hour), **ran.values}, ran.diagnostics)
        for at, model in enumerate(models)
        for ran in [found.get(at, Measured(model.name))]
    )


def told(one: Measured, model: Packaged, wanted: Collection[str], cost_per_hour: float | None) -> Measured:
    """Return a model's costs where it was run in another place, which told `one`; what records tell, they tell."""
    return _checked(one, tuple(name for name in BY_RUNNING if name in wanted), recorded(model, wanted, cost_per_hour))


def recorded(model: Packaged, wanted: Collection[str], cost_per_hour: float | None) -> Mapping[str, float]:
    """Return a model's costs that need no run, by metric: its file's size, and what training took."""
    values = {"model-size-mb": model.model.stat().st_size / 1e6}
    if model.seconds is not None:
        values["training-seconds"] = model.seconds
        if cost_per_hour is not None:
            values["training-cost"] = model.seconds / 3600 * cost_per_hour
    return {name: value for name, value in values.items() if name in wanted}


def _process(
    models: Sequence[Packaged], features: Path, metrics: tuple[str, ...], folder: Path, timeout: float | None
) -> Iterator[Measured]:
    rows_here = folder / "features.parquet"
    received.copy(features, rows_here)
    items = tuple(item(model, folder / f"model-{at}.skops") for at, model in enumerate(models))
    ended = jobs.launch(_MEASURER, jobs.MeasureJob(str(rows_here), items, metrics), folder, timeout=timeout)
    answer = jobs.answer(jobs.MeasureAnswer, folder)
    names = [model.name for model in models]
    if answer is None or [one.name for one in answer.measured] != names:
        how = "took too long" if ended.timed_out else f"ended with code {ended.returncode}"
        message = f"measuring {' and '.join(names)} {how} and gave no result"
        why = Diagnostic("measure-failed", message, help=jobs.quoted(ended.tail) or None)
        yield from (Measured(name, diagnostics=(why,)) for name in names)
        return
    yield from (_checked(one, metrics, {}) for one in answer.measured)


def _checked(one: Measured, metrics: tuple[str, ...], beside: Mapping[str, float]) -> Measured:
    values = {name: value for name in metrics if _is_cost(value := one.values.get(name, math.nan))}
    said = jobs.errors(one.diagnostics)
    if missing := [name for name in metrics if name not in values and not said]:
        said = (Diagnostic("measure-failed", f"measuring {one.name} gave no {' and no '.join(missing)}"),)
    return Measured(one.name, {**beside, **values}, said)


def _is_cost(value: float) -> bool:
    """Tell whether a child's number is one: the child may have run a candidate's code."""
    return math.isfinite(value) and value >= 0
