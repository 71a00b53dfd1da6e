"""What is fitted and packaged, and within which limits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlops_ci.core.diagnostics import Location
from mlops_ci.core.records import ModelField, TrainingEnvironment
from mlops_ci.spec.spec_types import Task, TrainSpec
from mlops_ci.training.frameworks.built_in import load_framework
from mlops_ci.training.packaging.built_in import load_packager
from mlops_ci.training.packaging.protocol import Packager
from mlops_ci.training.workers.protocol import CURRENT_INTERPRETER, Interpreter


@dataclass(frozen=True)
class TrainingTask:
    """One model to fit and to package.

    `root` is the folder that an entrypoint is in, `where` the spec's train block, for messages. `timeout` is each
    process's, in seconds; `interpreter` runs what fits and what loads the model.
    """

    train: TrainSpec
    task: Task
    inputs: tuple[ModelField, ...]
    output: ModelField
    root: Path
    environment: TrainingEnvironment
    where: Location | None = None
    timeout: float | None = None
    interpreter: Interpreter = CURRENT_INTERPRETER
    framework: str = "sklearn"

    @property
    def packager(self) -> Packager:
        """The format that the framework packages its models in; raises as `plugins.load` does."""
        return load_packager(load_framework(self.framework).packager)
