"""The whole table: claims measured by many processes at once, from seeds that depend on nothing but the place in the table."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from mlops_ci.core.results.simulation import Measured
from mlops_ci.evaluation.simulation import holdout_reuse as reuse
from mlops_ci.evaluation.simulation import slices, trials
from mlops_ci.evaluation.simulation.claims import ALPHA, BUDGET, Series, series

SEED = 20_261_125
CHUNK = 25  # trials that one process makes at a time: seeds count chunks, so that more trials begin with the same ones
OVERSTATEMENT = 0.25  # points
SLICED_ROWS = (2_000, 10_000)
Job = Callable[[Sequence[int], int], Any]


def measure(count: int, jobs: int, progress: Callable[[str], None]) -> tuple[Measured, ...]:
    """Return every claim as measured by `count` trials; `jobs` processes share the work, -1: as many as there are cores."""
    from joblib import Parallel, delayed

    every = tuple(series())
    work: list[Job] = [partial(trials.run, one) for one in every]
    work += [partial(slices.run, rows) for rows in SLICED_ROWS]
    work.append(reuse.run)
    calls = [
        delayed(job)((SEED, which, chunk), min(CHUNK, count - chunk * CHUNK))
        for which, job in enumerate(work)
        for chunk in range(math.ceil(count / CHUNK))
    ]
    found: list[list[Any]] = [[] for _ in work]
    each = len(calls) // len(work)
    # a few rows at a time are no work for several threads of linear algebra
    for at, one in enumerate(Parallel(n_jobs=jobs, return_as="generator", inner_max_num_threads=1)(calls)):
        if at % each == 0:
            progress(f"claim {at // each + 1} of {len(work)}: {count:,} trials")
        found[at // each].append(one)
    judged = [row for one, counts in zip(every, found, strict=False) for row in _rows(one, _sum(counts))]
    judged += [_blocked(rows, _sum(counts)) for rows, counts in zip(SLICED_ROWS, found[len(every) :], strict=False)]
    return (*judged, _overstated(found[-1]))


def _sum(parts: Sequence[trials.Counts]) -> trials.Counts:
    def total(name: str) -> tuple[int, ...]:
        return tuple(map(sum, zip(*(getattr(part, name) for part in parts), strict=True)))

    return trials.Counts(sum(part.trials for part in parts), total("gate"), total("naive"), total("spent"))


def _rows(one: Series, counts: trials.Counts) -> Iterator[Measured]:
    for at, claim in enumerate(one.claims):
        share = counts.gate[at] / counts.trials
        yield Measured(
            claim=claim.kind,
            metric=claim.requirement.metric,
            rows=one.rows,
            setting=one.setting,
            value=share,
            error=_error(share, counts.trials),
            limit=claim.limit,
            at_least=claim.at_least,
            naive=counts.naive[at] / counts.trials,
            spent=counts.spent[at] / counts.trials,
        )


def _blocked(rows: int, counts: trials.Counts) -> Measured:
    share = counts.gate[0] / counts.trials
    return Measured(
        claim="false block",
        metric=slices.RULE.metric,
        rows=rows,
        setting=f"equal, {slices.SLICES} slices",
        value=share,
        error=_error(share, counts.trials),
        limit=ALPHA,
        at_least=False,
        naive=counts.naive[0] / counts.trials,
    )


def _overstated(parts: Sequence[reuse.Overstated]) -> Measured:
    gate = [value for part in parts for value in part.gate]
    return Measured(
        claim="overstatement",
        metric="accuracy",
        rows=reuse.ROWS,
        setting=f"equal, {BUDGET} pull requests",
        value=statistics.fmean(gate),
        error=statistics.stdev(gate) / math.sqrt(len(gate)) if len(gate) > 1 else math.inf,
        limit=OVERSTATEMENT,
        at_least=False,
        naive=statistics.fmean(value for part in parts for value in part.naive),
        unspent=statistics.fmean(value for part in parts for value in part.unspent),
        unit="points",
    )


def _error(share: float, count: int) -> float:
    return math.sqrt(share * (1 - share) / count)
