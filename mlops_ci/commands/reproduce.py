"""`reproduce`: trains a release again from its commit, data and environment, and compares the two models."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mlops_ci import __version__
from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.errors import Findings, UsageProblem
from mlops_ci.core.plan import Outcome
from mlops_ci.core.results.queries import Cause, CauseKind, ReproduceReport
from mlops_ci.core.verbs import ALL_SURFACES, FETCH_PERMISSION, MODEL_OPTION, Option, Verb
from mlops_ci.evaluation.candidates.candidate import Candidate
from mlops_ci.evaluation.candidates.release_checkout import (
    RecordedRelease,
    checkout_release,
    load_recorded_release,
    recover_candidate,
)
from mlops_ci.evaluation.candidates.training import fit_candidate
from mlops_ci.governance.verified_registry import verify_project
from mlops_ci.registry.lookup import require_model, require_release, require_release_record
from mlops_ci.repository.context import Project
from mlops_ci.repository.lookup import require_repository
from mlops_ci.training.environment_rebuild import provide_environment
from mlops_ci.training.golden import read_golden_rows
from mlops_ci.training.package import FittedModel
from mlops_ci.training.packaging.golden_rows import GOLDEN_TOLERANCE, compare_golden_rows
from mlops_ci.training.packaging.package_files import GOLDEN_FILE
from mlops_ci.training.reproduction_differences import find_difference_causes
from mlops_ci.training.workers.protocol import Interpreter

SPEC = Verb(
    "reproduce",
    "Rebuild a release from its commit and compare the models.",
    (
        MODEL_OPTION,
        Option("rebuild", "Build the recorded environment even if the current one is the same.", kind="flag"),
    ),
    syncs="try",
    surfaces=ALL_SURFACES,
    permissions=(FETCH_PERMISSION,),
    icon="repeat",
    details="The result is identical, equivalent (the same predictions within 1e-9) or different, with the cause. The recorded environment"
    " is built with uv, or with pip if uv is missing, unless the current one is the same. The work tree is not changed.",
)


def reproduce(project: Project, *, model: str, rebuild: bool = False) -> Outcome[ReproduceReport]:
    """Train MODEL or MODEL@VERSION (default: the newest release) again in a scratch folder, and compare it with the release.

    `rebuild` builds the recorded environment even if the current one is the same. Raises UsageProblem for an unknown version,
    and EnvironmentProblem when the release's run or commit is missing or does not match the release.
    """
    started = project.context.clock()
    name, _, version = model.partition("@")
    repo = require_repository(project.context.repo)
    verified = verify_project(project, name)
    event = require_release(require_model(project, verified.state, name), version or None)
    release = require_release_record(event)
    record = load_recorded_release(project, repo, release)
    restored = checkout_release(project, repo, release)
    candidate, causes = recover_candidate(restored, record)
    report = ReproduceReport(
        release=event.ref.name,
        commit=release.commit,
        run=release.run_key,
        state="different",
        compared="nothing",
        recorded=release.model_digest,
        recorded_environment=record.run.environment,
        tolerance=GOLDEN_TOLERANCE,
        causes=causes,
    )
    if candidate is not None:
        report = _compare_with_record(restored.project, candidate, record, report, force=rebuild)
    seconds = (project.context.clock() - started).total_seconds()
    report = replace(report, seconds=round(seconds, 3))
    return Outcome(report, (*verified.warnings(name), *_findings(report)))


@dataclass(frozen=True)
class _Attempt:
    """One training: the fitted model, or the message of the failure."""

    model: FittedModel | None
    failure: str = ""

    @property
    def digest_or_failure(self) -> str:
        """The model's digest, or the failure; two equal trainings must agree in it."""
        return self.model.model_digest if self.model else self.failure


