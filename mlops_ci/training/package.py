"""Packages a model: the inspected model file, with the signature, golden rows and requirements that this module writes."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_ci.core.codec import encode
from mlops_ci.core.diagnostics import Diagnostic, Location
from mlops_ci.core.digest import digest_file
from mlops_ci.core.errors import Findings
from mlops_ci.core.records.base import FileDigest
from mlops_ci.core.records.training_run import ModelFormat, ModelSignature, TrainingEnvironment
from mlops_ci.training.environment import pip_requirements
from mlops_ci.training.inspection import Inspection, default_types
from mlops_ci.training.packaging.package_files import (
    GOLDEN_FILE,
    GOLDEN_PREDICTIONS_FILE,
    REQUIREMENTS_FILE,
    SIGNATURE_FILE,
)
from mlops_ci.training.training_task import TrainingTask
from mlops_ci.training.workers import untrusted_files


@dataclass(frozen=True)
class FittedModel:
    """A packaged candidate: its files in `folder`, the values for a TrainingRun, and the output of the training in `log`."""

    folder: Path
    files: tuple[FileDigest, ...]
    model_format: ModelFormat
    signature: ModelSignature
    model_digest: str
    environment: TrainingEnvironment
    estimator: str
    trusted: tuple[str, ...]
    seconds: float
    log: bytes
    diagnostics: tuple[Diagnostic, ...] = ()
    rounds: int | None = None


@dataclass(frozen=True)
class InspectedFile:
    """A copy of a model file, its digest at the time of copying, and the result of its inspection."""

    path: Path
    digest: FileDigest
    inspection: Inspection


def package_model(task: TrainingTask, model: InspectedFile, golden: Any, scratch: Path) -> FittedModel:
    """Package a model file in a new folder of `scratch`, with `golden` as its golden rows (None: without). The caller sets `estimator` and `seconds`, which are empty here.

    Raises Findings when the file changed during the inspection.
    """
    inspection, model_format = model.inspection, task.packager.model_format
    signature = ModelSignature(task.inputs, task.output, inspection.classes)
    folder = make_folder(scratch, "package-")
    if untrusted_files.copy_untrusted_file(model.path, folder / model_format.entry_file) != model.digest:
        raise Findings.of("train-failed", "the model file changed while it was inspected", location=task.where)
    if golden is not None:
        _write_golden_rows(folder, golden, inspection.predictions)
    text = json.dumps(encode(signature), indent=2, sort_keys=True) + "\n"
    (folder / SIGNATURE_FILE).write_text(text, encoding="utf-8")
    (folder / REQUIREMENTS_FILE).write_text(pip_requirements(task.environment), encoding="utf-8")
    published = (GOLDEN_FILE, GOLDEN_PREDICTIONS_FILE) if golden is not None else ()
    names = (model_format.entry_file, SIGNATURE_FILE, *published, REQUIREMENTS_FILE)
    reviewed = default_types(task)
    unused = (name for name in task.train.trusted if name in reviewed or name not in inspection.trusted)
    return FittedModel(
        folder=folder,
        files=tuple(FileDigest(name, digest_file(folder / name), (folder / name).stat().st_size) for name in names),
        model_format=model_format,
        signature=signature,
        model_digest=inspection.model_digest,
        environment=task.environment,
        estimator="",
        trusted=inspection.trusted,
        seconds=0.0,
        log=inspection.log,
        diagnostics=tuple(_unused_trust_warning(name, name in reviewed, task.where) for name in unused),
    )


def make_folder(scratch: Path, prefix: str) -> Path:
    """Create a folder with an unpredictable name, and return its path with symbolic links resolved."""
    return Path(tempfile.mkdtemp(prefix=prefix, dir=scratch)).resolve()


def _write_golden_rows(folder: Path, golden: Any, predictions: Any) -> None:
    import pyarrow.parquet as pq

    pq.write_table(golden, folder / GOLDEN_FILE)
    pq.write_table(predictions, folder / GOLDEN_PREDICTIONS_FILE)


def _unused_trust_warning(name: str, is_reviewed: bool, where: Location | None) -> Diagnostic:
    why = "which is a reviewed type and needs no entry" if is_reviewed else "which the model does not need"
    return Diagnostic(
        "model-trusted-unused",
        f"train.trusted lists '{name}', {why}",
        where,
        "Remove it from the list: a model file can create objects of every trusted type.",
        severity="warning",
    )
