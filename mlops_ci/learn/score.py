"""Score packaged models on holdout features, in processes that are given no labels."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlops_ci.diagnostics import has_errors
from mlops_ci.errors import Findings
from mlops_ci.learn import jobs, package
from mlops_ci.learn.predictions import Floats, Label, Predictions, encode_labels
from mlops_ci.records import Signature
from mlops_ci.spec.kinds import Task

_SCORER = "mlops_ci.learn.scorer"


@dataclass(frozen=True)
class Packaged:
    """A model's file as the registry records it. `paths` are the folders that its own code is imported from, if any."""

    name: str
    model: Path
    sha256: str
    trusted: tuple[str, ...]
    signature: Signature
    task: Task
    paths: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scores:
    """One model's answers for the holdout and what they cost."""

    predictions: Predictions
    classes: tuple[Label, ...]
    operational: Mapping[str, float]


def missing_inputs(signature: Signature, columns: Collection[str]) -> tuple[str, ...]:
    """Return the inputs that a model needs and the data do not have; with any, it cannot be scored today."""
    return tuple(field.name for field in signature.inputs if field.name not in columns)


def score(
    models: Sequence[Packaged],
    features: Path,
    *,
    rows: int,
    scratch: Path,
    latency: bool = False,
    timeout: float | None = None,
) -> tuple[Scores, ...]:
    """Return each model's answers for the `rows` rows of the parquet file `features`, in the order of `models`.

    Models with code of their own are each scored in a process of their own, so that none can touch another's answers.
    Raises Findings when a file is not what was recorded, or when a model fails on the rows or predicts NaN.
    """
    found: dict[int, Scores] = {}
    for number, group in enumerate(_groups(models)):
        folder = (scratch / f"score-{number}").resolve()
        folder.mkdir(parents=True)
        found |= dict(
            zip(group, _process([models[at] for at in group], features, rows, folder, latency, timeout), strict=True)
        )
    return tuple(found[at] for at in range(len(models)))


def _groups(models: Sequence[Packaged]) -> list[list[int]]:
    together = [at for at, model in enumerate(models) if not model.paths]
    return [*([together] if together else []), *([at] for at, model in enumerate(models) if model.paths)]


def _process(
    models: Sequence[Packaged], features: Path, rows: int, folder: Path, latency: bool, timeout: float | None
) -> Iterator[Scores]:
    outs = [folder / f"predictions-{at}.parquet" for at in range(len(models))]
    items = tuple(
        jobs.ScoreItem(
            model.name,
            str(model.model.resolve()),
            model.sha256,
            model.trusted,
            model.signature,
            model.task,
            model.paths,
            str(out),
        )
        for model, out in zip(models, outs, strict=True)
    )
    ended = jobs.launch(_SCORER, jobs.ScoreJob(str(features.resolve()), items, latency), folder, timeout=timeout)
    answer = jobs.answer(jobs.ScoreAnswer, folder)
    if answer is not None and has_errors(answer.diagnostics):
        raise Findings(answer.diagnostics)
    if answer is None or len(answer.scored) != len(models):
        names = " and ".join(model.name for model in models)
        how = "took too long" if ended.timed_out else f"ended with code {ended.returncode}"
        raise Findings.of("score-failed", f"scoring {names} {how} and gave no result", help=ended.tail or None)
    for model, out, scored in zip(models, outs, answer.scored, strict=True):
        yield Scores(_read(model, out, rows), model.signature.classes, scored.operational)


def _read(model: Packaged, path: Path, rows: int) -> Predictions:
    """Read predictions back strictly: they come from a process that may have run a candidate's code."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        return _predictions(model, {name: table[name].to_numpy() for name in table.column_names}, rows)
    except (OSError, KeyError, ValueError, TypeError, pa.ArrowException) as error:
        message = f"{model.name} gave predictions that cannot be used: {package.headline_of(error)}"
        raise Findings.of(
            "score-failed", message, help="Its predict and predict_proba must fit scikit-learn's."
        ) from error


def _predictions(model: Packaged, columns: Mapping[str, Any], rows: int) -> Predictions:
    """Return columns as predictions; raises KeyError, TypeError and ValueError for what is not a prediction."""
    if {len(column) for column in columns.values()} != {rows}:
        raise ValueError(f"not one prediction for each of {rows} rows")
    if model.task == "regression":
        return Predictions(values=_finite(columns[package.VALUE]))
    classes = model.signature.classes
    labels = encode_labels(columns[package.LABEL], classes)
    if (labels < 0).any():
        raise ValueError("a label that is none of its classes")
    names = [f"{package.PROBABILITY}{at}" for at in range(len(classes))]
    if names[0] not in columns:
        return Predictions(labels=labels, scores=_finite(columns[package.SCORE]) if package.SCORE in columns else None)
    probabilities = np.stack([_finite(columns[name]) for name in names], axis=1)
    if (probabilities < 0).any() or not np.allclose(probabilities.sum(axis=1), 1, rtol=0, atol=1e-6):
        raise ValueError("probabilities that are negative or do not add up to 1")
    return Predictions(labels=labels, probabilities=probabilities, scores=probabilities[:, 1])


def _finite(values: Any) -> Floats:
    floats: Floats = np.asarray(values, dtype=np.float64)
    if not np.isfinite(floats).all():
        raise ValueError("predictions that are not finite")
    return floats
