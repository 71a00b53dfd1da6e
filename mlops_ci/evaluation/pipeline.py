"""From a change to a stored verdict, one model at a time: snapshot, identify, train, score, test, record.

`train_model` runs the first three steps. `compare_model` loads the trained model from the store and runs the others.
`gate_model` runs all steps; when another job has trained, it imports that job's run instead of training. `release` runs the
first two steps and requires a stored record of the last one (`gated_run`). `ci keep` stores the comparison of another job
(`record`).
"""

from __future__ import annotations

import importlib
import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlops_ci.core.choices import Trust
from mlops_ci.core.diagnostics import Diagnostic, has_errors
from mlops_ci.core.errors import Exit, Findings, UsageProblem
from mlops_ci.core.plan import Plan, Stages
from mlops_ci.core.planned_writes import AppendLedger
from mlops_ci.core.records.comparison import Comparison, Verdict
from mlops_ci.core.records.training_run import DatasetSnapshot
from mlops_ci.evaluation.base_branch_rules import BaseBranch, rule_change_warnings
from mlops_ci.evaluation.candidates.candidate import Candidate, identify_candidate, read_data, require_data
from mlops_ci.evaluation.candidates.opponents import Opponents, find_opponents
from mlops_ci.evaluation.candidates.trained_model import TrainedModel
from mlops_ci.evaluation.candidates.training import RefusedFit, require_stored_run, train_candidate
from mlops_ci.evaluation.evaluate import evaluate
from mlops_ci.evaluation.evaluation_task import load_evaluation_task
from mlops_ci.evaluation.external_runs import RunArtifact, import_run, match_candidate
from mlops_ci.evaluation.holdout.budget import (
    Reservation,
    plan_ledger_entry,
    require_remote_to_count,
    reserve_question,
    with_question_number,
)
from mlops_ci.evaluation.holdout.change_limits import ensure_sealed_labels
from mlops_ci.evaluation.holdout.sealed import open_holdout
from mlops_ci.evaluation.record import comparison_record, evaluation_records, plan_gate_run, requirement_findings
from mlops_ci.registry import run_store
from mlops_ci.registry.state import RegistryState, read_registry
from mlops_ci.repository.context import Project
from mlops_ci.repository.git import Repository


@dataclass(frozen=True)
class Pipeline:
    """The inputs that all models of a command share: the registry, read once, the base branch, and the store of runs.

    `trust` is the trust of a verdict from this job. `artifacts` are the runs of another job, by model; when they are
    given, this job trains nothing and runs no code of a candidate.
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
    """The result of the pipeline for one model; the results of steps that did not run are None.

    `sentence` is the verdict in words, or the reason why there is no verdict. `questions` are the planned entries of the
    holdout's ledger; `plan` has the other writes that are not made yet. `fitted`: the model was fitted just now. `fails_if_undecided` means that the model's gate treats an inconclusive
    verdict as a failure.
    """

    model: str
    sentence: str
    findings: tuple[Diagnostic, ...] = ()
    snapshot: DatasetSnapshot | None = None
    candidate: Candidate | None = None
    trained: TrainedModel | None = None
    comparison: Comparison | None = None
    plan: Plan = Plan()
    fitted: bool = False
    questions: tuple[AppendLedger, ...] = ()
    fails_if_undecided: bool = False
    stopped_by: Exit = Exit.OK

    @property
    def verdict(self) -> Verdict:
        """The gate's verdict; without a comparison, `fail` after an error, and `inconclusive` otherwise."""
        if self.comparison is not None:
            return self.comparison.verdict
        return "fail" if has_errors(self.findings) else "inconclusive"

    @property
    def ref(self) -> str | None:
        """The ref of the run that stores the comparison; None without a comparison."""
        return run_store.run_ref(self.model, self.comparison.key) if self.comparison else None


def stopped_outcome(model: str, error: Findings | UsageProblem) -> ModelOutcome:
    """Return the outcome of a model that an error stopped; the command continues with the other models."""
    fitted = isinstance(error, RefusedFit)
    return ModelOutcome(
        model, error.diagnostics[0].message, error.diagnostics, fitted=fitted, stopped_by=error.exit_code
    )


