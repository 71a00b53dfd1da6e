"""Measures all claims in parallel processes; each seed depends only on the claim's place in the table."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from mlops_ci.core.results.simulation import ClaimMeasurement
from mlops_ci.evaluation.simulation import holdout_reuse, leak_trials, slices, trials
from mlops_ci.evaluation.simulation.claims import ALPHA, QUESTION_BUDGET, ClaimSeries, claim_series

_SEED = 20_261_125
_TRIALS_PER_CALL = 25  # seeds number these chunks, so a longer run starts with the same trials as a shorter one
OVERSTATEMENT_LIMIT = 0.25  # percentage points
SLICED_HOLDOUT_ROWS = (2_000, 10_000)
TrialFunction = Callable[[Sequence[int], int], Any]


def measure_claims(count: int, jobs: int, progress: Callable[[str], None]) -> tuple[ClaimMeasurement, ...]:
    """Return the measurement of every claim from `count` trials, in `jobs` processes (-1: one for each core)."""
    from joblib import Parallel, delayed

    every = tuple(claim_series())
    work: list[TrialFunction] = [partial(trials.run_claim_trials, one) for one in every]
    work += [partial(slices.run_slice_trials, rows) for rows in SLICED_HOLDOUT_ROWS]
    leaks = leak_trials.leak_claims()
    work += [partial(leak_trials.run_leak_trials, one) for one in leaks]
    work.append(holdout_reuse.simulate_reuse)
    calls = [
        delayed(job)((_SEED, which, chunk), min(_TRIALS_PER_CALL, count - chunk * _TRIALS_PER_CALL))
        for which, job in enumerate(work)
        for chunk in range(math.ceil(count / _TRIALS_PER_CALL))
    ]
    results: list[list[Any]] = [[] for _ in work]
    calls_per_job = len(calls) // len(work)
    # the arrays are too small for several linear algebra threads to pay off
    for at, one in enumerate(Parallel(n_jobs=jobs, return_as="generator", inner_max_num_threads=1)(calls)):
        if at % calls_per_job == 0:
            progress(f"simulation {at // calls_per_job + 1} of {len(work)}: {count:,} trials")
        results[at // calls_per_job].append(one)
    measurements = [
        row
        for one, counts in zip(every, results, strict=False)
        for row in _claim_measurements(one, _sum_counts(counts))
    ]
    measurements += [
        _false_block_measurement(rows, _sum_counts(counts))
        for rows, counts in zip(SLICED_HOLDOUT_ROWS, results[len(every) :], strict=False)
    ]
    measurements += [
        _leak_measurement(one, _sum_counts(counts))
        for one, counts in zip(leaks, results[-1 - len(leaks) : -1], strict=True)
    ]
    return (*measurements, _overstatement_measurement(results[-1]))


def _sum_counts(parts: Sequence[trials.TrialCounts]) -> trials.TrialCounts:
    def total(name: str) -> tuple[int, ...]:
        return tuple(map(sum, zip(*(getattr(part, name) for part in parts), strict=True)))

    return trials.TrialCounts(sum(part.trials for part in parts), total("gate"), total("naive"), total("spent"))


def _claim_measurements(one: ClaimSeries, counts: trials.TrialCounts) -> Iterator[ClaimMeasurement]:
    for at, claim in enumerate(one.claims):
        share = counts.gate[at] / counts.trials
        yield ClaimMeasurement(
            claim=claim.kind,
            metric=claim.requirement.metric,
            rows=one.rows,
            setting=one.setting,
            value=share,
            error=_standard_error(share, counts.trials),
            limit=claim.limit,
            at_least=claim.is_lower_limit,
            naive=counts.naive[at] / counts.trials,
            spent=counts.spent[at] / counts.trials,
        )


def _false_block_measurement(rows: int, counts: trials.TrialCounts) -> ClaimMeasurement:
    share = counts.gate[0] / counts.trials
    return ClaimMeasurement(
        claim="false block",
        metric=slices.NO_REGRESSION_REQUIREMENT.metric,
        rows=rows,
        setting=f"equal, {slices.SLICE_COUNT} slices",
        value=share,
        error=_standard_error(share, counts.trials),
        limit=ALPHA,
        at_least=False,
        naive=counts.naive[0] / counts.trials,
    )


def _leak_measurement(one: leak_trials.LeakClaim, counts: trials.TrialCounts) -> ClaimMeasurement:
    share = counts.gate[0] / counts.trials
    return ClaimMeasurement(
        claim="detection" if one.has_copies else "false alarm",
        metric="copies",
        rows=one.rows,
        setting=one.setting,
        value=share,
        error=_standard_error(share, counts.trials),
        limit=one.limit,
        at_least=one.has_copies,
        naive=counts.naive[0] / counts.trials,
    )


def _overstatement_measurement(parts: Sequence[holdout_reuse.Overstatement]) -> ClaimMeasurement:
    gate = [value for part in parts for value in part.gate]
    return ClaimMeasurement(
        claim="overstatement",
        metric="accuracy",
        rows=holdout_reuse.REUSED_HOLDOUT_ROWS,
        setting=f"equal, {QUESTION_BUDGET} pull requests",
        value=statistics.fmean(gate),
        error=statistics.stdev(gate) / math.sqrt(len(gate)) if len(gate) > 1 else math.inf,
        limit=OVERSTATEMENT_LIMIT,
        at_least=False,
        naive=statistics.fmean(value for part in parts for value in part.naive),
        unspent=statistics.fmean(value for part in parts for value in part.unspent),
        unit="points",
    )


def _standard_error(share: float, count: int) -> float:
    return math.sqrt(share * (1 - share) / count)
