"""The measuring process: packaged models and features in, milliseconds and megabytes out. It never sees a label.

All of its models are called in turns, so that a machine that is busy for a while is so for each of them.
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
from mlops_ci.training.predictions import Floats
from mlops_ci.training.workers import protocol, score
from mlops_ci.training.workers.protocol import ModelCosts

BATCH_ROWS = 1_000  # rows
PredictCall = Callable[[int], object]  # one prediction; its argument is the number of the call


@dataclass(frozen=True)
class Timing:
    """How calls are timed: in rounds of `calls` by each model, until there are `rounds` or `patience` is spent.

    `patience` is in seconds by model. The first round has `fewest` calls, however long they take; a later one that has
    not as many does not count. `threads`: None leaves the libraries their own number.
    """

    p50: str
    p95: str
    calls: int
    min_calls: int
    warm_ups: int
    threads: int | None
    rounds: int = 5
    patience: float = 5.0


# on one thread: more gain nothing for one row, and on a busy machine they wait for each other
SINGLE_ROW_TIMING = Timing("latency-p50-ms", "latency-p95-ms", calls=60, min_calls=20, warm_ups=20, threads=1)
BATCH_TIMING = Timing("batch-latency-p50-ms", "batch-latency-p95-ms", calls=20, min_calls=5, warm_ups=3, threads=None)
PEAK_MEMORY_METRIC = "peak-memory-mb"


class _ModelCallError(Exception):
    """A model raised while it was called; `at` is its place, the cause what it raised."""

    def __init__(self, at: int) -> None:
        super().__init__(at)
        self.at = at


def main(path: str) -> None:
    """Do the job at `path` and write the answer beside it."""
    protocol.write_answer(protocol.MeasureAnswer(measure_models(protocol.read_job(protocol.MeasureJob, path))), path)


def measure_models(job: protocol.MeasureJob) -> tuple[ModelCosts, ...]:
    """Return what each model costs; one that fails is told of, and the others are measured without it."""
    import pyarrow.parquet as pq

    rows = pq.read_table(job.features).to_pandas()
    found = [ModelCosts(item.name) for item in job.items]
    ready: dict[int, tuple[Any, Any]] = {}
    for at, item in enumerate(job.items):
        try:
            model = score.load_recorded_model(item)
            ready[at] = (_prediction_function(model, item.task), frame.feature_frame(rows, item.signature.inputs))
        except Findings as error:
            found[at] = ModelCosts(item.name, diagnostics=error.diagnostics)
        except (Exception, SystemExit) as error:  # noqa: BLE001 what a model raises is about the model and the rows
            found[at] = _failed_measurement(item.name, error)
    while ready:
        try:
            costs = _model_costs(list(ready.values()), job.metrics)
        except _ModelCallError as error:
            at = list(ready)[error.at]
            found[at] = _failed_measurement(found[at].name, error.__cause__ or error)
            del ready[at]
        else:
            for at, cost in zip(ready, costs, strict=True):
                found[at] = replace(found[at], values=cost)
            break
    return tuple(found)


def time_calls(
    calls: Sequence[PredictCall], how: Timing, clock: Callable[[], float] = time.perf_counter
) -> list[list[Floats]]:
    """Return the milliseconds of each call, by round and model: every step calls each model once, another one first."""
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
    """Return each model's percentiles: the median over the rounds, so that one disturbed round decides nothing."""
    return [
        {
            name: float(np.median([np.percentile(one[at], share) for one in rounds]))
            for name, share in ((how.p50, 50), (how.p95, 95))
        }
        for at in range(len(rounds[0]))
    ]


def peak_memory_mb(call: PredictCall) -> float:
    """Return the most memory that one call holds at a time, as Python's and numpy's allocators know it, in 10^6 bytes."""
    call(0)  # what it keeps from its first call on is not this call's
    gc.collect()
    tracemalloc.start()
    try:
        call(0)
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def _model_costs(models: Sequence[tuple[Any, Any]], metrics: Sequence[str]) -> list[dict[str, float]]:
    """Return the metrics of models that are given as a function and its rows; raises _FailedError when one raises."""
    from threadpoolctl import threadpool_limits

    if not len(models[0][1]):
        return [{} for _ in models]
    singles = [_make_call(at, predict, _single_row_frames(x)) for at, (predict, x) in enumerate(models)]
    batches = [
        _make_call(at, predict, [x.iloc[_evenly_spaced_rows(len(x), BATCH_ROWS)]])
        for at, (predict, x) in enumerate(models)
    ]
    found: list[dict[str, float]] = [{} for _ in models]
    for how, calls in ((SINGLE_ROW_TIMING, singles), (BATCH_TIMING, batches)):
        if how.p50 in metrics or how.p95 in metrics:
            with contextlib.nullcontext() if how.threads is None else threadpool_limits(how.threads):
                rounds = time_calls(calls, how)
            for cost, more in zip(found, timing_percentiles(rounds, how), strict=True):
                cost |= more
    if PEAK_MEMORY_METRIC in metrics:  # after the timed calls, which tracing would slow down
        for cost, call in zip(found, batches, strict=True):
            cost[PEAK_MEMORY_METRIC] = peak_memory_mb(call)
    return found


def _make_call(at: int, predict: Callable[[Any], object], frames: Sequence[Any]) -> PredictCall:
    def call(step: int) -> object:
        try:
            return predict(frames[step % len(frames)])
        except (Exception, SystemExit) as error:
            raise _ModelCallError(at) from error

    return call


def _prediction_function(model: Any, task: str) -> Callable[[Any], object]:
    found: Callable[[Any], object] = (
        model.predict_proba if task != "regression" and hasattr(model, "predict_proba") else model.predict
    )
    return found


def _single_row_frames(x: Any) -> list[Any]:
    return [x.iloc[[at]] for at in _evenly_spaced_rows(len(x), SINGLE_ROW_TIMING.calls)]


def _evenly_spaced_rows(rows: int, most: int) -> Any:
    """Return the places of at most so many rows, spread evenly."""
    return np.unique(np.linspace(0, rows - 1, min(rows, most)).round().astype(int))


def _failed_measurement(name: str, error: BaseException) -> ModelCosts:
    why = Diagnostic("measure-failed", f"{name} cannot be measured: {error_headline(error)}")
    return ModelCosts(name, diagnostics=(why,))
