"""What is claimed of the gate's arithmetic: the paired bootstrap against a loop over scikit-learn, and a large AUC comparison."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mlops_ci.evaluation.simulation.populations import ClassifierPopulation, Sample
from mlops_ci.evaluation.stats.bootstrap import resample_metrics
from mlops_ci.evaluation.stats.evidence import measure_evidence
from mlops_ci.evaluation.stats.metric_table import METRICS
from mlops_ci.training.predictions import require_part
from tests.benchmarks.ratio import Limit, Ratio, alternated

BOOTSTRAPPED = 2_000  # rows
SAMPLES = 200
LARGE = 100_000


def of_the_gate(rounds: int, _: Path) -> Iterator[Ratio]:
    """Compare resampling, and time one comparison by AUC."""
    for metric in ("auc", "average-precision"):
        yield _bootstrap(metric, rounds)
    drawn = _drawn(LARGE)
    seconds = []
    for _round in range(rounds + 1):
        began = time.perf_counter()
        measure_evidence(["auc"], drawn.truth, *drawn.models, seed=0)
        seconds.append(time.perf_counter() - began)
    yield Ratio(f"auc of two models compared on {LARGE:,} rows, in seconds", tuple(seconds[1:]), Limit(at_most=0.5))


def _bootstrap(metric: str, rounds: int) -> Ratio:
    from sklearn.metrics import average_precision_score, roc_auc_score

    score = {"auc": roc_auc_score, "average-precision": average_precision_score}[metric]
    drawn = _drawn(BOOTSTRAPPED)
    functions = [require_part(METRICS[metric].factory()(drawn.truth, model)) for model in drawn.models]
    labels, scores = require_part(drawn.truth.labels), [require_part(model.scores) for model in drawn.models]

    def loop() -> None:
        random = np.random.default_rng(0)
        for _ in range(SAMPLES):
            rows = random.integers(BOOTSTRAPPED, size=BOOTSTRAPPED)
            for one in scores:
                score(labels[rows], one[rows])

    ratios = alternated(loop, lambda: resample_metrics(functions, drawn.truth, 0, SAMPLES), rounds)
    return Ratio(f"paired bootstrap of {metric}: loop over scikit-learn / ours", ratios, Limit(at_least=15))


def _drawn(rows: int) -> Sample:
    return ClassifierPopulation(0.3, (1.7, 1.6), 0.9).draw(np.random.default_rng(0), rows)
