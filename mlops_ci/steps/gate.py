"""`gate`: validate, check, train and compare; one report, one verdict."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlops_ci import registry
from mlops_ci.asking import published
from mlops_ci.assignment import needed_repository
from mlops_ci.candidate import chosen, identify, read_data
from mlops_ci.diagnostics import Diagnostic, has_errors
from mlops_ci.errors import Exit, Findings, UsageProblem
from mlops_ci.holdout import opened
from mlops_ci.lifecycle import warned
from mlops_ci.outcomes.gate import Gated, GateReport, worst
from mlops_ci.outcomes.power import PowerReport
from mlops_ci.plan import Outcome, Plan
from mlops_ci.planning import planned
from mlops_ci.project import Project
from mlops_ci.ruling import Base, base_of
from mlops_ci.steps.compare import Compared, compare_candidate, exit_code
from mlops_ci.steps.train import train_candidate
from mlops_ci.writes import AppendLedger, Write


def gate(
    project: Project,
    *,
    models: tuple[str, ...] = (),
    power: bool = False,
    check_determinism: bool = False,
    base: str | None = None,
) -> Outcome[GateReport] | Outcome[PowerReport]:
    """Put the models named, or all, through the gate; with `power`, only say what difference each gate could see.

    Rules are those of `base` (see `ruling.base_of`). With `check_determinism` each candidate is fitted once more, and fails where that gives another model.

    The specs are valid already (a project with invalid ones is not opened). What is wrong with one model, or its data, is
    that model's verdict; the others are judged all the same, and the exit code is the most severe one. Raises UsageProblem
    outside a repository.
    """
    if power:  # what would be seen by the rules at hand: nothing is decided by them
        named = base_of(project, base) if base else None
        return Outcome(PowerReport(tuple(planned(project, name, named) for name in chosen(project, models))))
    judge = base_of(project, base)
    gated: list[Gated] = []
    findings: list[Diagnostic] = []
    answers: list[Compared] = []
    writes: list[Write] = []
    questions: list[AppendLedger] = []
    stopped_by = Exit.OK
    needed_repository(project)  # found out before anything is trained
    for name in chosen(project, models):
        try:
            one, found, plan, answer = _model(project, name, judge, questions, twice=check_determinism)
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
    plan = published(project, Plan(tuple(writes)), questions)
    return Outcome(report, tuple(dict.fromkeys(findings)), plan, code)


def _model(
    project: Project, name: str, base: Base | None, waiting: Sequence[AppendLedger], *, twice: bool
) -> tuple[Gated, tuple[Diagnostic, ...], Plan, Compared | None]:
    data, findings = read_data(project, name)
    if has_errors(findings):
        failed = sum(not check.passed and check.severity == "error" for check in data.checks)
        return Gated(name, "fail", f"{failed} checks of '{data.dataset}' failed", data), findings, Plan(), None
    candidate = identify(project, name, data, base=base)
    findings = (*findings, *candidate.findings)
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
        compared = compare_candidate(project, candidate, run, folder, kept, waiting)
    comparison = compared.comparison
    known = registry.read(project.context.repo).model(name)
    taken_back = warned(known, run.model_digest, candidate.model.locate("metadata", "name"))
    return (
        Gated(
            name, comparison.verdict, comparison.sentence, data, run, training.trained.fitted, comparison, compared.ref
        ),
        (*findings, *training.diagnostics, *compared.diagnostics, *taken_back),
        training.plan + compared.plan,
        compared,
    )
