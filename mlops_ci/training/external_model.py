"""Packages a model file that was fitted elsewhere. Everything that came with the file may be forged."""

from __future__ import annotations

from pathlib import Path

from mlops_ci.core.errors import Findings, error_headline
from mlops_ci.training.golden import GoldenRows
from mlops_ci.training.inspection import ExternalAnswers, inspect_model_file, inspect_without_loading
from mlops_ci.training.package import FittedModel, InspectedFile, make_folder, package_model
from mlops_ci.training.training_task import TrainingTask
from mlops_ci.training.workers import untrusted_files


def package_external(
    task: TrainingTask, model_file: Path, golden: GoldenRows, scratch: Path, answers: ExternalAnswers | None = None
) -> FittedModel:
    """Package a model file in a new folder of `scratch`, and inspect it again as far as possible without its code.

    With `answers` the model is not loaded here, and its digest covers the bytes of its file. The result has no `seconds`
    and no training log. Raises Findings as `fit_model` does.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    copy = make_folder(scratch, "inspect-") / task.packager.entry_file
    try:
        digest = untrusted_files.copy_untrusted_file(model_file, copy)
    except (OSError, ValueError) as error:
        raise Findings.of(
            "train-failed",
            f"training wrote no usable model file: {error_headline(error)}",
            location=task.where,
            help="read the log of the training job",
        ) from error
    inspection = (
        inspect_model_file(task, copy, golden.table)
        if answers is None
        else inspect_without_loading(task, copy, golden.table, answers)
    )
    published = golden.table if golden.is_published else None
    return package_model(task, InspectedFile(copy, digest, inspection), published, scratch)
