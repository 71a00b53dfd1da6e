"""The inspecting process: what a model file holds, found by a process that did not make it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mlops_ci.core.errors import Findings, ToolError
from mlops_ci.training import frame, prediction_columns, user_code
from mlops_ci.training.packaging.built_in import load_packager
from mlops_ci.training.packaging.protocol import Packager
from mlops_ci.training.packaging.structural_digest import OpaqueObjectError
from mlops_ci.training.workers import protocol


def main(path: str) -> None:
    """Do the job at `path` and write the answer beside it."""
    job = protocol.read_job(protocol.InspectJob, path)
    try:
        found = inspect_model(job)
    except ToolError as error:
        found = protocol.InspectAnswer(error.diagnostics)
    protocol.write_answer(found, path)


def inspect_model(job: protocol.InspectJob) -> protocol.InspectAnswer:
    """Say which types the file needs trust for; when all have it, load it, digest it and write its predictions.

    Raises Findings when the file cannot be loaded, or the model that it holds cannot be used.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path, packager = Path(job.model), load_packager(job.packager)
    untrusted = packager.find_untrusted_types(path)
    if job.types_only or set(untrusted) - set(job.trusted):
        return protocol.InspectAnswer(untrusted=untrusted)
    sys.path += [folder for folder in job.paths if folder not in sys.path]
    model = packager.load(path, job.trusted)
    rows = frame.feature_frame(pq.read_table(job.features).to_pandas(), job.inputs)

    digest = _model_digest(packager, model)

    def ask() -> tuple[tuple[Any, ...], Any]:
        columns = prediction_columns.predict_columns(model, rows, job.task)
        return _model_classes(model, job.task), pa.table({name: pa.array(values) for name, values in columns.items()})

    classes, predictions = user_code.call_user_code(
        ask,
        "train-failed",
        "the fitted model cannot predict its training rows",
        "Its predict and predict_proba must take what fit takes, and answer as scikit-learn's do.",
        Path(job.root),
    )
    pq.write_table(predictions, job.out)
    return protocol.InspectAnswer(untrusted=untrusted, model_digest=digest, classes=classes)


def _model_digest(packager: Packager, model: Any) -> str:
    try:
        return packager.digest(model)
    except OpaqueObjectError as error:
        raise Findings.of(
            "model-not-packable",
            f"the model as loaded from its file cannot be described: {error}",
            help="Keep only data in the model: no lambdas, open files or connections.",
        ) from error


def _model_classes(model: Any, task: str) -> tuple[Any, ...]:
    if task == "regression":
        return ()
    if not hasattr(model, "classes_"):
        raise Findings.of(
            "train-failed",
            f"the fitted {type(model).__name__} has no classes_, as a classifier must",
            help="Use a classifier for this task, or set self.classes_ in fit.",
        )
    return prediction_columns.class_labels(model)
