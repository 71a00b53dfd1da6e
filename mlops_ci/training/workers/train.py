"""The training worker: receives only the training rows, fits the model, and writes the model file."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlops_ci.core.errors import Findings, ToolError, UsageProblem, error_headline
from mlops_ci.training import frame, user_code
from mlops_ci.training.environment import loaded_threadpools
from mlops_ci.training.frameworks.protocol import EstimatorRecipe, FitOptions, Framework
from mlops_ci.training.frameworks.sklearn import SKLEARN
from mlops_ci.training.frameworks.table import load_framework
from mlops_ci.training.library_imports import LIBRARIES, import_libraries
from mlops_ci.training.packaging.protocol import Packager
from mlops_ci.training.packaging.structural_digest import OpaqueObjectError
from mlops_ci.training.packaging.table import load_packager
from mlops_ci.training.workers import protocol
from mlops_ci.training.workers.fit_options import read_fit_options


def main(path: str) -> None:
    """Do the job in the file `path` and write the answer into the same folder."""
    job = protocol.read_job(protocol.TrainJob, path)
    if job.framework == SKLEARN.name:
        import_libraries(LIBRARIES)
    try:
        answer = fit_and_package(job)
    except ToolError as error:
        answer = protocol.TrainAnswer(error.diagnostics, usage=isinstance(error, UsageProblem))
    protocol.write_answer(answer, path)


def fit_and_package(job: protocol.TrainJob) -> protocol.TrainAnswer:
    """Fit and package a candidate; raises UsageProblem or Findings for errors in its spec, data or code."""
    import pyarrow.parquet as pq

    framework = load_framework(job.framework)
    framework.set_global_seeds(job.seed)
    table = pq.read_table(job.data)
    rows = table.to_pandas()
    y = _require_valid_target(rows[job.output.name], job)
    x = frame.feature_frame(rows, job.inputs)
    root = Path(job.root)
    model = framework.build(
        EstimatorRecipe(
            job.estimator,
            job.entrypoint,
            job.params,
            job.seed,
            job.inputs,
            root,
            labels=_sorted_labels(y, job.task),
            text=job.text,
        )
    )
    what, help = "the estimator could not be described", "The traceback is in the training log."
    fit = _choose_fit(framework, read_fit_options(job, rows, y))
    described = user_code.call_user_code(lambda: repr(model), "train-failed", what, help, root)
    started = time.perf_counter()
    user_code.call_user_code(lambda: fit(model, x, y), "train-failed", "fitting failed", help, root)
    seconds = time.perf_counter() - started
    _write_model_file(load_packager(framework.packager), model, Path(job.out), root)
    return protocol.TrainAnswer(
        estimator=protocol.printable_line(described, 2000),
        seconds=seconds,
        threadpools=loaded_threadpools(),
        rounds=framework.rounds_used(model),
    )


def _choose_fit(framework: Framework, options: FitOptions | None) -> Callable[[Any, Any, Any], None]:
    """Return the function that fits an estimator with the options; raises UsageProblem when the framework has none."""
    if options is None:
        return framework.fit
    if framework.fit_with is None:
        raise UsageProblem.of(
            "train-options-unsupported",
            f"the framework '{framework.name}' does not read `weights`, `fit` and `columns`",
            help="Delete them from `train`, or ask the framework's author for `fit_with`.",
        )
    fit_with = framework.fit_with
    return lambda model, x, y: fit_with(model, x, y, options)


def _sorted_labels(y: Any, task: str) -> tuple[Any, ...]:
    import numpy as np

    return () if task == "regression" else tuple(np.unique(y).tolist())


def _require_valid_target(values: Any, job: protocol.TrainJob) -> Any:
    import numpy as np
    import pandas as pd

    name = job.output.name
    if missing := int(values.isna().sum()):
        raise Findings.of(
            "target-missing-values",
            f"the target '{name}' has no value in {missing:,} of {len(values):,} training rows",
            help=f"Remove these rows from the data, and add the rule `{name}: {{nulls: {{max: 0}}}}` to `columns`.",
        )
    if job.task != "regression":
        _require_label_type(values, job)
    y = frame.target_array(values, job.output.type, job.task)
    if job.task == "regression":
        return y
    if y.dtype.kind == "f":
        if not np.equal(np.mod(y, 1), 0).all():
            raise Findings.of(
                "target-not-classes",
                f"the target '{name}' has fractional values, but the task is {job.task}",
                help="Use `task: regression`, or a target with one value per class.",
            )
        y = y.astype("int64")
    classes = sorted(pd.unique(y).tolist(), key=str)
    if len(classes) < 2:
        raise Findings.of(
            "target-one-class",
            f"the target '{name}' is {classes[0]!r} in every training row" if classes else "there are no training rows",
            help="A classifier needs rows of at least two classes. Check the data, and how the target is computed.",
        )
    if job.task == "binary-classification" and len(classes) > 2:
        shown = ", ".join(map(repr, classes[:5])) + (", ..." if len(classes) > 5 else "")
        raise Findings.of(
            "target-not-binary",
            f"the target '{name}' has {len(classes)} values ({shown}), but the task is binary-classification",
            help="Use `task: multiclass-classification`, or a target with two values.",
        )
    return y


def _require_label_type(values: Any, job: protocol.TrainJob) -> None:
    """Raise Findings `target-not-classes` for values that no estimator keeps as labels."""
    name, type = job.output.name, job.output.type
    if type in ("date", "timestamp"):
        what = f"the target '{name}' is of type {type}, and an estimator takes no times for classes"
    elif type == "integer" and not frame.has_only_int64(values):
        what = f"the target '{name}' has integers beyond 64 bits with a sign, which an estimator would round"
    else:
        return
    raise Findings.of(
        "target-not-classes", what, help="Write the labels as text, or choose a target with few different values."
    )


def _write_model_file(packager: Packager, model: Any, path: Path, root: Path) -> None:
    """Write the model file; raises Findings when the model contains objects that are not data."""
    try:
        packager.digest(model)  # its error names the object more precisely than an error of writing
        packager.write(model, path)
    except OpaqueObjectError as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001 the object's state can cause any error
        sys.stderr.write(user_code.locate_user_error(error, root)[1])
        reason = error_headline(error)
    else:
        return
    raise Findings.of(
        "model-not-packable",
        f"the fitted model cannot be packaged: {reason}",
        help="Keep only data in the model: no lambdas, open files or connections. Define functions at the top level of "
        "a module.",
    )
