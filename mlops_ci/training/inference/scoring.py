"""Scores packaged models on the holdout's features, in worker processes that receive no labels."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlops_ci.core.errors import Findings, error_headline
from mlops_ci.core.records.training_run import ModelSignature
from mlops_ci.spec.spec_types import Task
from mlops_ci.training.packaging.table import load_packager
from mlops_ci.training.prediction_columns import LABEL_COLUMN, PROBABILITY_PREFIX, SCORE_COLUMN, VALUE_COLUMN
from mlops_ci.training.predictions import Floats, Label, Predictions, encode_labels
from mlops_ci.training.withheld import withhold_output, withhold_texts
from mlops_ci.training.workers import protocol, untrusted_files

_SCORER = "mlops_ci.training.workers.score"


@dataclass(frozen=True)
class PackagedModel:
    """A model file as the registry records it, in the format `packager`.

    `paths` are the folders that the model's own code is imported from, if it has any. `seconds` is the time of fitting,
    if it is known.
    """

    name: str
    packager: str
    model: Path
    sha256: str
    trusted: tuple[str, ...]
    signature: ModelSignature
    task: Task
    paths: tuple[str, ...] = ()
    seconds: float | None = None
    is_personal: bool = False  # it reads or predicts personal columns: the texts of its errors are withheld


@dataclass(frozen=True)
class ModelPredictions:
    """One model's predictions for the holdout, and its classes."""

    predictions: Predictions
    classes: tuple[Label, ...]


def predict_to_file(model: PackagedModel, features: Path, *, rows: int, scratch: Path) -> Path:
    """Return a parquet file with a model's predictions for the `rows` rows of `features`; raises as `score_models` does."""
    scratch.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="score-", dir=scratch)).resolve()
    list(_run_score_worker([model], features, rows, folder))
    return folder / _predictions_file_name(0)


def predictions_from_table(model: PackagedModel, table: Any) -> ModelPredictions:
    """Return the predictions in a pyarrow table that was made in another place; raises Findings when they are invalid."""
    with _translate_prediction_errors(model):
        return ModelPredictions(
            _parse_predictions(model, {name: table[name].to_numpy() for name in table.column_names}),
            model.signature.classes,
        )


def missing_inputs(signature: ModelSignature, columns: Collection[str]) -> tuple[str, ...]:
    """Return the inputs of a model that the data do not have. A model with missing inputs cannot be scored."""
    return tuple(field.name for field in signature.inputs if field.name not in columns)


