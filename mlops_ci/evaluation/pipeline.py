"""From a change to a stored verdict, one model at a time: snapshot, identify, train, score, test, record.

`train_model` runs the first three steps. `compare_model` takes the training from the store, and `gate_model` runs them all;
where another job has trained, it imports that job's run instead. `release` runs the first two steps and requires the record
of the last one (`gated_run`); `ci keep` records what another job has tested (`record`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlops_ci.core.choices import Trust
from mlops_ci.core.diagnostics import Diagnostic, has_errors
from mlops_ci.core.errors import Exit, Findings, UsageProblem
from mlops_ci.core.plan import Plan
from mlops_ci.core.planned_writes import AppendLedger
from mlops_ci.core.records.comparison import Comparison, Verdict
from mlops_ci.core.records.training_run import DatasetSnapshot
from mlops_ci.evaluation.base_branch_rules import BaseBranch, rule_change_warnings
from mlops_ci.evaluation.candidates.candidate import Candidate, identify_candidate, read_data, require_data
from mlops_ci.evaluation.candidates.opponents import Opponents, find_opponents
from mlops_ci.evaluation.candidates.trained_model import TrainedModel
from mlops_ci.evaluation.candidates.training import require_stored_run, train_candidate
from mlops_ci.evaluation.evaluate import evaluate
from mlops_ci.evaluation.evaluation_task import load_evaluation_task
from mlops_ci.evaluation.external_runs import RunArtifact, import_run, match_candidate
from mlops_ci.evaluation.holdout.budget import (
    Reservation,
    plan_ledger_entry,
    reserve_question,
    with_question_number,
)
from mlops_ci.evaluation.holdout.sealed import open_holdout
from mlops_ci.evaluation.record import comparison_record, evaluation_records, plan_gate_run, requirement_findings
from mlops_ci.registry import run_store
from mlops_ci.registry.state import RegistryState
from mlops_ci.repository.context import Project
from mlops_ci.repository.git import Repository


@dataclass(frozen=True)
class Pipeline:
    """What all models of a command share: the registry as it is read once, the rules' branch, and where runs are kept.

    `trust` says how far what is judged here can be trusted. `artifacts` are the runs of another job, by model; with them
    nothing is trained here, and no code of a candidate runs.
    """

    project: Project
    repo: Repository
    registry: RegistryState
    store: run_store.StoreTarget
    trust: Trust
    base: BaseBranch | None = None
    artifacts: Mapping[str, RunArtifact] | None = None


@dataclass(frozen=True)
class ModelOutcome:
    """What a verb knows of one model, as far as it went through the pipeline; what was not reached is None.

    `sentence` is the verdict in words, or why there is none. `questions` count in the holdout's ledger, once `plan` is
    made. `fails_if_undecided`: the model's gate takes a verdict that is not decided for a failure.
    """

    model: str
    sentence: str
    findings: tuple[Diagnostic, ...] = ()
    snapshot: DatasetSnapshot | None = None
    candidate: Candidate | None = None
    trained: TrainedModel | None = None
    comparison: Comparison | None = None
    plan: Plan = Plan()
    questions: tuple[AppendLedger, ...] = ()
    fails_if_undecided: bool = False
    stopped_by: Exit = Exit.OK

    @property
    def verdict(self) -> Verdict:
        """The gate's verdict; what an error kept from the gate has failed, and what was not tested is undecided."""
        if self.comparison is not None:
            return self.comparison.verdict
        return "fail" if has_errors(self.findings) else "inconclusive"

    @property
    def ref(self) -> str | None:
        """The ref of the run that keeps the comparison."""
        return run_store.run_ref(self.model, self.comparison.key) if self.comparison else None


def stopped_outcome(model: str, error: Findings | UsageProblem) -> ModelOutcome:
    """Return what is known of a model that an error stopped, while the others go on."""
    return ModelOutcome(model, error.diagnostics[0].message, error.diagnostics, stopped_by=error.exit_code)


def verdict_exit_code(outcomes: Iterable[ModelOutcome]) -> Exit:
    """Return 1 when a model that was tested failed, or is undecided where its gate says that this fails."""
    for one in outcomes:
        verdict = one.comparison.verdict if one.comparison else "pass"
        if verdict == "fail" or (verdict != "pass" and one.fails_if_undecided):
            return Exit.FINDINGS
    return Exit.OK


def train_model(
    project: Project, name: str, store: run_store.StoreTarget, *, explain: bool = False, check_determinism: bool = False
) -> ModelOutcome:
    """Snapshot, identify and train a model; raises Findings when its data are refused or training fails."""
    data = require_data(project, name)
    candidate = identify_candidate(project, name, data)
    trained = train_candidate(project, candidate, store, explain=explain, check_determinism=check_determinism)
    findings = (*candidate.findings, *trained.diagnostics)
    return ModelOutcome(name, trained.why, findings, data, candidate, trained, plan=trained.plan)


def compare_model(pipeline: Pipeline, name: str, pending: Sequence[AppendLedger]) -> ModelOutcome:
    """Score, test and record a model whose training is stored; `pending` are questions of the same command.

    Raises Findings when its data are refused, it has not been trained, or the holdout's budget is spent.
    """
    project = pipeline.project
    data = require_data(project, name)
    candidate = identify_candidate(project, name, data, base=pipeline.base)
    trained = require_stored_run(project, candidate)
    with open_holdout(project, candidate) as candidate:
        outcome = ModelOutcome(name, "", candidate.findings, data, candidate, trained)
        return _test_and_record(pipeline, outcome, candidate, trained, pending)


