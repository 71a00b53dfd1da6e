"""Audit of the holdout ledgers: each is one line of valid entries, and it still has all entries that releases name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from mlops_ci.core.codec import DecodeError, decode_json
from mlops_ci.core.diagnostics import Diagnostic, Location
from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.core.records.comparison import HoldoutLedgerEntry
from mlops_ci.core.records.events import LedgerHead, Release
from mlops_ci.governance.audit.inventory import ModelInventory
from mlops_ci.registry.holdout_ledger import LEDGER_ENTRY_FILE, ledger_ref
from mlops_ci.repository.branch_specs import ProjectAtTip
from mlops_ci.repository.git import Repository
from mlops_ci.repository.git_values import LogCommit
from mlops_ci.repository.ref_listing import LEDGER_PREFIX, TAG_PREFIX

# a git tree that has only this file consists of this prefix and the binary object id
_TREE_PREFIX = f"100644 {LEDGER_ENTRY_FILE}\0".encode()
_FETCH_COMMAND = "git fetch origin 'refs/mlops/*:refs/mlops/*'"
_COMPARE_HELP = "compare with another clone (git ls-remote), or start a fresh holdout (split.epoch)"


@dataclass(frozen=True)
class LedgerEntry:
    """One commit of a ledger: its entry (`question`), or the reason (`why`) that it has no valid one."""

    oid: str
    question: HoldoutLedgerEntry | None
    why: str | None = None


@dataclass(frozen=True)
class LedgerHistory:
    """One ledger, oldest first; `incomplete_reason` says why its chain could not be read back to the first entry."""

    ref: str
    head: str
    entries: tuple[LedgerEntry, ...] = ()
    incomplete_reason: str | None = None

    @property
    def question_count(self) -> int:
        """The number of evaluations in the ledger."""
        return sum(link.question is not None for link in self.entries)

    @cached_property
    def positions(self) -> dict[str, int]:
        """The position of each commit, from 1."""
        return {link.oid: at for at, link in enumerate(self.entries, 1)}


def read_ledgers(repo: Repository) -> dict[str, LedgerHistory]:
    """Return all ledgers of the repository by ref."""
    return {ref: _read_ledger(repo, ref, oid) for ref, oid in repo.ref_oids(LEDGER_PREFIX).items()}


def ledgers_of_models(
    ledgers: Mapping[str, LedgerHistory], helds: Iterable[ModelInventory]
) -> dict[str, LedgerHistory]:
    """Return the ledgers that the releases of these models name."""
    named = {record.ledger.ref for held in helds for _, record in _releases(held) if record.ledger is not None}
    return {ref: ledger for ref, ledger in ledgers.items() if ref in named}


def breaks(ledger: LedgerHistory, projects: Iterable[ProjectAtTip]) -> Iterator[Diagnostic]:
    """Yield the faults of a ledger itself, located in its dataset's spec on the branch, which has the current budget."""
    dataset, _, epoch = ledger.ref.removeprefix(LEDGER_PREFIX).rpartition("/")
    asked_by = {(link.question.project.name, link.question.project.path) for link in ledger.entries if link.question}
    owners = [
        (one, found)
        for one in projects
        if (found := one.specs.datasets.get(dataset)) is not None
        and (not asked_by or any(one.identity.owns_dataset(*project) for project in asked_by))
    ]
    budgets = [
        found.spec.split.holdout_budget
        for _, found in owners
        if str(found.spec.split.epoch) == epoch and found.spec.split.holdout_budget is not None
    ]
    place = None
    for project, found in owners[:1]:
        at = found.locate("spec", "split")
        place = replace(at, path=project.repository_path(at.path))
    wrong = [link for link in ledger.entries if link.why is not None]
    if ledger.incomplete_reason is not None:
        yield _malformed_finding(ledger, ledger.incomplete_reason, place)
    elif wrong:
        more = f", the first of {len(wrong):,} such commits" if len(wrong) > 1 else ""
        yield _malformed_finding(ledger, f"{wrong[0].why} (commit {wrong[0].oid[:10]}{more})", place)
    if budgets and ledger.question_count > max(budgets):
        yield Diagnostic(
            "audit-ledger-overspent",
            f"{ledger.ref} has {ledger.question_count:,} evaluations, but the branch's holdoutBudget is {max(budgets):,}",
            place,
            "the budget was lowered later, or it was exceeded, so the last promotions may be due to chance. Start a fresh"
            " holdout (a new split.epoch)",
            "warning",
            about=ledger.ref,
        )


