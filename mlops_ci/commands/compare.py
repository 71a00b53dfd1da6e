"""`compare`: candidate and champion, scored on the same held-out rows of today's data, and the gate's verdict on them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlops_ci.core.codec import encode
from mlops_ci.core.diagnostics import Diagnostic, has_errors
from mlops_ci.core.digest import canonical_json
from mlops_ci.core.errors import Exit, Findings
from mlops_ci.core.plan import Outcome, Plan
from mlops_ci.core.planned_writes import AppendLedger, FileContent
from mlops_ci.core.records import ComparedRelease, Comparison, MetricValue, TrainingRun
from mlops_ci.core.results.gate import CompareReport
from mlops_ci.deployment.assignment import require_repository
from mlops_ci.evaluation import evaluate
from mlops_ci.evaluation.base_branch_rules import find_base, rule_change_warnings
from mlops_ci.evaluation.baselines import Baseline, change_kind, load_baseline
from mlops_ci.evaluation.candidates.candidate import (
    Candidate,
    find_anchor,
    find_champion,
    identify_candidate,
    read_data,
    select_models,
)
from mlops_ci.evaluation.candidates.training import load_stored_run
from mlops_ci.evaluation.evaluate import Baselines, ExternalPredictions
from mlops_ci.evaluation.holdout.budget import plan_ledger_entry, plan_publish, reserve_question, with_question_number
from mlops_ci.evaluation.holdout.sealed import open_holdout
from mlops_ci.evaluation.verdict.alignment import NoBaseline
from mlops_ci.evaluation.verdict.compare import CandidateJudgement
from mlops_ci.registry import run_store
from mlops_ci.reports.markdown import run_report
from mlops_ci.repository.context import Project
from mlops_ci.spec.spec_types import ChangeKind, Trust


@dataclass(frozen=True)
class CandidateComparison:
    """The gate's answer and the run that holds it; `plan` stores it where it is new, `questions` count it where that is due."""

    comparison: Comparison
    ref: str
    fails_if_undecided: bool  # whether what is not decided fails
    diagnostics: tuple[Diagnostic, ...] = ()
    plan: Plan = Plan()
    questions: tuple[AppendLedger, ...] = ()


def compare(project: Project, *, models: tuple[str, ...] = (), base: str | None = None) -> Outcome[CompareReport]:
    """Judge the trained candidates of the models named, or all, by the rules of `base` (see `ruling.base_of`).

    Raises UsageProblem for a model without a spec, Findings when its data are refused or it has not been trained.
    """
    require_repository(project)
    judge = find_base(project, base)
    answers: list[CandidateComparison] = []
    of_data: list[Diagnostic] = []
    for name in select_models(project, models):
        data, findings = read_data(project, name)
        if has_errors(findings):
            raise Findings(findings)
        candidate = identify_candidate(project, name, data, base=judge)
        trained = load_stored_run(project, candidate)
        waiting = [question for answer in answers for question in answer.questions]
        with open_holdout(project, candidate) as candidate:
            of_data.extend(candidate.findings)
            answers.append(compare_candidate(project, candidate, trained.run, trained.folder, trained.log, waiting))
    found = (*dict.fromkeys(of_data), *(item for answer in answers for item in answer.diagnostics))
    writes = tuple(write for answer in answers for write in answer.plan.writes)
    questions = [question for answer in answers for question in answer.questions]
    report = CompareReport(tuple(answer.comparison for answer in answers))
    plan = plan_publish(project, Plan(writes), questions)
    return Outcome(report, found, plan, verdict_exit_code(answers))


