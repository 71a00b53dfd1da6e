"""`gate`: validate, check, train and compare; one report, one verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from mlops_ci.commands.compare import Compared, compare_candidate, exit_code
from mlops_ci.commands.train import train_candidate
from mlops_ci.core.diagnostics import Diagnostic, has_errors
from mlops_ci.core.errors import Exit, Findings, UsageProblem
from mlops_ci.core.notifications import Announcement
from mlops_ci.core.plan import Outcome, Plan
from mlops_ci.core.planned_writes import AppendLedger, Push, Write
from mlops_ci.core.records import DatasetSnapshot, TrainingRun
from mlops_ci.core.results.gate import Gated, GateReport, worst
from mlops_ci.core.results.power import PowerReport
from mlops_ci.deployment.assignment import needed_repository
from mlops_ci.evaluation.base_branch_rules import Base, base_of
from mlops_ci.evaluation.candidates.candidate import Candidate, chosen, identify, read_data
from mlops_ci.evaluation.external_runs import Arrival, arrived, own_code, recognised, taken
from mlops_ci.evaluation.holdout.budget import published
from mlops_ci.evaluation.holdout.sealed import opened
from mlops_ci.evaluation.notify import told
from mlops_ci.evaluation.power_analysis import planned
from mlops_ci.governance.revocations import warned
from mlops_ci.registry import run_store as store
from mlops_ci.registry import state as registry
from mlops_ci.registry.run_transfer import carried, whole
from mlops_ci.repository.context import Project
from mlops_ci.training.inference.scoring import scorer
from mlops_ci.training.workers.protocol import Waiting


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
        named = base_of(project, base) if base else None
        return Outcome(PowerReport(tuple(planned(project, name, named) for name in chosen(project, models))))
    if runs and check_determinism:
        raise UsageProblem.of(
            "options-conflict", "--runs trains nothing, so --check-determinism cannot", help="give it to `train`"
        )
    project = _separated(project) if runs else project
    project = whole(project) if out else project
    judge = base_of(project, base)
    gated: list[Gated] = []
    findings: list[Diagnostic] = []
    answers: list[Compared] = []
    writes: list[Write] = []
    questions: list[AppendLedger] = []
    stopped_by = Exit.OK
    repo = needed_repository(project)  # found out before anything is trained
    arrivals = arrived(repo, project.context.here / runs) if runs else None
    for name in chosen(project, models):
        try:
            one, found, plan, answer = _model(project, name, judge, questions, arrivals, twice=check_determinism)
        except (Findings, UsageProblem) as stopped:
            one, found, plan = Gated(name, "fail", stopped.diagnostics[0].message), stopped.diagnostics, Plan()
            answer = None
            stopped_by = max(stopped_by, stopped.exit_code)
        gated.append(one)
        findings.extend(found)
        writes.extend(plan.writes)
        if answer is not None:
            answers.append(answer)
            questions.extend(answer.questions)
    report = GateReport(worst(one.verdict for one in gated), tuple(gated), sum(one.fitted for one in gated))
    judged = exit_code(answers)
    code = max(stopped_by, Exit.FINDINGS if has_errors(findings) else judged)
    found_all = tuple(dict.fromkeys(findings))
    if out:
        refs = [one.ref for one in gated if one.ref]
        file = project.context.here / out
        plan = carried(Plan(tuple(writes)), refs, file) if refs else Plan()
        return Outcome(replace(report, bundle=str(file) if refs else None), found_all, plan, code)
    announced = () if runs else _told(project, report, found_all, code)
    kept = published(project, Plan(tuple(writes)), questions).writes
    here = (
        (Push(None),) if announced and kept and not isinstance(kept[-1], Push) else ()
    )  # first it is so, then it is told
    return Outcome(report, found_all, Plan((*kept, *here, *announced)), code)


def _told(
    project: Project, report: GateReport, findings: tuple[Diagnostic, ...], code: Exit
) -> tuple[Announcement, ...]:
    """Return what a pull request is told where one job does it all; a fork's token could not tell it."""
    job = project.context.job
    if job is None or job.pull is None or job.only_reads:
        return ()
    return told(job, report, findings, project.context.trust, code=code)


