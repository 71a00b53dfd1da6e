"""Packages a model file that was fitted elsewhere. Everything that came with the file may be forged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mlops_ci.core.errors import Findings, error_headline
from mlops_ci.training.golden import GoldenRows
from mlops_ci.training.inspection import (
    ExternalAnswers,
    inspect_with_golden,
    inspect_without_loading,
    lost_golden_warnings,
)
from mlops_ci.training.package import FittedModel, InspectedFile, make_folder, package_model
from mlops_ci.training.training_task import TrainingTask
from mlops_ci.training.workers import untrusted_files


def package_external(
    task: TrainingTask, model_file: Path, golden: GoldenRows, scratch: Path, answers: ExternalAnswers | None = None
) -> FittedModel:
    """Package a model file in a new folder of `scratch`, and inspect it again as far as possible without its code.

    With `answers` the model is not loaded here, and its digest covers the bytes of its file. The result has no `seconds`
    and no training log. Raises Findings as `package_fit` does.
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
    if answers is None:
        inspection, published = inspect_with_golden(task, copy, golden)
    else:
        inspection = inspect_without_loading(task, copy, golden.table, answers)
        published = golden.table if golden.is_published else None
    package = package_model(task, InspectedFile(copy, digest, inspection), published, scratch)
    return replace(package, diagnostics=(*package.diagnostics, *lost_golden_warnings(task, golden, published)))