def compare_candidate(
    project: Project,
    candidate: Candidate,
    run: TrainingRun,
    folder: Path,
    log: bytes,
    waiting: Sequence[AppendLedger] = (),
    given: ExternalPredictions | None = None,
) -> CandidateComparison:
    """Return the stored answer for this candidate, champion, holdout and policy; or score and judge.

    `folder` holds the candidate's packaged files; `waiting` are questions of the same command that are not counted yet;
    with `given` the model is not run here.
    Raises as `asking.ask` does, before anything is scored.
    """
    name, repo = candidate.model.name, project.context.repo
    champion = find_champion(project, name, candidate.rules.champion_environment)
    anchor = find_anchor(project, candidate, champion)
    key = candidate.comparison_key(champion, anchor, project.context.trust)
    ref = run_store.run_ref(name, key)
    strict = candidate.rules.gate.on_inconclusive == "fail"
    asked = reserve_question(project, candidate, run, waiting)
    notes = (*rule_change_warnings(candidate.model, candidate.rules), *asked.diagnostics)
    questions = plan_ledger_entry(project, candidate, run, asked)
    stored = run_store.find_run(repo, ref)
    if stored is not None and repo is not None:
        comparison = with_question_number(run_store.read_record(repo, stored, "comparison.json", Comparison), asked)
        return CandidateComparison(
            comparison, ref, strict, (*notes, *requirement_findings(candidate, comparison)), questions=questions
        )
    project.context.progress(f"comparing {name} on {candidate.sides.split.holdout_rows:,} held-out rows")
    scratch = Path(tempfile.mkdtemp(dir=project.context.scratch))
    newest = load_baseline(project, candidate, run, champion, "champion", scratch)
    fixed = newest if anchor == champion else load_baseline(project, candidate, run, anchor, "anchor", scratch)
    rivals: Baselines = {"champion": newest, "anchor": fixed}
    occasion = change_kind(project, run, champion)
    judgement = evaluate.evaluate(project, candidate, run, folder, rivals, asked.gate, occasion, scratch, given)
    comparison = _make_comparison(
        candidate, run, key, rivals, occasion, judgement, asked.gate.confidence, project.context.trust
    )
    if asked.question is not None:  # what is stored says no number: it may yet be lost to somebody else
        comparison = replace(comparison, holdout_question=replace(asked.question, number=None))
    records: dict[str, FileContent] = {
        "run.json": canonical_json(encode(run)).encode(),
        "comparison.json": canonical_json(encode(comparison)).encode(),
        "snapshot.json": canonical_json(encode(candidate.snapshot)).encode(),
        "metrics.json": canonical_json(
            {item.metric: item.value for item in comparison.metrics if not item.slice}
        ).encode(),
        "report.md": run_report(run, candidate.snapshot, comparison).encode(),
        "log.txt": log,
    }
    title = f"{name}: gate {comparison.verdict} ({key})"
    plan = run_store.plan_store(ref, title, records, run.files, folder, project.specs.project.spec)
    found = (*notes, *judgement.diagnostics, *requirement_findings(candidate, comparison))
    return CandidateComparison(with_question_number(comparison, asked), ref, strict, found, plan, questions)


def requirement_findings(candidate: Candidate, comparison: Comparison) -> tuple[Diagnostic, ...]:
    """Return a finding for each requirement that does not hold, at its place in the spec."""
    # the rules of another commit have no place here
    given = candidate.rules.gate.requirements if candidate.rules.base is None else ()
    found = []
    for index, item in enumerate(comparison.requirements):
        if item.verdict in ("pass", "not-applicable"):
            continue
        place = ("spec", "gate", "requirements", index, "metric") if given else ("spec",)
        failed = item.verdict == "fail"
        found.append(
            Diagnostic(
                "gate-failed" if failed else "gate-inconclusive",
                f"{candidate.model.name}: {item.requirement}: {item.reason}",
                candidate.model.locate(*place),
                None
                if failed
                else "nothing is promoted until it is decided; more labelled rows, or a larger effect, decide it",
                "error" if failed else "warning",
            )
        )
    if not found and comparison.verdict == "inconclusive":
        message = f"{candidate.model.name}: {comparison.sentence}"
        found.append(
            Diagnostic(
                "gate-inconclusive", message, candidate.model.locate("spec", "gate", key=True), severity="warning"
            )
        )
    return tuple(found)


def verdict_exit_code(answers: Sequence[CandidateComparison]) -> Exit:
    """Return 1 when a model failed, or is undecided where its gate says that this fails."""
    for answer in answers:
        verdict = answer.comparison.verdict
        if verdict == "fail" or (verdict != "pass" and answer.fails_if_undecided):
            return Exit.FINDINGS
    return Exit.OK


def _make_comparison(
    candidate: Candidate,
    run: TrainingRun,
    key: str,
    rivals: Baselines,
    occasion: ChangeKind,
    found: CandidateJudgement,
    level: float,
    trust: Trust,
) -> Comparison:
    return Comparison(
        key=key,
        model=run.model,
        run=run.key,
        model_digest=run.model_digest,
        champion_state=found.champion_state,
        holdout_digest=candidate.sides.split.holdout_digest,
        holdout_rows=candidate.sides.split.holdout_rows,
        policy_digest=candidate.policy_digest,
        confidence=level,
        metrics=found.metrics,
        requirements=found.requirements,
        verdict=found.verdict,
        sentence=found.sentence,
        champion=_compared_release(rivals["champion"], found.champion_metrics, found.excluded_rows.get("champion", 0)),
        anchor=_compared_release(rivals["anchor"], found.anchor_metrics, found.excluded_rows.get("anchor", 0)),
        occasion=occasion,
        rules_source=candidate.rules.base,
        trust=trust,
    )


def _compared_release(
    rival: Baseline | NoBaseline, metrics: tuple[MetricValue, ...], excluded: int
) -> ComparedRelease | None:
    if isinstance(rival, NoBaseline):
        return None
    release = rival.release
    return ComparedRelease(
        rival.event.version, release.run_key, release.model_digest, rival.event.ref.oid, metrics, excluded
    )
