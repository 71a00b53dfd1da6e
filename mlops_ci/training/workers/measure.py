"""The measuring worker: measures the time and memory of packaged models on features. It never receives a label.

The models are called in turns, so that other load on the machine affects all of them equally.
"""

from __future__ import annotations

import contextlib
import gc
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.errors import Findings, error_headline
from mlops_ci.training import frame
from mlops_ci.training.library_imports import LIBRARIES, import_libraries
from mlops_ci.training.packaging.skops import SKOPS
from mlops_ci.training.predictions import Floats
from mlops_ci.training.workers import protocol, score
from mlops_ci.training.workers.protocol import ModelCosts

BATCH_ROWS = 1_000  # rows
PredictCall = Callable[[int], object]  # makes one prediction; the argument is the number of the call


@dataclass(frozen=True)
class Timing:
    """How calls are timed: in `rounds` rounds of `calls` calls for each model, until the time limit `patience`.

    `patience` is in seconds per model. The first round has at least `min_calls` calls, however long they take; a later
    round with fewer calls is dropped. `threads`: the number of threads; None means the libraries' default.
    """

    p50: str
    p95: str
    calls: int
    min_calls: int
    warm_ups: int
    threads: int | None
    rounds: int = 5
    patience: float = 5.0


# with one thread: more threads do not help for a single row, and on a busy machine they wait for each other
SINGLE_ROW_TIMING = Timing("latency-p50-ms", "latency-p95-ms", calls=60, min_calls=20, warm_ups=20, threads=1)
BATCH_TIMING = Timing("batch-latency-p50-ms", "batch-latency-p95-ms", calls=20, min_calls=5, warm_ups=3, threads=None)
PEAK_MEMORY_METRIC = "peak-memory-mb"


class _ModelCallError(Exception):
    """A model raised an error when it was called. `at` is the model's index; `__cause__` is the error."""

    def __init__(self, at: int) -> None:
        super().__init__(at)
        self.at = at


def main(path: str) -> None:
    """Do the job in the file `path` and write the answer into the same folder."""
    job = protocol.read_job(protocol.MeasureJob, path)
    if any(item.packager == SKOPS.name for item in job.items):
        import_libraries(LIBRARIES)
    protocol.write_answer(protocol.MeasureAnswer(measure_models(job)), path)


def measure_models(job: protocol.MeasureJob) -> tuple[ModelCosts, ...]:
    """Return the costs of each model. A model that fails gets a diagnostic, and the others are measured without it."""
    import pyarrow.parquet as pq

    rows = pq.read_table(job.features).to_pandas()
    results = [ModelCosts(item.name) for item in job.items]
    ready: dict[int, tuple[Any, Any]] = {}
    for at, item in enumerate(job.items):
        try:
            model = score.load_recorded_model(item)
            ready[at] = (_prediction_function(model, item.task), frame.feature_frame(rows, item.signature.inputs))
        except Findings as error:
            results[at] = ModelCosts(item.name, diagnostics=error.diagnostics)
        except (Exception, SystemExit) as error:  # noqa: BLE001 any error of a model is about the model and the rows
            results[at] = _failed_measurement(item.name, error)
    while ready:
        try:
            costs = _model_costs(list(ready.values()), job.metrics)
        except _ModelCallError as error:
            at = list(ready)[error.at]
            results[at] = _failed_measurement(results[at].name, error.__cause__ or error)
            del ready[at]
        else:
            for at, cost in zip(ready, costs, strict=True):
                results[at] = replace(results[at], values=cost)
            break
    return tuple(results)


def time_calls(
    calls: Sequence[PredictCall], how: Timing, clock: Callable[[], float] = time.perf_counter
) -> list[list[Floats]]:
    """Return the milliseconds of each call, by round and model.

    Every step calls each model once, and each step starts with another model.
    """
    rounds: list[list[Floats]] = []
    ends = clock() + how.patience * len(calls)
    for call in calls:
        for step in range(how.warm_ups):
            call(step)
    for _ in range(how.rounds):
        taken: list[list[float]] = [[] for _ in calls]
        for step in range(how.calls):
            if clock() >= ends and (rounds or step >= how.min_calls):
                break
            for turn in range(len(calls)):
                at = (step + turn) % len(calls)
                started = clock()
                calls[at](step)
                taken[at].append((clock() - started) * 1000)
        if len(taken[0]) >= how.min_calls:
            rounds.append([np.array(one) for one in taken])
    return rounds


def timing_percentiles(rounds: Sequence[Sequence[Floats]], how: Timing) -> list[dict[str, float]]:
    """Return each model's percentiles, as the median over the rounds, so that one disturbed round has no effect."""
    return [
        {
            name: float(np.median([np.percentile(one[at], share) for one in rounds]))
            for name, share in ((how.p50, 50), (how.p95, 95))
        }
        for at in range(len(rounds[0]))
    ]


def peak_memory_mb(call: PredictCall) -> float:
    """Return the peak memory of one call in 10^6 bytes, as Python's and numpy's allocators count it."""
    call(0)  # memory that the model keeps after its first call is not counted
    gc.collect()
    tracemalloc.start()
    try:
        call(0)
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def _model_costs(models: Sequence[tuple[Any, Any]], metrics: Sequence[str]) -> list[dict[str, float]]:
    """Return the metrics of models, each given as a function and its rows; raises _ModelCallError when one fails."""
    from threadpoolctl import threadpool_limits

    if not len(models[0][1]):
        return [{} for _ in models]
    singles = [_make_call(at, predict, _single_row_frames(x)) for at, (predict, x) in enumerate(models)]
    batches = [
        _make_call(at, predict, [x.iloc[_evenly_spaced_rows(len(x), BATCH_ROWS)]])
        for at, (predict, x) in enumerate(models)
    ]
    costs: list[dict[str, float]] = [{} for _ in models]
    for how, calls in ((SINGLE_ROW_TIMING, singles), (BATCH_TIMING, batches)):
        if how.p50 in metrics or how.p95 in metrics:
            with contextlib.nullcontext() if how.threads is None else threadpool_limits(how.threads):
                rounds = time_calls(calls, how)
            for cost, more in zip(costs, timing_percentiles(rounds, how), strict=True):
                cost |= more
    if PEAK_MEMORY_METRIC in metrics:  # after the timed calls, which tracing would slow down
        for cost, call in zip(costs, batches, strict=True):
            cost[PEAK_MEMORY_METRIC] = peak_memory_mb(call)
    return costs


def _make_call(at: int, predict: Callable[[Any], object], frames: Sequence[Any]) -> PredictCall:
    def call(step: int) -> object:
        try:
            return predict(frames[step % len(frames)])
        except (Exception, SystemExit) as error:
            raise _ModelCallError(at) from error

    return call


def _prediction_function(model: Any, task: str) -> Callable[[Any], object]:
    function: Callable[[Any], object] = (
        model.predict_proba if task != "regression" and hasattr(model, "predict_proba") else model.predict
    )
    return function


def _single_row_frames(x: Any) -> list[Any]:
    return [x.iloc[[at]] for at in _evenly_spaced_rows(len(x), SINGLE_ROW_TIMING.calls)]


def _evenly_spaced_rows(rows: int, most: int) -> Any:
    """Return the indices of at most `most` evenly spaced rows."""
    return np.unique(np.linspace(0, rows - 1, min(rows, most)).round().astype(int))


def _failed_measurement(name: str, error: BaseException) -> ModelCosts:
    why = Diagnostic("measure-failed", f"{name} cannot be measured: {error_headline(error)}")
    return ModelCosts(name, diagnostics=(why,))
