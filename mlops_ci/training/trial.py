"""Tries an estimator on generated rows before any data are read: whether it fits, packages and predicts at all."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlops_ci.core.codec import encode
from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.digest import digest_json
from mlops_ci.core.errors import ToolError
from mlops_ci.core.records.training_run import ModelField, TrainingEnvironment
from mlops_ci.spec.located_spec import LocatedSpec
from mlops_ci.spec.spec_types import DatasetSpec, ModelSpec
from mlops_ci.spec.train_spec import VALIDATION_COLUMN
from mlops_ci.training.environment import training_environment
from mlops_ci.training.packaging.reviewed_types import read_reviewed_types
from mlops_ci.training.spec_places import field_places, spec_field

ROWS = 50
TRIAL_FORMAT = 1  # increase it when the same spec and environment would give another finding
_TIMEOUT = 60.0  # seconds
_SEED = 7
# what cannot depend on the rows; any other failure may be one of the generated rows alone
_CERTAIN = frozenset(
    {
        "estimator-params-invalid",
        "estimator-unknown",
        "model-not-packable",
        "model-types-untrusted",
        "train-columns-unread",
        "train-fit-unsupported",
        "train-weights-unsupported",
    }
)


@dataclass(frozen=True)
class Trial:
    """What is tried: the estimator with its parameters, and columns as the dataset's spec declares them.

    `columns` are those that only the training reads.
    """

    model: ModelSpec
    inputs: tuple[ModelField, ...]
    output: ModelField
    columns: tuple[ModelField, ...]
    nullable: tuple[str, ...]
    environment: TrainingEnvironment

    @property
    def key(self) -> str:
        """The digest of everything that the findings depend on."""
        packages = dict(self.environment.packages)
        columns = [encode(self.inputs), encode(self.output), list(self.nullable), *encode(self.columns)]
        train, versions = (
            encode(self.model.train),
            [self.environment.python, packages, sorted(read_reviewed_types().nodes)],
        )
        return digest_json(["trial", TRIAL_FORMAT, train, self.model.task, columns, versions])


@dataclass(frozen=True)
class TrialResult:
    """The findings of a trial, without their places: another spec may have the same estimator."""

    diagnostics: tuple[Diagnostic, ...] = ()

    def findings_at(self, model: LocatedSpec[ModelSpec]) -> tuple[Diagnostic, ...]:
        """Return the findings at their places in a spec: its train block, or a field of it."""
        places, block = field_places(model), model.locate("spec", "train", key=True)
        return tuple(replace(one, location=places.get(spec_field(one.id) or "", block)) for one in self.diagnostics)


def plan_trial(model: ModelSpec, dataset: DatasetSpec) -> Trial | None:
    """Return what to try for a model; None for own code and for another framework, which are tried at `train` only.

    A column without a declared type is taken for a number.
    """
    train = model.train
    if train.estimator is None or train.framework is not None:
        return None

    def field(name: str, otherwise: str) -> ModelField:
        column = dataset.columns.get(name)
        return ModelField(name, (column.expected_type if column else None) or otherwise)

    nullable = tuple(name for name in model.features if not _forbids_nulls(dataset, name))
    kinds = {"regression": "number", "binary-classification": "boolean"}
    return Trial(
        model,
        tuple(field(name, "number") for name in model.features),
        field(model.target, kinds.get(model.task, "string")),
        tuple(field(name, "number") for name in train.training_columns),
        nullable,
        training_environment([train.estimator]),
    )


def run_trial(trial: Trial, root: Path, scratch: Path) -> TrialResult:
    """Fit and package the estimator on generated rows, in the processes of a real fit, and return what was wrong."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    # imported here: `validate` asks for the keys of all trials, and seldom runs one
    from mlops_ci.training.fit import fit_model
    from mlops_ci.training.training_task import TrainingTask  # the same

    folder = Path(tempfile.mkdtemp(dir=scratch))
    data = folder / "rows.parquet"
    pq.write_table(pa.table(_generated_columns(trial)), data)
    task = TrainingTask(
        train=trial.model.train,
        task=trial.model.task,
        inputs=trial.inputs,
        output=trial.output,
        root=root,
        environment=trial.environment,
        timeout=_TIMEOUT,
        columns=tuple(one for one in trial.columns if one.name in (trial.model.train.columns or ())),
    )
    try:
        fit_model(task, data, folder)
    except ToolError as error:
        return TrialResult(tuple(_finding(one) for one in error.diagnostics))
    return TrialResult()


def _finding(found: Diagnostic) -> Diagnostic:
    # the worker's output is about the generated rows
    help = "\n".join(line for line in (found.help or "").splitlines() if not line.startswith("|"))
    if found.id in _CERTAIN:
        return Diagnostic(found.id, found.message, None, help or None)
    return Diagnostic(
        "estimator-trial-failed",
        f"on {ROWS} generated rows with the declared types of the columns: {found.message}",
        None,
        "If your rows differ in a way that matters (more rows, other values), `train` may still fit them. Otherwise change the "
        "estimator, its params or the features.",
        "warning",
    )


def _forbids_nulls(dataset: DatasetSpec, name: str) -> bool:
    column = dataset.columns.get(name)
    return column is not None and column.nulls is not None and column.nulls.max == 0


def _generated_columns(trial: Trial) -> Mapping[str, Any]:
    """Return a column of generated values for each input, a tenth of them missing where the spec allows it, and the target."""
    import numpy as np

    rng = np.random.default_rng(_SEED)
    columns: dict[str, Any] = {}
    for one in trial.inputs:
        missing = rng.random(ROWS) < (0.1 if one.name in trial.nullable else 0.0)
        columns[one.name] = _generated_values(one.type, rng, missing)
    for one in trial.columns:
        columns[one.name] = _generated_values(one.type, rng, np.zeros(ROWS, dtype=bool))
    if (weights := trial.model.train.weights_column) is not None:
        columns[weights] = rng.integers(1, 9, ROWS)
    if trial.model.train.early_stopping is not None:
        columns[VALIDATION_COLUMN] = np.arange(ROWS) % 5 == 0
    classes = 3 if trial.model.task == "multiclass-classification" else 2
    labels = rng.permutation(np.arange(ROWS) % classes)
    if trial.model.task == "regression":
        columns[trial.output.name] = (rng.random(ROWS) * 9 + 1).tolist()
    elif trial.output.type == "string":
        columns[trial.output.name] = [f"class {label}" for label in labels]
    else:
        columns[trial.output.name] = labels.astype(bool if trial.output.type == "boolean" else int).tolist()
    return columns


def _generated_values(type: str, rng: Any, missing: Any) -> Any:
    """Return a pyarrow array of ROWS values of a column type."""
    import numpy as np
    import pyarrow as pa

    day = np.datetime64("2024-01-01") + rng.integers(0, 700, ROWS)
    values: dict[str, Any] = {
        "integer": rng.integers(0, 9, ROWS),
        "boolean": rng.random(ROWS) < 0.5,
        "string": rng.choice(["red", "green", "blue"], ROWS),
        "date": day,
        "timestamp": day.astype("datetime64[us]") + rng.integers(0, 86_400_000_000, ROWS),
    }
    return pa.array(values.get(type, rng.normal(size=ROWS)).tolist(), mask=missing)