def release_ledger_breaks(held: ModelInventory, ledgers: Mapping[str, LedgerHistory]) -> Iterator[Diagnostic]:
    """Yield the releases of a model whose ledger is missing, was rewritten or does not have the release's evaluation."""
    for tag, release in _releases(held):
        head = release.ledger
        if head is None:
            if release.evidence.budget is not None:
                yield _missing_question_finding(
                    tag,
                    f"the verdict of {tag} was made under a holdout budget, but the tag names no ledger that counted the evaluation",
                )
            continue
        ledger = ledgers.get(head.ref)
        if ledger is None:
            yield Diagnostic(
                "audit-ledger-missing",
                f"this clone has no {head.ref}, the ledger that counted the evaluation of {tag}",
                help=f"`git clone` does not fetch it: {_FETCH_COMMAND}. If the remote does not have it either, restore it from a"
                f" clone that has it: git push origin {head.oid}:{head.ref}",
                about=head.ref,
            )
        elif ledger.incomplete_reason is None:  # an incomplete ledger cannot be compared
            yield from _question_breaks(ledger, head, tag, release)


def _question_breaks(ledger: LedgerHistory, head: LedgerHead, tag: str, release: Release) -> Iterator[Diagnostic]:
    until = ledger.positions.get(head.oid)
    if until is None:
        yield Diagnostic(
            "audit-ledger-rewritten",
            f"{ledger.ref} does not have commit {head.oid[:10]}, its head when {tag} was released",
            help=f"this clone may be out of date: {_FETCH_COMMAND}. Otherwise the ledger was rewritten, and some evaluations are no"
            f" longer counted: restore it from a clone that has the commit (git cat-file -t {head.oid[:10]})",
            about=ledger.ref,
        )
        return
    link = ledger.entries[head.question - 1] if 0 < head.question <= until else None
    asked = (release.data[0].dataset, release.evidence.holdout_digest, release.model_digest)
    one = link.question if link else None
    if one is None or (one.dataset, one.holdout_digest, one.model_digest) != asked:
        yield _missing_question_finding(
            tag,
            f"{tag} names entry {head.question:,} of {ledger.ref}, but that entry records another evaluation or is missing",
        )


def _releases(held: ModelInventory) -> Iterator[tuple[str, Release]]:
    return ((tag, record) for tag, record in held.records.items() if isinstance(record, Release))


def _missing_question_finding(tag: str, why: str) -> Diagnostic:
    return Diagnostic(
        "audit-question-missing",
        why,
        help="the ledger did not count this evaluation, so the error level of its verdict is unknown: run `mlops-ci gate` again",
        about=f"{TAG_PREFIX}{tag}",
    )


def _malformed_finding(ledger: LedgerHistory, why: str, place: Location | None) -> Diagnostic:
    return Diagnostic(
        "audit-ledger-malformed",
        f"{ledger.ref} is not a valid ledger: {why}",
        place,
        _COMPARE_HELP,
        about=ledger.ref,
    )


def _read_ledger(repo: Repository, ref: str, head: str) -> LedgerHistory:
    try:
        commits = repo.reachable_commits([head])
    except EnvironmentProblem:
        return LedgerHistory(ref, head, incomplete_reason="one of its commits is missing or damaged")
    chain: list[LogCommit] = []
    at: str | None = head
    while at is not None:
        if at not in commits:
            return LedgerHistory(ref, head, incomplete_reason=f"its history contains {at[:10]}, which is not a commit")
        chain.append(commits[at])
        at = chain[-1].parents[0] if chain[-1].parents else None
    if chain[-1].oid in repo.shallow_boundary():
        return LedgerHistory(ref, head, incomplete_reason="this clone is shallow (git fetch --unshallow)")
    chain.reverse()
    trees = repo.read_objects([commit.tree for commit in chain], or_corrupt=True)
    texts = repo.read_objects([f"{commit.tree}:{LEDGER_ENTRY_FILE}" for commit in chain], or_corrupt=True)
    known: dict[tuple[str, str], str] = {}
    links = [_ledger_entry(ref, *one, known) for one in zip(chain, trees, texts, strict=True)]
    return LedgerHistory(ref, head, tuple(links))


def _ledger_entry(
    ref: str, commit: LogCommit, tree: bytes | None, text: bytes | None, known: dict[tuple[str, str], str]
) -> LedgerEntry:
    """Return one commit as a ledger entry with its fault, if any; `known` has the commits of all earlier evaluations."""
    alone = tree is not None and tree.startswith(_TREE_PREFIX) and len(tree) == len(_TREE_PREFIX) + len(commit.oid) // 2
    if not alone:
        return LedgerEntry(commit.oid, None, f"its tree must contain the file {LEDGER_ENTRY_FILE} and nothing else")
    try:
        question = decode_json(HoldoutLedgerEntry, text or b"")
    except DecodeError as error:
        return LedgerEntry(commit.oid, None, f"its entry cannot be read: {error}")
    pair = (question.holdout_digest, question.model_digest)
    why = None
    if len(commit.parents) > 1:
        why = f"it has {len(commit.parents)} parents"
    elif ledger_ref(question.dataset, question.epoch) != ref:
        why = f"its entry is for the dataset {question.dataset}, epoch {question.epoch}"
    elif pair in known:
        why = f"it repeats the evaluation of commit {known[pair][:10]}"
    known.setdefault(pair, commit.oid)
    return LedgerEntry(commit.oid, question, why)
