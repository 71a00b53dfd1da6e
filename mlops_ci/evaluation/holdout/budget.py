"""What a question to a holdout costs, and whether it may still be asked."""

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

LOW_BUDGET_SHARE = 0.2  # of a budget: from here on it is said how much is left


@dataclass(frozen=True)
class Reservation:
    """A question. `free`: it was asked before, or nobody counts; `gate` has the confidence that its budget leaves each test.

    `asking` is which of how many it is, where they are counted.
    """

    state: Literal["free", "new"]
    gate: GateSpec
    ledger: HoldoutLedger | None = None
    question: HoldoutQuestion | None = None

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """A warning as the budget runs out."""
        if self.ledger is None or self.question is None or self.question.number is None or self.state == "free":
            return ()
        left = self.question.budget - self.question.number
        if left > LOW_BUDGET_SHARE * self.question.budget:
            return ()
        return (
            Diagnostic(
                "holdout-budget-low",
                f"this was question {self.question.number} of {self.question.budget} to {self.ledger.ref}: {left} are left",
                help="prepare a fresh holdout: count up split.epoch of the dataset, best when new labels have come",
                severity="warning",
            ),
        )


def reserve_question(
    project: Project, candidate: Candidate, run: TrainingRun, pending: Sequence[AppendLedger] = ()
) -> Reservation:
    """Return what it costs to judge a trained candidate on today's holdout; `waiting` are questions of the same command.

    Raises Findings `holdout-exhausted` when the budget is spent, and EnvironmentProblem `ledger-offline` when it cannot be told
    how much is left: a question is counted before it is answered.
    """
    gate, budget = candidate.rules.gate, candidate.holdout_budget
    repo = project.context.repo
    if budget is None or repo is None:
        return Reservation("free", gate)
    split = candidate.sides.split
    ledger = read_ledger(repo, candidate.rules.ledger_dataset, split.epoch)
    spent = level_per_test(1 - gate.confidence, budget)
    share = replace(gate, confidence=1 - spent)
    asking = HoldoutQuestion(candidate.rules.ledger_dataset, split.epoch, budget)
    pair = (split.holdout_digest, run.model_digest)
    state, number = _number_question(ledger, asking, pair, pending, candidate.dataset.locate("spec", "split"))
    if state == "free":
        return Reservation("free", share, ledger, replace(asking, number=number))
    if project.context.offline:
        raise EnvironmentProblem.of(
            "ledger-offline",
            f"the remote did not answer, so nobody knows how often the holdout of '{candidate.rules.ledger_dataset}' was asked",
            help="check the network and your rights (git fetch), then run the same command again",
        )
    return Reservation("new", share, ledger, replace(asking, number=number))


def _number_question(
    ledger: HoldoutLedger,
    asking: HoldoutQuestion,
    pair: tuple[str, str],
    pending: Sequence[AppendLedger],
    where: Location | None = None,
) -> tuple[Literal["free", "new"], int]:
    """Return the place in a ledger that a question has or takes, about a pair of holdout and model; raises `holdout-exhausted`."""
    mine = [decode(HoldoutLedgerEntry, one.question) for one in pending if one.ref == ledger.ref]
    ahead = replace(ledger, questions=(*ledger.questions, *mine))
    if number := ahead.question_number(*pair):
        return "free", number
    before = len(ahead.questions)
    if before < asking.budget:
        return "new", before + 1
    raise Findings.of(
        "holdout-exhausted",
        f"the holdout of '{asking.dataset}' (epoch {asking.epoch}) has answered its {asking.budget} questions;"
        " what is chosen on it from here on is chosen by luck",
        location=where,
        help="count up split.epoch, which sets aside a fresh holdout, best when new labels have come; or raise"
        " holdoutBudget in a reviewed commit, which makes every test stricter",
    )


def settle_question(
    project: Project, comparison: Comparison, repo: Repository, pending: Sequence[AppendLedger]
) -> tuple[int | None, tuple[AppendLedger, ...]]:
    """Return the place of a question that another job has answered, and the ledger's entry for it where it is new.

    None where nobody counts. Raises Findings `holdout-exhausted` when others have spent the budget meanwhile.
    """
    asking = comparison.holdout_question
    if asking is None:
        return None, ()
    ledger = read_ledger(repo, asking.dataset, asking.epoch)
    pair = (comparison.holdout_digest, comparison.model_digest)
    state, number = _number_question(ledger, asking, pair, pending)
    entry = _plan_entry(project, ledger, asking, pair, comparison.model, comparison.run)
    return number, (entry,) if state == "new" else ()


def with_question_number(comparison: Comparison, reservation: Reservation) -> Comparison:
    """Return an answer with the place that its question has in the ledger, which the run that holds it does not say."""
    return replace(comparison, holdout_question=reservation.question)


def without_question_number(comparison: Comparison) -> Comparison:
    """Return an answer as it is stored: its question has no place in the ledger yet, and may lose it to somebody else."""
    asked = comparison.holdout_question
    return replace(comparison, holdout_question=replace(asked, number=None)) if asked else comparison


def plan_ledger_entry(
    project: Project, candidate: Candidate, run: TrainingRun, reservation: Reservation
) -> tuple[AppendLedger, ...]:
    """Plan the ledger's entry for a question that is new; nothing for others."""
    if reservation.state == "free" or reservation.ledger is None:
        return ()
    split = candidate.sides.split
    asking = HoldoutQuestion(candidate.rules.ledger_dataset, split.epoch, candidate.holdout_budget or 0)
    pair = (split.holdout_digest, run.model_digest)
    return (_plan_entry(project, reservation.ledger, asking, pair, run.model, run.key),)


def _plan_entry(
    project: Project, ledger: HoldoutLedger, asking: HoldoutQuestion, pair: tuple[str, str], model: str, run: str
) -> AppendLedger:
    question = HoldoutLedgerEntry(
        dataset=asking.dataset,
        epoch=asking.epoch,
        holdout_digest=pair[0],
        model_digest=pair[1],
        model=model,
        run=run,
        asked_on=project.context.clock().isoformat(timespec="seconds"),
        project=project.reference,
    )
    return AppendLedger(ledger.ref, ledger.head, encode(question), f"{model}: run {run} is judged")


def plan_publish(project: Project, runs: Plan, questions: Sequence[AppendLedger]) -> Plan:
    """Put questions behind the runs that they are about: those stay in this clone, the questions go to the remote.

    Whoever loses the race for a place finds the runs stored, and only asks again.
    """
    repo = project.context.repo
    if not questions or repo is None:
        return runs
    here = (*runs.writes, Push(None)) if runs else ()
    return Plan((*here, *questions, Push(repo.default_remote())))
