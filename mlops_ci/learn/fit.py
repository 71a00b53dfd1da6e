"""Fit a candidate in a process of its own, and read back what it made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlops_ci.diagnostics import Diagnostic, Location, has_errors
from mlops_ci.digest import digest_file
from mlops_ci.errors import Findings, UsageProblem
from mlops_ci.learn import environment as environments
from mlops_ci.learn import jobs, package
from mlops_ci.records import Environment, Field, FileDigest, Signature
from mlops_ci.spec.kinds import Task, Train

_TRAINER = "mlops_ci.learn.trainer"
RESERVED = "prediction."


@dataclass(frozen=True)
class Fitted:
    """A packaged candidate: its files in `folder`, what a TrainingRun says of it, the training's output in `log`."""

    folder: Path
    files: tuple[FileDigest, ...]
    signature: Signature
    model_digest: str
    environment: Environment
    estimator: str
    trusted: tuple[str, ...]
    seconds: float
    log: Path
    diagnostics: tuple[Diagnostic, ...] = ()


def fit(
    train: Train,
    *,
    task: Task,
    inputs: Sequence[Field],
    output: Field,
    data: Path,
    root: Path,
    scratch: Path,
    environment: Environment,
    where: Location | None = None,
    timeout: float | None = None,
) -> Fitted:
    """Fit on the rows of the parquet file `data` (inputs and output, in a fixed order) and package in `scratch`.

    `where` is the spec's train block, for messages; `timeout` is in seconds. Raises UsageProblem when the spec asks for
    what cannot be built, Findings when training fails or the model needs types that `train.trusted` does not list.
    """
    if taken := [field.name for field in inputs if field.name.startswith(RESERVED)]:
        raise UsageProblem.of(
            "feature-name-reserved",
            f"feature '{taken[0]}' has a name that predictions are stored under",
            location=where,
            help=f"Rename the column: no feature may start with '{RESERVED}'.",
        )
    out, work = scratch / "package", scratch / "train"
    for folder in (out, work):
        folder.mkdir(parents=True)
    job = jobs.TrainJob(
        data=str(data.resolve()),
        out=str(out.resolve()),
        root=str(root.resolve()),
        task=task,
        inputs=tuple(inputs),
        output=output,
        estimator=train.estimator,
        entrypoint=train.entrypoint,
        params=train.params,
        seed=train.seed,
        trusted=train.trusted,
        requirements=environments.requirements(environment),
    )
    ended = jobs.launch(_TRAINER, job, work.resolve(), timeout=timeout)
    if ended.timed_out:
        raise Findings.of(
            "train-timed-out",
            f"training took more than {timeout:g} seconds",
            location=where,
            help="Use fewer rows or a smaller model.",
        )
    found = jobs.answer(jobs.TrainAnswer, work)
    if found is not None and has_errors(found.diagnostics):
        raise (UsageProblem if found.usage else Findings)(_placed(found.diagnostics, where))
    complete = found is not None and all((out / name).is_file() for name in package.FILES)
    if found is None or found.signature is None or found.model_digest is None or not complete:
        raise Findings.of("train-failed", _died(ended.returncode, "training"), location=where, help=ended.tail or None)
    return Fitted(
        out,
        tuple(FileDigest(name, digest_file(out / name), (out / name).stat().st_size) for name in package.FILES),
        found.signature,
        found.model_digest,
        replace(environment, threadpools=found.threadpools),
        found.estimator,
        found.untrusted,
        found.seconds,
        work / "log.txt",
        _placed(found.diagnostics, where),
    )


def _placed(diagnostics: tuple[Diagnostic, ...], where: Location | None) -> tuple[Diagnostic, ...]:
    """Put findings that name no place at the spec's train block."""
    return tuple(replace(one, location=one.location or where) for one in diagnostics)


def _died(returncode: int, what: str) -> str:
    if returncode < 0:
        cause = " (out of memory?)" if returncode == -9 else ""
        return f"{what} was ended by signal {-returncode}{cause}"
    return f"{what} ended with exit code {returncode} and no result"