def gate_model(
    pipeline: Pipeline, name: str, pending: Sequence[AppendLedger], *, check_determinism: bool = False
) -> ModelOutcome:
    """Take a model through all steps; `pending` are questions of the same command that are not counted yet.

    Data that are refused and training that is not deterministic are the model's outcome. Raises Findings and UsageProblem
    when the model cannot be identified, trained or scored, or the holdout's budget is spent.
    """
    project = pipeline.project
    data, findings = read_data(project, name)
    outcome = ModelOutcome(name, "", findings, data)
    if has_errors(findings):
        failed = sum(not check.passed and check.severity == "error" for check in data.checks)
        return replace(outcome, sentence=f"{failed} checks of '{data.dataset}' failed")
    if pipeline.artifacts is not None:
        return _gate_external_run(pipeline, outcome, data, pending, pipeline.artifacts)
    candidate = identify_candidate(project, name, data, base=pipeline.base)
    trained = train_candidate(project, candidate, pipeline.store, check_determinism=check_determinism)
    outcome = replace(
        outcome,
        findings=(*findings, *candidate.findings, *trained.diagnostics),
        candidate=candidate,
        trained=trained,
        plan=trained.plan,
    )
    if has_errors(trained.diagnostics):
        return replace(outcome, sentence=next(one.message for one in trained.diagnostics if one.severity == "error"))
    with open_holdout(project, candidate) as opened:  # when it is trained: a sealed holdout is the judge's alone
        return _test_and_record(pipeline, outcome, opened, trained, pending)


def _gate_external_run(
    pipeline: Pipeline,
    outcome: ModelOutcome,
    data: DatasetSnapshot,
    pending: Sequence[AppendLedger],
    artifacts: Mapping[str, RunArtifact],
) -> ModelOutcome:
    """Import what another job trained, and test it."""
    project, name = pipeline.project, outcome.model
    if name not in artifacts:
        raise Findings.of(
            "run-not-arrived",
            f"no run of '{name}' arrived from the job that trains",
            location=project.specs.models[name].locate("metadata", "name"),
            help="its training failed: look at that job's log",
        )
    candidate = match_candidate(project, name, data, pipeline.base, artifacts[name])
    with open_holdout(project, candidate) as candidate:
        trained = import_run(project, pipeline.repo, candidate, artifacts[name])
        findings = (*outcome.findings, *candidate.findings, *trained.diagnostics)
        outcome = replace(outcome, findings=findings, trained=trained)
        return _test_and_record(pipeline, outcome, candidate, trained, pending)


def _test_and_record(
    pipeline: Pipeline,
    outcome: ModelOutcome,
    candidate: Candidate,
    trained: TrainedModel,
    pending: Sequence[AppendLedger],
) -> ModelOutcome:
    """Add the answer to an outcome: the stored one for this candidate, opponents, holdout and rules; or score and test.

    Raises as `reserve_question` does, before anything is scored.
    """
    project, name, run = pipeline.project, candidate.model.name, trained.run
    opponents = find_opponents(
        pipeline.registry.model(name),
        candidate.rules,
        candidate.requirements,
        candidate.model.locate("spec", "gate", "anchor"),
        offline=project.context.offline,
    )
    asked = reserve_question(project, candidate, run, pending)
    key = candidate.comparison_key(opponents, pipeline.trust)
    stored = run_store.find_run(pipeline.repo, run_store.run_ref(name, key))
    if stored is not None:
        answer = _Answer(run_store.read_record(pipeline.repo, stored, "comparison.json", Comparison))
    else:
        answer = _score_and_test(pipeline, candidate, trained, opponents, asked)
    comparison = with_question_number(answer.comparison, asked)
    notes = (*rule_change_warnings(candidate.model, candidate.rules), *asked.diagnostics, *answer.diagnostics)
    findings = (*outcome.findings, *candidate.findings, *notes, *requirement_findings(candidate, comparison))
    return replace(
        outcome,
        sentence=comparison.sentence,
        findings=tuple(dict.fromkeys(findings)),
        candidate=candidate,
        comparison=comparison,
        plan=outcome.plan + answer.plan,
        questions=plan_ledger_entry(project, candidate, run, asked),
        fails_if_undecided=candidate.rules.gate.on_inconclusive == "fail",
    )


@dataclass(frozen=True)
class _Answer:
    """A comparison, what was found on the way to it, and the plan that stores it where it is new."""

    comparison: Comparison
    diagnostics: tuple[Diagnostic, ...] = ()
    plan: Plan = Plan()


def _score_and_test(
    pipeline: Pipeline,
    candidate: Candidate,
    trained: TrainedModel,
    opponents: Opponents,
    asked: Reservation,
) -> _Answer:
    project = pipeline.project
    project.context.progress(
        f"comparing {candidate.model.name} on {candidate.sides.split.holdout_rows:,} held-out rows"
    )
    scratch = Path(tempfile.mkdtemp(dir=project.context.scratch))
    task = load_evaluation_task(project, candidate, trained, opponents, asked.gate, scratch)
    judgement = evaluate(task, project.context.root, scratch)
    key = candidate.comparison_key(opponents, pipeline.trust)
    comparison = with_question_number(comparison_record(task, judgement, key, pipeline.trust), asked)
    records = evaluation_records(task, comparison)
    plan = plan_gate_run(comparison, trained.run, records, trained.folder, pipeline.store)
    return _Answer(comparison, judgement.diagnostics, plan)
