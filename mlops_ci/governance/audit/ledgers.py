"""Ledgers of questions to holdouts: one line of valid questions each, and all of it there that a release has seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from mlops_ci.core.codec import DecodeError
from mlops_ci.core.codec import read as decoded
from mlops_ci.core.diagnostics import Diagnostic, Location
from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.core.records import LedgerHead, Question, Release
from mlops_ci.governance.audit.inventory import Holdings
from mlops_ci.registry.holdout_ledger import ENTRY, ref_of
from mlops_ci.repository.branch_specs import ProjectAtTip
from mlops_ci.repository.git import Repository
from mlops_ci.repository.git_values import LogCommit
from mlops_ci.repository.ref_listing import LEDGERS, TAGS

_TREE = f"100644 {ENTRY}\0".encode()  # and an object id, as git stores it: all of a tree that has this file only
_FETCH = "git fetch origin 'refs/mlops/*:refs/mlops/*'"
_COMPARE = "compare with another clone (git ls-remote), or start a fresh holdout (split.epoch)"


@dataclass(frozen=True)
class Link:
    """One commit of a ledger: its question, or `why` it has none that counts."""

    oid: str
    question: Question | None
    why: str | None = None


@dataclass(frozen=True)
class HeldLedger:
    """One ledger, oldest first; `torn` says why it could not be walked to its first question."""

    ref: str
    head: str
    links: tuple[Link, ...] = ()
    torn: str | None = None

    @property
    def questions(self) -> int:
        """How many questions it has."""
        return sum(link.question is not None for link in self.links)

    @cached_property
    def places(self) -> dict[str, int]:
        """The place of each commit, from 1."""
        return {link.oid: at for at, link in enumerate(self.links, 1)}


def read(repo: Repository) -> dict[str, HeldLedger]:
    """Return every ledger of the repository, by its ref."""
    return {ref: _read(repo, ref, oid) for ref, oid in repo.oids(LEDGERS).items()}


def of_models(ledgers: Mapping[str, HeldLedger], helds: Iterable[Holdings]) -> dict[str, HeldLedger]:
    """Return those of the ledgers that releases of some models name."""
    named = {record.ledger.ref for held in helds for _, record in _releases(held) if record.ledger is not None}
    return {ref: ledger for ref, ledger in ledgers.items() if ref in named}


def breaks(ledger: HeldLedger, projects: Iterable[ProjectAtTip]) -> Iterator[Diagnostic]:
    """Yield what is wrong with a ledger itself, at its dataset's spec on the branch, which has its budget of today."""
    dataset, _, epoch = ledger.ref.removeprefix(LEDGERS).rpartition("/")
    owners = [(one, found) for one in projects if (found := one.specs.datasets.get(dataset)) is not None]
    budgets = [
        found.spec.split.holdout_budget
        for _, found in owners
        if str(found.spec.split.epoch) == epoch and found.spec.split.holdout_budget is not None
    ]
    place = None
    for project, found in owners[:1]:
        at = found.locate("spec", "split")
        place = replace(at, path=project.inside(at.path))
    wrong = [link for link in ledger.links if link.why is not None]
    if ledger.torn is not None:
        yield _malformed(ledger, ledger.torn, place)
    elif wrong:
        more = f", the first of {len(wrong):,} such commits" if len(wrong) > 1 else ""
        yield _malformed(ledger, f"{wrong[0].why} (commit {wrong[0].oid[:10]}{more})", place)
    if budgets and ledger.questions > max(budgets):
        yield Diagnostic(
            "audit-ledger-overspent",
            f"{ledger.ref} has {ledger.questions:,} questions, and the branch's holdoutBudget is {max(budgets):,}",
            place,
            "the budget was lowered since, or somebody counted past it: what was promoted last may be luck. Start a fresh"
            " holdout (split.epoch)",
            "warning",
            about=ledger.ref,
        )