def verdict_exit_code(outcomes: Iterable[ModelOutcome]) -> Exit:
    """Return the exit code 1 when a tested model failed, or is undecided and its gate treats that as a failure; else 0."""
    for one in outcomes:
        verdict = one.comparison.verdict if one.comparison else "pass"
        if verdict == "fail" or (verdict != "pass" and one.fails_if_undecided):
            return Exit.FINDINGS
    return Exit.OK


def train_model(
    project: Project, name: str, store: run_store.StoreTarget, *, explain: bool = False, check_determinism: bool = False
) -> Stages[ModelOutcome]:
    """Snapshot, identify and train a model.

    Raises Findings when the model belongs to another project, or when a check of its data or the training fails.
    """
    read_registry(project.context.repo, project.identity).model(name)
    data = require_data(project, name)
    candidate = identify_candidate(project, name, data)
    trained = yield from train_candidate(
        project, candidate, store, explain=explain, check_determinism=check_determinism
    )
    findings = (*candidate.findings, *trained.diagnostics)
    return ModelOutcome(name, trained.why, findings, data, candidate, trained, plan=trained.plan)


def compare_model(pipeline: Pipeline, name: str, pending: Sequence[AppendLedger]) -> ModelOutcome:
    """Score, test and record a model whose training is stored.

    `pending` are planned ledger entries of the same command. Raises Findings when a check of the data fails, the model
    has not been trained, or the holdout budget is spent.
    """
    pipeline.registry.model(name)  # another project's model is refused before anything is read
    project = pipeline.project
    ensure_sealed_labels(project, name, pipeline.base)
    data = require_data(project, name)
    candidate = identify_candidate(project, name, data, base=pipeline.base)
    trained = require_stored_run(project, candidate)
    with open_holdout(project, candidate) as candidate:
        outcome = ModelOutcome(name, "", candidate.findings, data, candidate, trained)
        return _test_and_record(pipeline, outcome, candidate, trained, pending)


def gate_model(
    pipeline: Pipeline, name: str, pending: Sequence[AppendLedger], *, check_determinism: bool = False
) -> Stages[ModelOutcome]:
    """Run all steps for a model; `pending` are ledger entries that the same command has planned but not written yet.

    Failed checks of the data and nondeterministic training are reported in the outcome. Raises Findings and UsageProblem
    when the model cannot be identified, trained or scored, or the holdout budget is spent.
    """
    pipeline.registry.model(name)  # another project's model is refused before anything is trained
    project = pipeline.project
    ensure_sealed_labels(project, name, pipeline.base)
    data, findings = read_data(project, name)
    outcome = ModelOutcome(name, "", findings, data)
    if has_errors(findings):
        failed = sum(not check.passed and check.severity == "error" for check in data.checks)
        return replace(outcome, sentence=f"{failed} checks of '{data.dataset}' failed")
    if pipeline.artifacts is not None:
        return _gate_external_run(pipeline, outcome, data, pending, pipeline.artifacts)
    candidate = identify_candidate(project, name, data, base=pipeline.base)
    if run_store.find_run(pipeline.repo, run_store.run_ref(name, candidate.key)) is None:
        require_remote_to_count(project, candidate)  # before an hour of training, and not after it
    # what the verdict needs (0.5 s) is imported while this process waits for the training
    threading.Thread(target=importlib.import_module, args=("scipy.special",)).start()
    trained = yield from train_candidate(project, candidate, pipeline.store, check_determinism=check_determinism)
    outcome = replace(
        outcome,
        findings=(*findings, *candidate.findings, *trained.diagnostics),
        candidate=candidate,
        trained=trained,
        plan=trained.plan,
        fitted=trained.fitted,
    )
    if has_errors(trained.diagnostics):
        return replace(outcome, sentence=next(one.message for one in trained.diagnostics if one.severity == "error"))
    with open_holdout(project, candidate) as opened:  # only after the training, which must not see a sealed holdout
        return _test_and_record(pipeline, outcome, opened, trained, pending)


