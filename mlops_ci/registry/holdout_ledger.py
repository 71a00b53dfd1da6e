"""How often a holdout was asked: a chain of commits for each dataset and epoch, one for each candidate that was judged on it.

Asking again about the same candidate and the same rows is free. The chain moves forward only, so that two who ask at once
cannot both take the same place: whoever loses reads it again.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlops_ci.core.codec import DecodeError
from mlops_ci.core.codec import decode_json as decoded
from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.core.records.comparison import HoldoutLedgerEntry
from mlops_ci.repository.git import Repository
from mlops_ci.repository.ref_listing import LEDGER_PREFIX

LEDGER_ENTRY_FILE = "question.json"


@dataclass(frozen=True)
class HoldoutLedger:
    """The questions that were put to one epoch of a dataset's holdout, oldest first; `head` is the last one's commit."""

    ref: str
    head: str | None
    questions: tuple[HoldoutLedgerEntry, ...]

    def question_number(self, holdout_digest: str, model_digest: str) -> int | None:
        """Return the place, from 1, of the question about this very model and these very rows; None where it was not asked."""
        pairs = [(one.holdout_digest, one.model_digest) for one in self.questions]
        pair = (holdout_digest, model_digest)
        return pairs.index(pair) + 1 if pair in pairs else None


def ledger_ref(dataset: str, epoch: int) -> str:
    """Return the ref of a ledger."""
    return f"{LEDGER_PREFIX}{dataset}/{epoch}"


def read_ledger(repo: Repository, dataset: str, epoch: int) -> HoldoutLedger:
    """Return a ledger as this clone knows it; an empty one where nothing was asked.

    Raises EnvironmentProblem `ledger-corrupt` when the chain forks or holds something else: then nobody knows how much is left.
    """
    ref = ledger_ref(dataset, epoch)
    head = repo.resolve(ref)
    commits = repo.reachable_commits([head] if head else [])
    at, newest_first = head, list[str]()
    while at is not None:
        newest_first.append(at)
        parents = commits[at].parents
        if len(parents) > 1:
            raise _corruption_error(ref, f"commit {at[:10]} joins two chains")
        at = parents[0] if parents else None
    oldest_first = newest_first[::-1]
    contents = repo.read_objects([f"{oid}:{LEDGER_ENTRY_FILE}" for oid in oldest_first])
    questions = tuple(_read_question(ref, oid, content) for oid, content in zip(oldest_first, contents, strict=True))
    return HoldoutLedger(ref, head, questions)


def _read_question(ref: str, oid: str, content: bytes | None) -> HoldoutLedgerEntry:
    try:
        return decoded(HoldoutLedgerEntry, content or b"")
    except DecodeError as error:
        raise _corruption_error(ref, f"commit {oid[:10]} holds no question ({error})") from error


def _corruption_error(ref: str, why: str) -> EnvironmentProblem:
    return EnvironmentProblem.of(
        "ledger-corrupt",
        f"{ref} cannot be read, so nobody knows how often this holdout was asked: {why}",
        help="somebody wrote it by hand, or it is damaged: compare with another clone, or start a fresh holdout (split.epoch)",
    )
