"""The training process: it is handed the training rows and nothing else, fits, packages, and writes what it found."""

from __future__ import annotations

import json
import random
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

from mlops_ci.codec import encode
from mlops_ci.diagnostics import Diagnostic
from mlops_ci.errors import Findings, ToolError, UsageProblem
from mlops_ci.learn import estimator, frame, jobs, package
from mlops_ci.learn.environment import threadpools
from mlops_ci.learn.structural import OpaqueObjectError, structural_digest
from mlops_ci.records import Signature


def main(path: str) -> None:
    """Do the job at `path` and write the answer beside it."""
    job = jobs.read_job(jobs.TrainJob, path)
    try:
        found = train(job)
    except ToolError as error:
        found = jobs.TrainAnswer(error.diagnostics, usage=isinstance(error, UsageProblem))
    jobs.write_answer(found, path)


def train(job: jobs.TrainJob) -> jobs.TrainAnswer:
    """Fit and package a candidate; raises UsageProblem and Findings for what its spec, data or code got wrong."""
    import numpy as np
    import pyarrow.parquet as pq

    random.seed(job.seed)
    np.random.seed(job.seed)  # for code that draws from the global generator
    table = pq.read_table(job.data)
    rows = table.to_pandas()
    y = _target(rows[job.output.name], job)
    x = frame.features(rows, job.inputs)
    model = estimator.build(
        estimator=job.estimator,
        entrypoint=job.entrypoint,
        params=job.params,
        seed=job.seed,
        inputs=job.inputs,
        root=Path(job.root),
    )
    described = " ".join(repr(model).split())[:2000]
    started = time.perf_counter()
    _fit(model, x, y, job)
    seconds = time.perf_counter() - started
    signature = _signature(model, job)
    out = Path(job.out)
    digest, untrusted = _package(model, out / package.MODEL, job)
    if missing := sorted(set(untrusted) - {*job.trusted, *package.REVIEWED}):
        return jobs.TrainAnswer((_untrusted(missing),), untrusted=untrusted)
    back = package.load(out / package.MODEL, [*job.trusted, *package.REVIEWED])
    _golden(back, table, rows, job, out / package.GOLDEN)
    (out / package.SIGNATURE).write_text(
        json.dumps(encode(signature), indent=2, sort_keys=True) + "\n", encoding="utf-8"
    )
    (out / package.REQUIREMENTS).write_text(job.requirements, encoding="utf-8")
    notes = tuple(_unused(name) for name in job.trusted if name not in untrusted)
    return jobs.TrainAnswer(notes, False, signature, digest, described, seconds, untrusted, threadpools())


def _target(values: Any, job: jobs.TrainJob) -> Any:
    import numpy as np
    import pandas as pd

    name = job.output.name
    if missing := int(values.isna().sum()):
        raise Findings.of(
            "target-missing-values",
            f"{missing:,} of {len(values):,} training rows have no '{name}', the target",
            help=f"Leave those rows out of the data, and forbid them: columns.{name}.nulls: {{max: 0}}.",
        )
    y = frame.target(values, job.output.type, job.task)
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


def _fit(model: Any, x: Any, y: Any, job: jobs.TrainJob) -> None:
    try:
        model.fit(x, y)
    except (Exception, SystemExit) as error:  # the candidate's own code, or a library's word on the candidate's data
        location, shown = estimator.user_frames(error, Path(job.root))
        sys.stderr.write(shown)
        message = f"fitting failed: {estimator.headline(error)}"
        raise Findings(
            [Diagnostic("train-failed", message, location, "The whole traceback is in the training log.")]
        ) from error


def _signature(model: Any, job: jobs.TrainJob) -> Signature:
    if job.task == "regression":
        return Signature(job.inputs, job.output)
    if not hasattr(model, "classes_"):
        raise Findings.of(
            "train-failed",
            f"the fitted {type(model).__name__} has no classes_, as a classifier must",
            help="Use a classifier for this task, or set self.classes_ in fit.",
        )
    return Signature(
        job.inputs, job.output, tuple(item.item() if hasattr(item, "item") else item for item in model.classes_)
    )


def _package(model: Any, path: Path, job: jobs.TrainJob) -> tuple[str, tuple[str, ...]]:
    """Write the model file; return its structural digest and the types that it needs trust for."""
    import skops.io

    try:
        digest = structural_digest(model)
        skops.io.dump(model, path, compression=zipfile.ZIP_DEFLATED)
        return digest, tuple(sorted(skops.io.get_untrusted_types(file=path)))
    except OpaqueObjectError as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001 skops raises what the object's own state makes it raise
        sys.stderr.write(estimator.user_frames(error, Path(job.root))[1])
        reason = estimator.headline(error)
    raise Findings.of(
        "model-not-packable",
        f"the fitted model cannot be packaged: {reason}",
        help="Keep only data in the model: no lambdas, open files or connections; functions at the top of a module.",
    )


def _untrusted(missing: list[str]) -> Diagnostic:
    lines = "\n".join(f"    - {name}" for name in missing)
    return Diagnostic(
        "model-types-untrusted",
        f"the model file holds {len(missing)} types that the spec does not trust: {', '.join(missing)}",
        help=f"Loading the model makes objects of these types. Review them, then add:\ntrain:\n  trusted:\n{lines}",
    )


def _unused(name: str) -> Diagnostic:
    return Diagnostic(
        "model-trusted-unused",
        f"train.trusted lists '{name}', which the model does not need",
        help="Take it off the list: every trusted type is one more that a model file may make.",
        severity="warning",
    )


def _golden(model: Any, table: Any, rows: Any, job: jobs.TrainJob, path: Path) -> None:
    """Write rows spread evenly over the training data, with what the model as loaded from its file says of them."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    at = np.unique(np.linspace(0, len(rows) - 1, min(package.GOLDEN_ROWS, len(rows))).round().astype(int))
    some = frame.features(rows.iloc[at], job.inputs)
    golden = table.select([field.name for field in job.inputs]).take(pa.array(at)).replace_schema_metadata(None)
    for name, values in package.predict(model, some, job.task).items():
        golden = golden.append_column(name, pa.array(values))
    pq.write_table(golden, path)