def seen(held: Holdings, ledgers: Mapping[str, HeldLedger]) -> Iterator[Diagnostic]:
    """Yield where the ledgers are not what a model's releases saw: their heads, and their questions before them."""
    for tag, release in _releases(held):
        head = release.ledger
        if head is None:
            if release.evidence.budget is not None:
                yield _not_asked(tag, f"{tag} was judged within a budget, and names no ledger that counted it")
            continue
        ledger = ledgers.get(head.ref)
        if ledger is None:
            yield Diagnostic(
                "audit-ledger-missing",
                f"{head.ref}, in which the question of {tag} was counted, is not here",
                help=f"a plain clone lacks it: {_FETCH}. If it is gone from the remote, restore it from a clone that has it:"
                f" git push origin {head.oid}:{head.ref}",
                about=head.ref,
            )
        elif ledger.torn is None:  # else it cannot be told
            yield from _held_against(ledger, head, tag, release)


def _held_against(ledger: HeldLedger, head: LedgerHead, tag: str, release: Release) -> Iterator[Diagnostic]:
    until = ledger.places.get(head.oid)
    if until is None:
        yield Diagnostic(
            "audit-ledger-rewritten",
            f"{ledger.ref} does not have commit {head.oid[:10]}, at which it was when {tag} was released",
            help=f"this clone may be behind: {_FETCH}. Else somebody rewrote it, so that questions are not counted any more:"
            f" look for a clone that has the commit (git cat-file -t {head.oid[:10]}), and restore it from there",
            about=ledger.ref,
        )
        return
    link = ledger.links[head.question - 1] if 0 < head.question <= until else None
    asked = (release.data[0].dataset, release.evidence.holdout_digest, release.model_digest)
    one = link.question if link else None
    if one is None or (one.dataset, one.holdout_digest, one.model_digest) != asked:
        yield _not_asked(tag, f"{tag} was released as question {head.question:,} of {ledger.ref}, which is another one")


def _releases(held: Holdings) -> Iterator[tuple[str, Release]]:
    return ((tag, record) for tag, record in held.records.items() if isinstance(record, Release))


def _not_asked(tag: str, why: str) -> Diagnostic:
    return Diagnostic(
        "audit-question-missing",
        why,
        help="it was released past the count, so its verdict was at no level that anybody knows: gate the model again",
        about=f"{TAGS}{tag}",
    )


def _malformed(ledger: HeldLedger, why: str, place: Location | None) -> Diagnostic:
    return Diagnostic(
        "audit-ledger-malformed", f"{ledger.ref} is no chain of questions: {why}", place, _COMPARE, about=ledger.ref
    )


def _read(repo: Repository, ref: str, head: str) -> HeldLedger:
    try:
        commits = repo.chain([head])
    except EnvironmentProblem:
        return HeldLedger(ref, head, torn="a commit of it is not here, or is damaged")
    chain: list[LogCommit] = []
    at: str | None = head
    while at is not None:
        if at not in commits:
            return HeldLedger(ref, head, torn=f"it leads to {at[:10]}, which is no commit")
        chain.append(commits[at])
        at = chain[-1].parents[0] if chain[-1].parents else None
    if chain[-1].oid in repo.cut_off():
        return HeldLedger(ref, head, torn="this clone is shallow (git fetch --unshallow)")
    chain.reverse()
    trees = repo.read_many([commit.tree for commit in chain])
    texts = repo.read_many([f"{commit.tree}:{ENTRY}" for commit in chain])
    known: dict[tuple[str, str], str] = {}
    links = [_link(ref, *one, known) for one in zip(chain, trees, texts, strict=True)]
    return HeldLedger(ref, head, tuple(links))


def _link(
    ref: str, commit: LogCommit, tree: bytes | None, text: bytes | None, known: dict[tuple[str, str], str]
) -> Link:
    """Return one commit with what is wrong with it; `known` has the commits of the pairs that were asked about before."""
    alone = tree is not None and tree.startswith(_TREE) and len(tree) == len(_TREE) + len(commit.oid) // 2
    if not alone:
        return Link(commit.oid, None, f"it holds something else than {ENTRY}")
    try:
        question = decoded(Question, text or b"")
    except DecodeError as error:
        return Link(commit.oid, None, f"it holds no question: {error}")
    pair = (question.holdout_digest, question.model_digest)
    why = None
    if len(commit.parents) > 1:
        why = f"it joins {len(commit.parents)} chains"
    elif ref_of(question.dataset, question.epoch) != ref:
        why = f"it holds a question to {question.dataset}, epoch {question.epoch}"
    elif pair in known:
        why = f"it repeats the question of commit {known[pair][:10]}"
    known.setdefault(pair, commit.oid)
    return Link(commit.oid, question, why)
