"""`gate`: validate, check, train and compare; one report, one verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mlops_ci.commands.compare import CandidateComparison, compare_candidate, verdict_exit_code
from mlops_ci.commands.train import train_candidate
from mlops_ci.core.diagnostics import Diagnostic, has_errors
from mlops_ci.core.errors import Exit, Findings, UsageProblem
from mlops_ci.core.notifications import Notification
from mlops_ci.core.plan import Outcome, Plan
from mlops_ci.core.planned_writes import AppendLedger, PlannedWrite, Push
from mlops_ci.core.records import DatasetSnapshot, TrainingRun
from mlops_ci.core.results.gate import GatedModel, GateReport, worst_verdict
from mlops_ci.core.results.power import PowerReport
from mlops_ci.deployment.assignment import require_repository
from mlops_ci.evaluation.base_branch_rules import BaseBranch, find_base
from mlops_ci.evaluation.candidates.candidate import Candidate, identify_candidate, read_data, select_models
from mlops_ci.evaluation.external_runs import (
    RunArtifact,
    import_run,
    match_candidate,
    read_artifacts,
    runs_untrusted_code,
)
from mlops_ci.evaluation.holdout.budget import plan_publish
from mlops_ci.evaluation.holdout.sealed import open_holdout
from mlops_ci.evaluation.notify import gate_notifications
from mlops_ci.evaluation.power_analysis import analyse_power
from mlops_ci.governance.revocations import revocation_warnings
from mlops_ci.registry import state
from mlops_ci.registry.run_transfer import plan_bundle, without_size_limit
from mlops_ci.repository.context import Project


def gate(
    project: Project,
    *,
    models: tuple[str, ...] = (),
    power: bool = False,
    check_determinism: bool = False,
    base: str | None = None,
    runs: str | None = None,
    out: str | None = None,
) -> Outcome[GateReport] | Outcome[PowerReport]:
    """Put the models named, or all, through the gate; with `power`, only say what difference each gate could see.

    Rules are those of `base` (see `ruling.base_of`). With `check_determinism` each candidate is fitted once more, and fails where that gives another model.
    With `runs`, a folder, candidates are what other jobs trained, and none of their code runs here (see `arrivals`). `out` is
    a file that takes the judged runs to `keep`, which counts their questions.

    The specs are valid already (a project with invalid ones is not opened). What is wrong with one model, or its data, is
    that model's verdict; the others are judged all the same, and the exit code is the most severe one. Raises UsageProblem
    outside a repository.
    """
    if power:  # what would be seen by the rules at hand: nothing is decided by them
        named = find_base(project, base) if base else None
        return Outcome(
            PowerReport(tuple(analyse_power(project, name, named) for name in select_models(project, models)))
        )
    if runs and check_determinism:
        raise UsageProblem.of(
            "options-conflict", "--runs trains nothing, so --check-determinism cannot", help="give it to `train`"
        )
    project = _with_separated_trust(project) if runs else project
    project = without_size_limit(project) if out else project
    judge = find_base(project, base)
    gated: list[GatedModel] = []
    findings: list[Diagnostic] = []
    answers: list[CandidateComparison] = []
    writes: list[PlannedWrite] = []
    questions: list[AppendLedger] = []
    stopped_by = Exit.OK
    repo = require_repository(project)  # found out before anything is trained
    arrivals = read_artifacts(repo, project.context.start_folder / runs) if runs else None
    for name in select_models(project, models):
        try:
            one, found, plan, answer = _gate_model(project, name, judge, questions, arrivals, twice=check_determinism)
        except (Findings, UsageProblem) as stopped:
            one, found, plan = GatedModel(name, "fail", stopped.diagnostics[0].message), stopped.diagnostics, Plan()
            answer = None
            stopped_by = max(stopped_by, stopped.exit_code)
        gated.append(one)
        findings.extend(found)
        writes.extend(plan.writes)
        if answer is not None:
            answers.append(answer)
            questions.extend(answer.questions)
    report = GateReport(worst_verdict(one.verdict for one in gated), tuple(gated), sum(one.fitted for one in gated))
    judged = verdict_exit_code(answers)
    code = max(stopped_by, Exit.FINDINGS if has_errors(findings) else judged)
    found_all = tuple(dict.fromkeys(findings))
    if out:
        refs = [one.ref for one in gated if one.ref]
        file = project.context.start_folder / out
        plan = plan_bundle(Plan(tuple(writes)), refs, file) if refs else Plan()
        return Outcome(replace(report, bundle=str(file) if refs else None), found_all, plan, code)
    announced = () if runs else _plan_notifications(project, report, found_all, code)
    kept = plan_publish(project, Plan(tuple(writes)), questions).writes
    here = (
        (Push(None),) if announced and kept and not isinstance(kept[-1], Push) else ()
    )  # first it is so, then it is told
    return Outcome(report, found_all, Plan((*kept, *here, *announced)), code)


def _plan_notifications(
    project: Project, report: GateReport, findings: tuple[Diagnostic, ...], code: Exit
) -> tuple[Notification, ...]:
    """Return what a pull request is told where one job does it all; a fork's token could not tell it."""
    job = project.context.job
    if job is None or job.pull is None or job.has_read_only_token:
        return ()
    return gate_notifications(job, report, findings, project.context.trust, code=code)


