"""What the repository says about events besides the events themselves: signatures, policies of their time, and what is on the branch.

An event is held to the rules of its own time: it names the commit of the branch whose policy it was written under, so that
a policy or a file of signers that is weakened later excuses nothing. What an event names is compared by object ids, never by dates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mlops_ci.core.records.events import Release
from mlops_ci.core.signers import Signing
from mlops_ci.governance.policy import BranchPolicy, load_policies
from mlops_ci.registry.events import Event
from mlops_ci.registry.state import ModelState
from mlops_ci.registry.tag_message import has_signature
from mlops_ci.repository.git import Repository
from mlops_ci.repository.signing import TagSignature, verify_tags
from mlops_ci.spec.load import PROJECT_FILE


@dataclass(frozen=True)
class EventEvidence:
    """What the repository says about the events of some models.

    `signatures` are those of all events by the signers of today or, where the branch has no `signing` any more, by the last ones
    that an event names. `policies` are the policies that events were written under, by the events' object ids, with None where the
    commit has none; `signatures_then` are the signatures by the signers of these policies, where they are others than today's.
    `older` are the events whose policy had been replaced before the event that precedes them. `off_branch` are commits that are
    not on the branch. `repository` is what the remote's URL calls this repository.
    """

    branch: str
    signing: Signing | None = None
    is_signing_dropped: bool = False
    signatures: Mapping[str, TagSignature] = field(default_factory=dict)
    policies: Mapping[str, BranchPolicy | None] = field(default_factory=dict)
    signatures_then: Mapping[str, TagSignature] = field(default_factory=dict)
    older: frozenset[str] = frozenset()
    off_branch: frozenset[str] = frozenset()
    repository: str | None = None


@dataclass(frozen=True)
class PolicyBranch:
    """The branch whose rules count: its name, its policy, and the commits that everything released must be reachable from."""

    name: str
    policy: BranchPolicy
    tips: tuple[str, ...]


def gather_evidence(
    repo: Repository, states: Sequence[ModelState], branch: PolicyBranch, repository: str | None
) -> EventEvidence:
    """Return what the repository says about the events of models, from a few processes for all of them.

    A shallow clone cannot tell what is on a branch, so that nothing counts as off it there. Raises EnvironmentProblem as
    `check_signatures` does.
    """
    events = [event for state in states for event in state.events]
    off = frozenset[str]()
    if not repo.is_shallow:
        named = {commit for event in events for commit in _named_commits(event)}
        off = repo.unreachable_commits(sorted(named), branch.tips)
    today = branch.policy.signing
    if today is None and not any(has_signature(event.contents) for event in events):
        return EventEvidence(branch.name, off_branch=off, repository=repository)
    policies = _policies_of_events(repo, events, off)
    past = [one.signing for one in policies.values() if one is not None and one.signing is not None]
    signing = today or (past[-1] if past else None)
    signatures = verify_tags(repo, signing, [event.oid for event in events]) if signing is not None else {}
    then: dict[str, TagSignature] = {}
    for other in dict.fromkeys(past):
        if signing is not None and (other.format, other.signers) != (signing.format, signing.signers):
            mine = [oid for oid, one in policies.items() if one is not None and one.signing == other]
            then |= verify_tags(repo, other, mine)
    older = frozenset(oid for state in states for oid in _events_under_older_policies(repo, state, policies))
    return EventEvidence(branch.name, signing, today is None, signatures, policies, then, older, off, repository)


def _named_commits(event: Event) -> Iterator[str]:
    """Yield the commits that a record says are on the branch: a release's, and that of the policy."""
    record = event.record
    if isinstance(record, Release):
        yield record.commit
    if record is not None and record.policy_commit is not None:
        yield record.policy_commit


def _policies_of_events(
    repo: Repository, events: Iterable[Event], off_branch: frozenset[str]
) -> dict[str, BranchPolicy | None]:
    """Return the policy that each event names; a commit that is not on the branch has no say, and a shallow clone may lack one."""
    places = {
        event.oid: (record.policy_commit, _project_file(record.project.path))
        for event in events
        if (record := event.record) is not None
        and record.policy_commit is not None
        and record.policy_commit not in off_branch
    }
    loaded = load_policies(repo, places.values())
    return {oid: loaded[place] for oid, place in places.items() if loaded[place] is not None or not repo.is_shallow}


def _project_file(folder: str) -> str:
    return PROJECT_FILE if folder == "." else f"{folder}/{PROJECT_FILE}"


def _events_under_older_policies(
    repo: Repository, state: ModelState, policies: Mapping[str, BranchPolicy | None]
) -> Iterator[str]:
    """Yield the events that name a commit from before that of an earlier event, if the policies of the two differ."""
    newest: BranchPolicy | None = None
    for event in state.events:
        one = policies.get(event.oid)
        if one is None:
            continue
        is_other = newest is not None and one != newest and one.commit != newest.commit
        if newest is not None and is_other and repo.contains_commit(newest.commit or "", one.commit or ""):
            yield event.oid
        else:
            newest = one