def score_models(
    models: Sequence[PackagedModel],
    features: Path,
    *,
    rows: int,
    scratch: Path,
) -> tuple[ModelPredictions, ...]:
    """Return each model's predictions for the `rows` rows of the parquet file `features`, in the order of `models`.

    Each model with its own code is scored in its own process, from copies that only this process knows, so that no model
    can change the rows or predictions of another. Raises Findings when a model file is not the recorded one, and when a
    model fails on the rows or predicts NaN.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    scored: dict[int, ModelPredictions] = {}
    for group in process_groups(models):
        folder = Path(tempfile.mkdtemp(prefix="score-", dir=scratch)).resolve()
        some = [models[at] for at in group]
        scored |= dict(zip(group, _run_score_worker(some, features, rows, folder), strict=True))
    return tuple(scored[at] for at in range(len(models)))


def process_groups(models: Sequence[PackagedModel]) -> list[list[int]]:
    """Return the groups of models that share a process, by their indices in `models`.

    All models of library code alone share one process. Each model with its own code has its own process.
    """
    together = [at for at, model in enumerate(models) if not model.paths]
    return [*([together] if together else []), *([at] for at, model in enumerate(models) if model.paths)]


def _run_score_worker(
    models: Sequence[PackagedModel],
    features: Path,
    rows: int,
    folder: Path,
) -> Iterator[ModelPredictions]:
    outs = [folder / _predictions_file_name(at) for at in range(len(models))]
    rows_here = folder / "features.parquet"
    untrusted_files.copy_untrusted_file(features, rows_here)
    items = tuple(copy_model_for_worker(model, folder / f"{at}-{model.model.name}") for at, model in enumerate(models))
    job = protocol.ScoreJob(str(rows_here), items, tuple(map(str, outs)))
    ended = protocol.run_worker(_SCORER, job, folder)
    answer = protocol.read_answer(protocol.ScoreAnswer, folder)
    if answer is not None and (errors := protocol.printable_errors(answer.diagnostics)):
        raise Findings(withhold_texts(errors) if any(one.is_personal for one in models) else errors)
    if any(one.is_personal for one in models):
        ended = withhold_output(ended)
    if answer is None or list(answer.scored) != [model.name for model in models]:
        names = " and ".join(model.name for model in models)
        how = "took too long" if ended.timed_out else f"ended with exit code {ended.returncode}"
        raise Findings.of(
            "score-failed",
            f"the process that computes the predictions of {names} {how} and gave no result",
            help=protocol.as_quote(ended.tail) or None,
        )
    for model, out in zip(models, outs, strict=True):
        yield ModelPredictions(_read_predictions(model, out, rows), model.signature.classes)


def copy_model_for_worker(model: PackagedModel, target: Path) -> protocol.ModelItem:
    """Copy a model file to `target`, for a worker to load; raises Findings when it is not the recorded file."""
    try:
        file = untrusted_files.copy_untrusted_file(model.model, target)
    except (OSError, ValueError) as error:
        raise Findings.of(
            "model-file-unreadable",
            f"the file of {model.name} cannot be read: {error_headline(error)}",
            help="Fetch the model again, or train it again.",
        ) from error
    if file.sha256 != model.sha256:
        raise Findings.of(
            "model-file-changed",
            f"{model.model.name} of {model.name} is not the file that was recorded (sha256 {model.sha256[:12]}...)",
            help="Fetch it again; if the error remains, the registry's copy was altered and must not be used.",
        )
    load_packager(model.packager)  # in this process, which knows the allowed plugins
    return protocol.ModelItem(
        model.name, model.packager, str(target), model.trusted, model.signature, model.task, model.paths
    )


def _read_predictions(model: PackagedModel, path: Path, rows: int) -> Predictions:
    """Return predictions from a file, with strict checks: the file's process may have run a candidate's code."""
    with _translate_prediction_errors(model):
        table = untrusted_files.read_prediction_table(path, task=model.task, classes=model.signature.classes, rows=rows)
        return _parse_predictions(model, {name: table[name].to_numpy() for name in table.column_names})


def _predictions_file_name(at: int) -> str:
    return f"predictions-{at}.parquet"


@contextmanager
def _translate_prediction_errors(model: PackagedModel) -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError) as error:
        message = f"{model.name} gave predictions that cannot be used: {error_headline(error)}"
        raise Findings.of(
            "score-failed", message, help="Its predict and predict_proba must follow scikit-learn's interface."
        ) from error


def _parse_predictions(model: PackagedModel, columns: Mapping[str, Any]) -> Predictions:
    """Return columns as predictions; raises TypeError or ValueError for columns that are not valid predictions."""
    if model.task == "regression":
        return Predictions(values=_require_finite(columns[VALUE_COLUMN]))
    classes = model.signature.classes
    labels = encode_labels(columns[LABEL_COLUMN], classes)
    if (labels < 0).any():
        raise ValueError("a label is not one of its classes")
    names = [f"{PROBABILITY_PREFIX}{at}" for at in range(len(classes))]
    if names[0] not in columns:
        return Predictions(
            labels=labels,
            scores=_require_finite(columns[SCORE_COLUMN]) if SCORE_COLUMN in columns else None,
        )
    probabilities = np.stack([_require_finite(columns[name]) for name in names], axis=1)
    if (probabilities < 0).any() or not np.allclose(probabilities.sum(axis=1), 1, rtol=0, atol=1e-6):
        raise ValueError("probabilities are negative or do not add up to 1")
    return Predictions(labels=labels, probabilities=probabilities, scores=probabilities[:, 1])


def _require_finite(values: Any) -> Floats:
    floats: Floats = np.asarray(values, dtype=np.float64)
    if not np.isfinite(floats).all():
        raise ValueError("predictions are not finite")
    return floats