def _gate_external_run(
    pipeline: Pipeline,
    outcome: ModelOutcome,
    data: DatasetSnapshot,
    pending: Sequence[AppendLedger],
    artifacts: Mapping[str, RunArtifact],
) -> ModelOutcome:
    """Import a model that another job trained, and test it."""
    project, name = pipeline.project, outcome.model
    if name not in artifacts:
        raise Findings.of(
            "run-not-arrived",
            f"there is no run of '{name}' from the job that trains",
            location=project.specs.models[name].locate("metadata", "name"),
            help="the training probably failed: read the log of that job",
        )
    candidate = match_candidate(project, name, data, pipeline.base, artifacts[name])
    _ensure_reviewed_metric_code(project, candidate, pipeline.base)
    with open_holdout(project, candidate) as candidate:
        trained = import_run(project, pipeline.repo, candidate, artifacts[name])
        findings = (*outcome.findings, *candidate.findings, *trained.diagnostics)
        outcome = replace(outcome, findings=findings, trained=trained)
        return _test_and_record(pipeline, outcome, candidate, trained, pending)


def _ensure_reviewed_metric_code(project: Project, candidate: Candidate, base: BaseBranch | None) -> None:
    """Raise Findings `metric-code-new` when this job, which sees labels, would run code of the change to compute metrics."""
    rules = candidate.rules
    if base is None or not rules.evaluate.custom or rules.metric_root != project.context.root:
        return
    raise Findings.of(
        "metric-code-new",
        f"the code of evaluate.custom of '{candidate.model.name}' is not on {base}, and it would see the labels of the holdout",
        location=candidate.model.locate("spec", "evaluate", "custom"),
        help="merge the code of the metric first; then a change may use it",
    )


def _test_and_record(
    pipeline: Pipeline,
    outcome: ModelOutcome,
    candidate: Candidate,
    trained: TrainedModel,
    pending: Sequence[AppendLedger],
) -> ModelOutcome:
    """Return the outcome with a comparison: the stored one for this candidate, opponents, holdout and rules, or a new one.

    Raises what `reserve_question` raises, before anything is scored.
    """
    project, name, run = pipeline.project, candidate.model.name, trained.run
    opponents = find_opponents(
        pipeline.registry.model(name),
        candidate.rules,
        candidate.requirements,
        candidate.model.locate("spec", "gate", "anchor"),
        offline=project.context.offline,
    )
    reservation = reserve_question(project, candidate, run, pending)
    key = candidate.comparison_key(opponents, pipeline.trust)
    stored = run_store.find_run(pipeline.repo, run_store.run_ref(name, key))
    if stored is not None:
        answer = _Answer(run_store.read_record(pipeline.repo, stored, "comparison.json", Comparison))
    else:
        answer = _score_and_test(pipeline, candidate, trained, opponents, reservation)
    comparison = with_question_number(answer.comparison, reservation)
    warnings = (*rule_change_warnings(candidate.model, candidate.rules), *reservation.diagnostics, *answer.diagnostics)
    findings = (*outcome.findings, *candidate.findings, *warnings, *requirement_findings(candidate, comparison))
    return replace(
        outcome,
        sentence=comparison.sentence,
        findings=tuple(dict.fromkeys(findings)),
        candidate=candidate,
        comparison=comparison,
        plan=outcome.plan + answer.plan,
        questions=plan_ledger_entry(project, candidate, run, reservation),
        fails_if_undecided=candidate.rules.gate.on_inconclusive == "fail",
    )


@dataclass(frozen=True)
class _Answer:
    """A comparison, its diagnostics, and the plan that stores it when it is new."""

    comparison: Comparison
    diagnostics: tuple[Diagnostic, ...] = ()
    plan: Plan = Plan()


def _score_and_test(
    pipeline: Pipeline,
    candidate: Candidate,
    trained: TrainedModel,
    opponents: Opponents,
    reservation: Reservation,
) -> _Answer:
    project = pipeline.project
    project.context.progress(f"comparing {candidate.model.name} on {candidate.sides.split.holdout_rows:,} holdout rows")
    scratch = Path(tempfile.mkdtemp(dir=project.context.scratch))
    task = load_evaluation_task(project, candidate, trained, opponents, reservation.gate, scratch)
    judgement = evaluate(task, project.context.root, scratch)
    key = candidate.comparison_key(opponents, pipeline.trust)
    comparison = with_question_number(comparison_record(task, judgement, key, pipeline.trust), reservation)
    records = evaluation_records(task, comparison)
    plan = plan_gate_run(comparison, trained.run, records, trained.folder, pipeline.store)
    return _Answer(comparison, judgement.diagnostics, plan)
