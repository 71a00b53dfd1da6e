"""The holdout ledger: one chain of commits for each dataset and epoch, with one commit for each evaluated candidate.

A repeated evaluation of the same candidate on the same rows is free. The chain only moves forward, so two concurrent
evaluations cannot get the same number: the one whose push is rejected reads the ledger again.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlops_ci.core.codec import DecodeError, decode_json
from mlops_ci.core.errors import EnvironmentProblem, Findings
from mlops_ci.core.records.comparison import HoldoutLedgerEntry
from mlops_ci.repository.git import Repository
from mlops_ci.repository.project_identity import ProjectIdentity
from mlops_ci.repository.ref_listing import LEDGER_PREFIX

LEDGER_ENTRY_FILE = "question.json"


@dataclass(frozen=True)
class HoldoutLedger:
    """The evaluations of one epoch of a dataset's holdout, oldest first; `head` is the newest commit, None if there is none."""

    ref: str
    head: str | None
    questions: tuple[HoldoutLedgerEntry, ...]

    def question_number(self, holdout_digest: str, model_digest: str) -> int | None:
        """Return the number, from 1, of the evaluation of this model on these rows; None if there is none."""
        pairs = [(one.holdout_digest, one.model_digest) for one in self.questions]
        pair = (holdout_digest, model_digest)
        return pairs.index(pair) + 1 if pair in pairs else None


def ledger_ref(dataset: str, epoch: int) -> str:
    """Return the ref of the ledger of a dataset's holdout epoch."""
    return f"{LEDGER_PREFIX}{dataset}/{epoch}"


def read_ledger(repo: Repository, dataset: str, epoch: int, identity: ProjectIdentity | None) -> HoldoutLedger:
    """Return a ledger of a project as this clone has it; it is empty before the first evaluation.

    Raises Findings `dataset-of-another-project` when an entry names another project than `identity`, and EnvironmentProblem `ledger-corrupt` when the chain forks or a commit is not a ledger entry: the remaining budget
    is then unknown.
    """
    ref = ledger_ref(dataset, epoch)
    head = repo.resolve(ref)
    commits = repo.reachable_commits([head] if head else [])
    at, newest_first = head, list[str]()
    while at is not None:
        newest_first.append(at)
        parents = commits[at].parents
        if len(parents) > 1:
            raise _corruption_error(ref, f"commit {at[:10]} has more than one parent")
        at = parents[0] if parents else None
    oldest_first = newest_first[::-1]
    contents = repo.read_objects([f"{oid}:{LEDGER_ENTRY_FILE}" for oid in oldest_first])
    questions = tuple(_read_question(ref, oid, content) for oid, content in zip(oldest_first, contents, strict=True))
    for owner in (question.project for question in questions):
        if identity is not None and not identity.owns_dataset(owner.name, owner.path):
            raise Findings.of(
                "dataset-of-another-project",
                f"{ref} counts evaluations for project '{owner.name}' in {owner.path}, which has a dataset '{dataset}', too. This is project"
                f" '{identity.reference.name}' in {identity.reference.path}",
                help="all datasets of a repository share its ledgers, so rename one of the two datasets\nIf this project was renamed or"
                f" moved, say so below `spec` in its mlops.yaml: formerly: [{{name: {owner.name}, path: {owner.path}}}]",
            )
    return HoldoutLedger(ref, head, questions)


def _read_question(ref: str, oid: str, content: bytes | None) -> HoldoutLedgerEntry:
    try:
        return decode_json(HoldoutLedgerEntry, content or b"")
    except DecodeError as error:
        raise _corruption_error(ref, f"commit {oid[:10]} is not a valid ledger entry ({error})") from error


def _corruption_error(ref: str, why: str) -> EnvironmentProblem:
    return EnvironmentProblem.of(
        "ledger-corrupt",
        f"the holdout ledger {ref} cannot be read, so the number of evaluations of this holdout is unknown: {why}",
        help="the ledger was edited by hand or is damaged: compare with another clone (git ls-remote), or use a fresh holdout"
        " (a higher split.epoch)",
    )