def _compare_with_record(
    project: Project, candidate: Candidate, record: RecordedRelease, report: ReproduceReport, *, force: bool
) -> ReproduceReport:
    """Train in the recorded environment, or the nearest one; if the model differs from the release, train once more."""
    context, run = project.context, record.run
    folder = Path(tempfile.mkdtemp(prefix="environment-", dir=context.scratch))
    provided = provide_environment(run.environment, folder, force=force, progress=context.progress)
    context.progress(f"training {run.model} on {run.split.train_rows:,} rows")
    first = _attempt_training(project, candidate, record, provided.interpreter)
    used = provided.used
    if first.model is not None:
        used = replace(used, environment=replace(used.environment, threadpools=first.model.environment.threadpools))
    report = replace(report, used=used)
    toolkits = (record.release.made_by.toolkit, __version__)
    if first.model is None:
        failed = Cause("unexplained", f"the training failed here: {first.failure}")
        causes = [
            one
            for one in find_difference_causes(run.environment, used.environment, toolkits, ())
            if one.kind in ("library", "toolkit")
        ]
        return replace(report, causes=(*causes, failed))
    digest = first.model.model_digest
    report = replace(report, reproduced=(digest,), compared="structure")
    if digest == run.model_digest:
        return replace(report, state="identical")
    context.progress(f"training {run.model} once more: the model differs from the release")
    second = _attempt_training(project, candidate, record, provided.interpreter)
    digests = (digest, second.model.model_digest) if second.model else (digest,)
    inputs = [field.name for field in run.signature.inputs]
    golden = compare_golden_rows(record.folder, first.model.folder, inputs)
    return replace(
        report,
        state="equivalent" if golden.is_close else "different",
        compared="structure" if golden.largest_difference is None else "predictions",
        reproduced=digests,
        rows=golden.rows,
        changed=golden.changed_rows,
        difference=golden.largest_difference,
        causes=find_difference_causes(run.environment, used.environment, toolkits, (digest, second.digest_or_failure)),
    )


def _attempt_training(
    project: Project, candidate: Candidate, record: RecordedRelease, interpreter: Interpreter
) -> _Attempt:
    try:
        golden = read_golden_rows(record.folder / GOLDEN_FILE, record.run.signature.inputs)
        return _Attempt(fit_candidate(project, candidate, interpreter, golden))
    except (Findings, UsageProblem) as error:
        return _Attempt(None, error.diagnostics[0].message)


def _findings(report: ReproduceReport) -> tuple[Diagnostic, ...]:
    findings = []
    if report.used is not None and report.used.problem is not None:
        findings.append(
            Diagnostic(
                "environment-not-rebuilt",
                f"the recorded environment could not be rebuilt, so the nearest one was used: {report.used.problem}",
                help="give pip or uv an index with these versions (PIP_INDEX_URL, UV_INDEX_URL), or use the recorded Python",
                severity="warning",
            )
        )
    why = "; ".join(cause.sentence for cause in report.causes)
    if report.state == "equivalent":
        findings.append(
            Diagnostic(
                "reproduce-equivalent",
                f"{report.release} was reproduced with the same predictions (within {GOLDEN_TOLERANCE:g}), but the model has another structure: {why}",
                severity="warning",
            )
        )
    elif report.state == "different":
        helps = dict.fromkeys(_CAUSE_HELP[cause.kind] for cause in report.causes)
        message = f"{report.release} could not be reproduced: {why}"
        findings.append(Diagnostic("reproduce-different", message, help="\n".join(helps)))
    return tuple(findings)


_CAUSE_HELP: Mapping[CauseKind, str] = {
    "data": "look for a clone or a backup with these files; `git log --all -- PATH` shows who removed them",
    "commit": "the tag and the commit disagree, and `release` never writes such a tag: compare both with another clone",
    "library": "run this command where the recorded versions can be installed",
    "cpu": "run this command on a machine with the recorded CPU, or set OPENBLAS_CORETYPE to the kernel of that CPU",
    "unseeded": "let the estimator use random_state or numpy's global generator, which the spec's seed sets",
    "toolkit": "run this command with the mlops-ci version that made the release",
    "unexplained": "compare the training logs: git show refs/mlops/releases/MODEL/vVERSION:log.txt",
}
