"""`reproduce`: a release made again from its commit, data and environment; whether it is the same, or what has moved."""

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
from mlops_ci.deployment.assignment import evidence_of, known_model, known_release, needed_repository
from mlops_ci.evaluation.candidates.candidate import Candidate
from mlops_ci.evaluation.candidates.release_checkout import Recorded, candidate_of, recorded, restore
from mlops_ci.evaluation.candidates.training import fitted
from mlops_ci.registry.state import read
from mlops_ci.repository.context import Project
from mlops_ci.training.fit import Fitted
from mlops_ci.training.packaging.golden_rows import TOLERANCE, agreement
from mlops_ci.training.packaging.skops import GOLDEN
from mlops_ci.training.rebuild import provide
from mlops_ci.training.reproduction_differences import causes
from mlops_ci.training.workers.protocol import Interpreter


def reproduce(project: Project, *, model: str, rebuild: bool = False) -> Outcome[ReproduceReport]:
    """Train MODEL or MODEL@VERSION (default: the newest release) again in scratch, and compare it with what was released.

    `rebuild` builds the recorded environment even where the one at hand is the same. Raises UsageProblem for an unknown
    version, EnvironmentProblem when the release's run or commit cannot be had, or is not what the release says.
    """
    started = project.context.clock()
    name, _, version = model.partition("@")
    repo = needed_repository(project)
    registry = read(repo)
    event = known_release(registry.model(known_model(project, registry, name)), version or None)
    release = evidence_of(event)
    record = recorded(project, repo, release)
    restored = restore(project, repo, release)
    candidate, lost = candidate_of(restored, record)
    report = ReproduceReport(
        release=event.ref.name,
        commit=release.commit,
        run=release.run_key,
        state="different",
        compared="nothing",
        recorded=release.model_digest,
        recorded_environment=record.run.environment,
        tolerance=TOLERANCE,
        causes=lost,
    )
    if candidate is not None:
        report = _compared(restored.project, candidate, record, report, force=rebuild)
    seconds = (project.context.clock() - started).total_seconds()
    report = replace(report, seconds=round(seconds, 3))
    return Outcome(report, _findings(report))


@dataclass(frozen=True)
class _Attempt:
    """One training: the model that it made, or what it said instead."""

    made: Fitted | None
    failure: str = ""

    @property
    def outcome(self) -> str:
        """What two trainings of the same must agree in."""
        return self.made.model_digest if self.made else self.failure


def _compared(
    project: Project, candidate: Candidate, record: Recorded, report: ReproduceReport, *, force: bool
) -> ReproduceReport:
    """Train in the recorded environment, or what could be had of it; where the result is another one, train once more."""
    context, run = project.context, record.run
    folder = Path(tempfile.mkdtemp(prefix="environment-", dir=context.scratch))
    provided = provide(run.environment, folder, force=force, progress=context.progress)
    context.progress(f"training {run.model} on {run.split.train_rows:,} rows")
    first = _attempt(project, candidate, provided.interpreter)
    used = provided.used
    if first.made is not None:
        used = replace(used, environment=replace(used.environment, threadpools=first.made.environment.threadpools))
    report = replace(report, used=used)
    toolkits = (record.release.made_by.toolkit, __version__)
    if first.made is None:
        failed = Cause("unexplained", f"the training failed here: {first.failure}")
        found = [
            one for one in causes(run.environment, used.environment, toolkits, ()) if one.kind in ("library", "toolkit")
        ]
        return replace(report, causes=(*found, failed))
    digest = first.made.model_digest
    report = replace(report, reproduced=(digest,), compared="structure")
    if digest == run.model_digest:
        return replace(report, state="identical")
    context.progress(f"training {run.model} once more: the model is another one")
    second = _attempt(project, candidate, provided.interpreter)
    digests = (digest, second.made.model_digest) if second.made else (digest,)
    inputs = [field.name for field in run.signature.inputs]
    golden = agreement(record.folder / GOLDEN, first.made.folder / GOLDEN, inputs)
    return replace(
        report,
        state="equivalent" if golden.close else "different",
        compared="structure" if golden.largest is None else "predictions",
        reproduced=digests,
        rows=golden.rows,
        changed=golden.changed,
        difference=golden.largest,
        causes=causes(run.environment, used.environment, toolkits, (digest, second.outcome)),
    )


def _attempt(project: Project, candidate: Candidate, interpreter: Interpreter) -> _Attempt:
    try:
        return _Attempt(fitted(project, candidate, interpreter))
    except (Findings, UsageProblem) as error:
        return _Attempt(None, error.diagnostics[0].message)


def _findings(report: ReproduceReport) -> tuple[Diagnostic, ...]:
    found = []
    if report.used is not None and report.used.problem is not None:
        found.append(
            Diagnostic(
                "environment-not-rebuilt",
                f"the recorded environment could not be rebuilt, and the nearest one was used: {report.used.problem}",
                help="give pip or uv an index that has these versions (PIP_INDEX_URL, UV_INDEX_URL), or run this with that Python",
                severity="warning",
            )
        )
    why = "; ".join(cause.sentence for cause in report.causes)
    if report.state == "equivalent":
        found.append(
            Diagnostic(
                "reproduce-equivalent",
                f"{report.release} was made again with the same predictions (within {TOLERANCE:g}), but another structure: {why}",
                severity="warning",
            )
        )
    elif report.state == "different":
        helps = dict.fromkeys(_HELP[cause.kind] for cause in report.causes)
        message = f"{report.release} could not be made again: {why}"
        found.append(Diagnostic("reproduce-different", message, help="\n".join(helps)))
    return tuple(found)


_HELP: Mapping[CauseKind, str] = {
    "data": "look for a clone or a backup that has these files; git log --all -- PATH shows who removed them",
    "commit": "the tag and the commit disagree, which release never writes: compare both with another clone",
    "library": "run this where the recorded versions can be installed",
    "cpu": "run this on such a machine, or set OPENBLAS_CORETYPE to its kernel; then compare what the difference is worth",
    "unseeded": "let the estimator draw from random_state or from numpy's global generator, which the spec's seed decides",
    "toolkit": "run this with the version of the toolkit that made the release",
    "unexplained": "compare the training logs: git show refs/mlops/releases/MODEL/vVERSION:log.txt",
}
