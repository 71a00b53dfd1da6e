"""The training process: it is handed the training rows and nothing else, fits, and writes the model file."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from mlops_ci.core.errors import Findings, ToolError, UsageProblem, error_headline
from mlops_ci.training import frame, user_code
from mlops_ci.training.environment import loaded_threadpools
from mlops_ci.training.frameworks.built_in import load_framework
from mlops_ci.training.frameworks.protocol import EstimatorRecipe
from mlops_ci.training.packaging.built_in import load_packager
from mlops_ci.training.packaging.protocol import Packager
from mlops_ci.training.packaging.structural_digest import OpaqueObjectError
from mlops_ci.training.workers import protocol


def main(path: str) -> None:
    """Do the job at `path` and write the answer beside it."""
    job = protocol.read_job(protocol.TrainJob, path)
    try:
        found = fit_and_package(job)
    except ToolError as error:
        found = protocol.TrainAnswer(error.diagnostics, usage=isinstance(error, UsageProblem))
    protocol.write_answer(found, path)


def fit_and_package(job: protocol.TrainJob) -> protocol.TrainAnswer:
    """Fit and package a candidate; raises UsageProblem and Findings for what its spec, data or code got wrong."""
    import pyarrow.parquet as pq

    framework = load_framework(job.framework)
    framework.set_global_seeds(job.seed)
    table = pq.read_table(job.data)
    rows = table.to_pandas()
    y = _require_valid_target(rows[job.output.name], job)
    x = frame.feature_frame(rows, job.inputs)
    root = Path(job.root)
    model = framework.build(
        EstimatorRecipe(job.estimator, job.entrypoint, job.params, job.seed, job.inputs, root),
    )
    what, help = "describing the estimator failed", "The traceback is in the training log."
    described = user_code.call_user_code(lambda: repr(model), "train-failed", what, help, root)
    started = time.perf_counter()
    user_code.call_user_code(lambda: framework.fit(model, x, y), "train-failed", "fitting failed", help, root)
    seconds = time.perf_counter() - started
    _write_model_file(load_packager(framework.packager), model, Path(job.out), root)
    return protocol.TrainAnswer(
        estimator=protocol.printable_line(described, 2000), seconds=seconds, threadpools=loaded_threadpools()
    )


def _require_valid_target(values: Any, job: protocol.TrainJob) -> Any:
    import numpy as np
    import pandas as pd

    name = job.output.name
    if missing := int(values.isna().sum()):
        raise Findings.of(
            "target-missing-values",
            f"{missing:,} of {len(values):,} training rows have no '{name}', the target",
            help=f"Leave those rows out of the data, and forbid them: columns.{name}.nulls: {{max: 0}}.",
        )
    y = frame.target_array(values, job.output.type, job.task)
    if job.task == "regression":
        return y
    if y.dtype.kind == "f":
        if not np.equal(np.mod(y, 1), 0).all():
            raise Findings.of(
                "target-not-classes",
                f"'{name}', the target, has fractions and the task is {job.task}",
                help="Use task: regression, or a target with one value per class.",
            )
        y = y.astype("int64")
    found = sorted(pd.unique(y).tolist(), key=str)
    if len(found) < 2:
        raise Findings.of(
            "target-one-class",
            f"every training row has the same '{name}': {found[0]!r}" if found else "there are no training rows",
            help="A classifier needs rows of at least two classes. Check the data, and how the target is made.",
        )
    if job.task == "binary-classification" and len(found) > 2:
        shown = ", ".join(map(repr, found[:5])) + (", ..." if len(found) > 5 else "")
        raise Findings.of(
            "target-not-binary",
            f"'{name}', the target, has {len(found)} values ({shown}) and the task is binary-classification",
            help="Use task: multiclass-classification, or make a target with two values.",
        )
    return y


def _write_model_file(packager: Packager, model: Any, path: Path, root: Path) -> None:
    """Write the model file; raises Findings when the model holds what is not data."""
    try:
        packager.digest(model)  # names what is hidden in the model better than its file could
        packager.write(model, path)
    except OpaqueObjectError as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001 writing raises what the object's own state makes it raise
        sys.stderr.write(user_code.locate_user_error(error, root)[1])
        reason = error_headline(error)
    else:
        return
    raise Findings.of(
        "model-not-packable",
        f"the fitted model cannot be packaged: {reason}",
        help="Keep only data in the model: no lambdas, open files or connections; functions at the top of a module.",
    )
