"""The inspecting worker: reads a model file in a process other than the one that wrote it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mlops_ci.core.errors import Findings, ToolError
from mlops_ci.training import frame, prediction_columns, user_code
from mlops_ci.training.library_imports import LIBRARIES, MODEL_FILE_LIBRARIES, import_libraries
from mlops_ci.training.packaging.personal_values import personal_columns_in
from mlops_ci.training.packaging.protocol import Packager
from mlops_ci.training.packaging.skops import SKOPS
from mlops_ci.training.packaging.structural_digest import OpaqueObjectError
from mlops_ci.training.packaging.table import load_packager
from mlops_ci.training.workers import protocol
from mlops_ci.training.workers.type_statement import state_types


def main(path: str) -> None:
    """Do the job in the file `path` and write the answer into the same folder."""
    job = protocol.read_job(protocol.InspectJob, path)
    if job.packager == SKOPS.name:
        import_libraries(MODEL_FILE_LIBRARIES if job.types_only else LIBRARIES)
    try:
        answer = inspect_model(job)
    except ToolError as error:
        answer = protocol.InspectAnswer(error.diagnostics)
    protocol.write_answer(answer, path)


def inspect_model(job: protocol.InspectJob) -> protocol.InspectAnswer:
    """Return the types that need trust. When all are trusted, also load the model, digest it and write its predictions.

    Raises Findings when the file cannot be loaded, or when its model cannot be used.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path, packager = Path(job.model), load_packager(job.packager)
    untrusted = packager.find_untrusted_types(path)
    if job.types_channel is not None:
        state_types(job.types_channel, untrusted)
    if job.types_only or set(untrusted) - set(job.trusted):
        return protocol.InspectAnswer(untrusted=untrusted)
    if job.personal is not None and (named := personal_columns_in(path, Path(job.personal))):
        return protocol.InspectAnswer(untrusted=untrusted, personal=named)
    sys.path += [folder for folder in job.paths if folder not in sys.path]
    model = packager.load(path, job.trusted)
    rows = frame.feature_frame(pq.read_table(job.features).to_pandas(), job.inputs)

    digest = _model_digest(packager, model)

    def predict() -> tuple[tuple[Any, ...], Any]:
        columns = prediction_columns.predict_columns(model, rows, job.task)
        return _model_classes(model, job.task), pa.table({name: pa.array(values) for name, values in columns.items()})

    classes, predictions = user_code.call_user_code(
        predict,
        "train-failed",
        "the fitted model cannot predict its training rows",
        "Its predict and predict_proba must accept the same features as fit, and follow scikit-learn's interface.",
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
            f"the model was loaded from its file, but its digest cannot be computed: {error}",
            help="Keep only data in the model: no lambdas, open files or connections.",
        ) from error


def _model_classes(model: Any, task: str) -> tuple[Any, ...]:
    if task == "regression":
        return ()
    if not hasattr(model, "classes_"):
        raise Findings.of(
            "train-failed",
            f"the fitted {type(model).__name__} has no classes_, which a classifier needs",
            help="Use a classifier for this task, or set self.classes_ in fit.",
        )
    return prediction_columns.class_labels(model)