def _with_separated_trust(project: Project) -> Project:
    """Return the project in a place where no code of a candidate runs: in CI, that is worth more trust."""
    context = project.context
    return replace(project, context=replace(context, trust="separated")) if context.job else project


def _gate_model(
    project: Project,
    name: str,
    base: BaseBranch | None,
    waiting: Sequence[AppendLedger],
    arrivals: Mapping[str, RunArtifact] | None,
    *,
    twice: bool,
) -> tuple[GatedModel, tuple[Diagnostic, ...], Plan, CandidateComparison | None]:
    data, findings = read_data(project, name)
    if has_errors(findings):
        failed = sum(not check.passed and check.severity == "error" for check in data.checks)
        return GatedModel(name, "fail", f"{failed} checks of '{data.dataset}' failed", data), findings, Plan(), None
    if arrivals is not None:
        return _gate_external_run(project, name, data, findings, base, waiting, arrivals)
    candidate = identify_candidate(project, name, data, base=base)
    findings = (*findings, *candidate.findings)
    training = train_candidate(project, candidate, check_determinism=twice)
    run = training.trained.run
    if has_errors(training.diagnostics):
        why = next(one.message for one in training.diagnostics if one.severity == "error")
        gated = GatedModel(name, "fail", why, data, run, training.trained.fitted)
        return gated, (*findings, *training.diagnostics), training.plan, None
    model = training.files["model/model.skops"]
    folder = model.parent if isinstance(model, Path) else project.context.scratch
    log = training.files.get("log.txt", b"")
    kept = log if isinstance(log, bytes) else log.read_bytes()
    with open_holdout(project, candidate) as candidate:  # when it is trained: a sealed holdout is the judge's alone
        findings = (*findings, *candidate.findings)
        compared = compare_candidate(project, candidate, run, folder, kept, waiting)
    gated, told = _gated_model(project, candidate, data, run, compared)
    gated = replace(gated, fitted=training.trained.fitted)
    return gated, (*findings, *training.diagnostics, *told), training.plan + compared.plan, compared


def _gate_external_run(
    project: Project,
    name: str,
    data: DatasetSnapshot,
    findings: tuple[Diagnostic, ...],
    base: BaseBranch | None,
    waiting: Sequence[AppendLedger],
    arrivals: Mapping[str, RunArtifact],
) -> tuple[GatedModel, tuple[Diagnostic, ...], Plan, CandidateComparison | None]:
    """Judge a candidate that another job trained."""
    if name not in arrivals:
        raise Findings.of(
            "run-not-arrived",
            f"no run of '{name}' arrived from the job that trains",
            location=project.specs.models[name].locate("metadata", "name"),
            help="its training failed: look at that job's log",
        )
    candidate = match_candidate(project, name, data, base, arrivals[name])
    with open_holdout(project, candidate) as candidate:
        findings = (*findings, *candidate.findings)
        came = import_run(project, require_repository(project), candidate, arrivals[name])
        compared = compare_candidate(
            project, candidate, came.run, came.folder, came.log, waiting, came.external_predictions
        )
    gated, told = _gated_model(project, candidate, data, came.run, compared)
    return gated, (*findings, *came.diagnostics, *told), compared.plan, compared


def _gated_model(
    project: Project, candidate: Candidate, data: DatasetSnapshot, run: TrainingRun, compared: CandidateComparison
) -> tuple[GatedModel, tuple[Diagnostic, ...]]:
    comparison, name = compared.comparison, candidate.model.name
    known = state.read_registry(project.context.repo).model(name)
    taken_back = revocation_warnings(known, run.model_digest, candidate.model.locate("metadata", "name"))
    gated = GatedModel(name, comparison.verdict, comparison.sentence, data, run, False, comparison, compared.ref)
    return gated, (*compared.diagnostics, *taken_back, *_readable_holdout_warnings(project, candidate))


def _readable_holdout_warnings(project: Project, candidate: Candidate) -> tuple[Diagnostic, ...]:
    """Say, where a change is judged, that its own code could have read the rows that it is judged on."""
    if project.context.job is None or not runs_untrusted_code(candidate) or candidate.rules.split.by == "sealed":
        return ()
    return (
        Diagnostic(
            "holdout-readable",
            f"'{candidate.model.name}' is made by code of this repository, and the rows that judge it are in the repository, too: what"
            " trains it could have read them",
            candidate.model.locate("spec", "train", key=True),
            "review the code as what has seen the answers; a sealed holdout (`split: {by: sealed}`) is out of its reach",
            "warning",
        ),
    )
