"""The holdout budget: counts evaluations in the ledger and refuses one when the budget is spent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from mlops_ci.core.codec import decode, encode
from mlops_ci.core.diagnostics import Diagnostic, Location
from mlops_ci.core.errors import EnvironmentProblem, Findings
from mlops_ci.core.plan import Plan
from mlops_ci.core.planned_writes import AppendLedger, Push
from mlops_ci.core.records.comparison import Comparison, HoldoutLedgerEntry, HoldoutQuestion
from mlops_ci.core.records.training_run import TrainingRun
from mlops_ci.evaluation.candidates.candidate import Candidate
from mlops_ci.evaluation.stats.alpha_spending import level_per_test
from mlops_ci.registry.holdout_ledger import HoldoutLedger, read_ledger
from mlops_ci.repository.context import Project
from mlops_ci.repository.git import Repository
from mlops_ci.spec.spec_types import GateSpec

LOW_BUDGET_SHARE = 0.2  # warn once this share of the budget or less is left


@dataclass(frozen=True)
class Reservation:
    """An evaluation's place in the holdout budget.

    `state` is `free` when the ledger already has this evaluation, or when the dataset has no budget; else `new`. `gate`
    has the confidence level that the budget leaves for each test. `question` has the evaluation's number and the budget;
    None without a budget.
    """

    state: Literal["free", "new"]
    gate: GateSpec
    ledger: HoldoutLedger | None = None
    question: HoldoutQuestion | None = None

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """The warning `holdout-budget-low` for a new evaluation when little of the budget is left."""
        if self.ledger is None or self.question is None or self.question.number is None or self.state == "free":
            return ()
        left = self.question.budget - self.question.number
        if left > LOW_BUDGET_SHARE * self.question.budget:
            return ()
        return (
            Diagnostic(
                "holdout-budget-low",
                f"this was evaluation {self.question.number} of {self.question.budget} that the holdout budget of"
                f" {self.ledger.ref} allows: {left} {'is' if left == 1 else 'are'} left",
                help="prepare a fresh holdout: increase split.epoch of the dataset by one, best when new labels have arrived",
                severity="warning",
            ),
        )


def reserve_question(
    project: Project, candidate: Candidate, run: TrainingRun, pending: Sequence[AppendLedger] = ()
) -> Reservation:
    """Return the place that the evaluation of a trained candidate takes in the holdout budget.

    `pending` are ledger entries that the same command has planned but not written yet. Raises Findings
    `holdout-exhausted` when the budget is spent, and EnvironmentProblem `ledger-offline` for a new evaluation while the
    remote does not answer: an evaluation must be counted before its result is known.
    """
    gate, budget = candidate.rules.gate, candidate.holdout_budget
    repo = project.context.repo
    if budget is None or repo is None:
        return Reservation("free", gate)
    split = candidate.sides.split
    ledger = read_ledger(repo, candidate.rules.ledger_dataset, split.epoch, project.identity)
    strict_gate = replace(gate, confidence=1 - level_per_test(1 - gate.confidence, budget))
    question = HoldoutQuestion(candidate.rules.ledger_dataset, split.epoch, budget)
    pair = (split.holdout_digest, run.model_digest)
    state, number = _number_question(ledger, question, pair, pending, candidate.dataset.locate("spec", "split"))
    if state == "free":
        return Reservation("free", strict_gate, ledger, replace(question, number=number))
    if project.context.offline:
        raise _offline_problem(candidate)
    return Reservation("new", strict_gate, ledger, replace(question, number=number))


def require_remote_to_count(project: Project, candidate: Candidate) -> None:
    """Raise EnvironmentProblem `ledger-offline` if the evaluation of a candidate that is not trained yet could not be counted."""
    if candidate.holdout_budget is not None and project.context.repo is not None and project.context.offline:
        raise _offline_problem(candidate)


def _offline_problem(candidate: Candidate) -> EnvironmentProblem:
    return EnvironmentProblem.of(
        "ledger-offline",
        f"the remote did not answer, so the evaluations on the holdout of '{candidate.rules.ledger_dataset}' cannot be"
        " counted",
        help="check the network and your access rights with git fetch, then run the same command again",
    )


def _number_question(
    ledger: HoldoutLedger,
    question: HoldoutQuestion,
    pair: tuple[str, str],
    pending: Sequence[AppendLedger],
    where: Location | None = None,
) -> tuple[Literal["free", "new"], int]:
    """Return the number that the evaluation of a (holdout digest, model digest) pair has or takes in a ledger.

    Raises Findings `holdout-exhausted` when the pair is new and the budget is spent.
    """
    planned = [decode(HoldoutLedgerEntry, one.question) for one in pending if one.ref == ledger.ref]
    extended = replace(ledger, questions=(*ledger.questions, *planned))
    if number := extended.question_number(*pair):
        return "free", number
    count = len(extended.questions)
    if count < question.budget:
        return "new", count + 1
    raise Findings.of(
        "holdout-exhausted",
        f"the holdout of '{question.dataset}' (epoch {question.epoch}) has used its budget of {question.budget}"
        f" evaluation{'' if question.budget == 1 else 's'};"
        " a model that further evaluations select may only fit this holdout by chance",
        location=where,
        help="increase split.epoch by one, which sets aside a fresh holdout, best when new labels have arrived; or raise"
        " holdoutBudget in a reviewed commit, which makes every test stricter",
    )


def settle_question(
    project: Project, comparison: Comparison, repo: Repository, pending: Sequence[AppendLedger]
) -> tuple[int | None, tuple[AppendLedger, ...]]:
    """Return the number of an evaluation that another job has done, and the planned ledger entry where it is new.

    The number is None without a budget. Raises Findings `holdout-exhausted` when other evaluations have spent the budget
    in the meantime.
    """
    question = comparison.holdout_question
    if question is None:
        return None, ()
    ledger = read_ledger(repo, question.dataset, question.epoch, project.identity)
    pair = (comparison.holdout_digest, comparison.model_digest)
    state, number = _number_question(ledger, question, pair, pending)
    entry = _plan_entry(project, ledger, question, pair, comparison.model, comparison.run)
    return number, (entry,) if state == "new" else ()


def with_question_number(comparison: Comparison, reservation: Reservation) -> Comparison:
    """Return a comparison with its number in the ledger, which the stored run leaves out."""
    return replace(comparison, holdout_question=reservation.question)


def without_question_number(comparison: Comparison) -> Comparison:
    """Return a comparison as it is stored, without its number: a concurrent evaluation may still take that number."""
    question = comparison.holdout_question
    return replace(comparison, holdout_question=replace(question, number=None)) if question else comparison


def plan_ledger_entry(
    project: Project, candidate: Candidate, run: TrainingRun, reservation: Reservation
) -> tuple[AppendLedger, ...]:
    """Return the planned ledger entry of a new evaluation; nothing for an evaluation that is `free`."""
    if reservation.state == "free" or reservation.ledger is None:
        return ()
    split = candidate.sides.split
    question = HoldoutQuestion(candidate.rules.ledger_dataset, split.epoch, candidate.holdout_budget or 0)
    pair = (split.holdout_digest, run.model_digest)
    return (_plan_entry(project, reservation.ledger, question, pair, run.model, run.key),)


def _plan_entry(
    project: Project, ledger: HoldoutLedger, question: HoldoutQuestion, pair: tuple[str, str], model: str, run: str
) -> AppendLedger:
    entry = HoldoutLedgerEntry(
        dataset=question.dataset,
        epoch=question.epoch,
        holdout_digest=pair[0],
        model_digest=pair[1],
        model=model,
        run=run,
        asked_on=project.context.clock().isoformat(timespec="seconds"),
        project=project.reference,
    )
    return AppendLedger(ledger.ref, ledger.head, encode(entry), f"{model}: evaluate run {run}")


def plan_publish(project: Project, runs: Plan, questions: Sequence[AppendLedger]) -> Plan:
    """Return a plan that first stores the runs in this clone and then pushes the ledger entries to the remote.

    When the push loses the race against a concurrent evaluation, the runs are already stored; the next attempt only
    appends the entries again.
    """
    repo = project.context.repo
    if not questions or repo is None:
        return runs
    local_writes = (*runs.writes, Push(None)) if runs else ()
    return Plan((*local_writes, *questions, Push(repo.default_remote())))
