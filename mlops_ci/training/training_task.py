"""The description of one training: what to fit and package, and with which limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from mlops_ci.core.diagnostics import Location
from mlops_ci.core.errors import UsageProblem
from mlops_ci.core.records.training_run import ModelField, TrainingEnvironment
from mlops_ci.spec.spec_types import Task, TrainSpec
from mlops_ci.training.frameworks.protocol import Framework
from mlops_ci.training.frameworks.sklearn import SKLEARN
from mlops_ci.training.frameworks.table import load_framework
from mlops_ci.training.packaging.protocol import Packager
from mlops_ci.training.packaging.table import load_packager
from mlops_ci.training.spec_places import spec_field
from mlops_ci.training.workers.protocol import CURRENT_INTERPRETER, LONGEST_SECONDS, Interpreter


@dataclass(frozen=True)
class TrainingTask:
    """One model to fit and to package.

    `root` is the folder of entrypoints. For messages, `where` is the place of the spec's train block, and `places` are those
    of its fields, by name. `columns` are those that only the training reads (not the weights). `timeout` is the
    limit of each process in seconds. `interpreter` runs the processes that fit and load the model. `personal`
    are the inputs and targets that are personal data: the texts of these processes are then withheld. The model
    file must not hold values of those that are `secret`, which the parquet file `personal_rows` has.
    """

    train: TrainSpec
    task: Task
    inputs: tuple[ModelField, ...]
    output: ModelField
    root: Path
    environment: TrainingEnvironment
    where: Location | None = None
    timeout: float = LONGEST_SECONDS
    interpreter: Interpreter = CURRENT_INTERPRETER
    personal: tuple[str, ...] = ()
    secret: tuple[str, ...] = ()
    personal_rows: Path | None = None
    places: Mapping[str, Location] = field(default_factory=dict)
    columns: tuple[ModelField, ...] = ()

    def place_of(self, id: str) -> Location | None:
        """Return the place that a finding of this id is about, by `spec_field`; by default the spec's train block."""
        return self.places.get(spec_field(id) or "", self.where)

    @property
    def framework(self) -> Framework:
        """The framework that fits the model; raises as `plugins.load` does, at the spec's train block."""
        try:
            return load_framework(self.train.framework or SKLEARN.name)
        except UsageProblem as problem:
            raise UsageProblem([replace(one, location=self.where) for one in problem.diagnostics]) from problem

    @property
    def packager(self) -> Packager:
        """The packager of the framework's models; raises as `plugins.load` does."""
        return load_packager(self.framework.packager)