def _separated(project: Project) -> Project:
    """Return the project in a place where no code of a candidate runs: in CI, that is worth more trust."""
    context = project.context
    return replace(project, context=replace(context, trust="separated")) if context.job else project


def _model(
    project: Project,
    name: str,
    base: Base | None,
    waiting: Sequence[AppendLedger],
    arrivals: Mapping[str, Arrival] | None,
    *,
    twice: bool,
) -> tuple[Gated, tuple[Diagnostic, ...], Plan, Compared | None]:
    data, findings = read_data(project, name)
    if has_errors(findings):
        failed = sum(not check.passed and check.severity == "error" for check in data.checks)
        return Gated(name, "fail", f"{failed} checks of '{data.dataset}' failed", data), findings, Plan(), None
    if arrivals is not None:
        return _arrived(project, name, data, findings, base, waiting, arrivals)
    candidate = identify(project, name, data, base=base)
    findings = (*findings, *candidate.findings)
    with _scorer(project, candidate) as ready:
        training = train_candidate(project, candidate, check_determinism=twice)
        run = training.trained.run
        if has_errors(training.diagnostics):
            why = next(one.message for one in training.diagnostics if one.severity == "error")
            gated = Gated(name, "fail", why, data, run, training.trained.fitted)
            return gated, (*findings, *training.diagnostics), training.plan, None
        model = training.files["model/model.skops"]
        folder = model.parent if isinstance(model, Path) else project.context.scratch
        log = training.files.get("log.txt", b"")
        kept = log if isinstance(log, bytes) else log.read_bytes()
        with opened(project, candidate) as candidate:  # when it is trained: a sealed holdout is the judge's alone
            findings = (*findings, *candidate.findings)
            compared = compare_candidate(project, candidate, run, folder, kept, waiting, scorer=ready)
        gated, told = _answer(project, candidate, data, run, compared)
        gated = replace(gated, fitted=training.trained.fitted)
        return gated, (*findings, *training.diagnostics, *told), training.plan + compared.plan, compared


@contextmanager
def _scorer(project: Project, candidate: Candidate) -> Iterator[Waiting | None]:
    """Let the scoring process prepare itself while library code is trained; there is nothing to wait for where nothing is."""
    trained = store.find(project.context.repo, store.run_ref(candidate.model.name, candidate.key)) is not None
    if trained or own_code(candidate):
        yield None
        return
    with scorer(project.context.scratch) as waiting:
        yield waiting


def _arrived(
    project: Project,
    name: str,
    data: DatasetSnapshot,
    findings: tuple[Diagnostic, ...],
    base: Base | None,
    waiting: Sequence[AppendLedger],
    arrivals: Mapping[str, Arrival],
) -> tuple[Gated, tuple[Diagnostic, ...], Plan, Compared | None]:
    """Judge a candidate that another job trained."""
    if name not in arrivals:
        raise Findings.of(
            "run-not-arrived",
            f"no run of '{name}' arrived from the job that trains",
            location=project.specs.models[name].locate("metadata", "name"),
            help="its training failed: look at that job's log",
        )
    candidate = recognised(project, name, data, base, arrivals[name])
    with opened(project, candidate) as candidate:
        findings = (*findings, *candidate.findings)
        came = taken(project, needed_repository(project), candidate, arrivals[name])
        compared = compare_candidate(project, candidate, came.run, came.folder, came.log, waiting, came.given)
    gated, told = _answer(project, candidate, data, came.run, compared)
    return gated, (*findings, *came.diagnostics, *told), compared.plan, compared


def _answer(
    project: Project, candidate: Candidate, data: DatasetSnapshot, run: TrainingRun, compared: Compared
) -> tuple[Gated, tuple[Diagnostic, ...]]:
    comparison, name = compared.comparison, candidate.model.name
    known = registry.read(project.context.repo).model(name)
    taken_back = warned(known, run.model_digest, candidate.model.locate("metadata", "name"))
    gated = Gated(name, comparison.verdict, comparison.sentence, data, run, False, comparison, compared.ref)
    return gated, (*compared.diagnostics, *taken_back, *_readable(project, candidate))


def _readable(project: Project, candidate: Candidate) -> tuple[Diagnostic, ...]:
    """Say, where a change is judged, that its own code could have read the rows that it is judged on."""
    if project.context.job is None or not own_code(candidate) or candidate.rules.split.by == "sealed":
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
