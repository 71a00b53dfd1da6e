"""What a clone lacks only because nobody fetched it: it is neither gone nor forged, and nothing can be audited without it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.core.records.events import Assignment, Release
from mlops_ci.governance.audit.inventory import ModelInventory
from mlops_ci.registry.run_store import release_ref
from mlops_ci.repository.branch_specs import BranchTip
from mlops_ci.repository.git import Repository
from mlops_ci.repository.ref_listing import LEDGER_PREFIX, LOG_PREFIX, TAG_PREFIX

_MOST_NAMES = 3
_REGISTRY = "refs/mlops/"
# what a branch that is older than the tags can be the cause of
_OF_BRANCH = (
    "audit-manifest",
    "audit-policy",
    "audit-project",
    "audit-release-off-branch",
    "audit-signature-stranger",
    "audit-signing-dropped",
    "audit-specs",
)


def require_fetched(repo: Repository, helds: Iterable[ModelInventory]) -> None:
    """Raise EnvironmentProblem `registry-not-fetched` if this clone lacks refs or history that its remote has, or may have.

    The remote is asked only if something is missing. What the remote lacks too, or a repository without a remote, is gone:
    that is for the audit.
    """
    helds = tuple(helds)
    remote = repo.default_remote()
    if remote is None:
        return
    mine = repo.ref_oids(TAG_PREFIX, _REGISTRY)
    lacking = sorted({ref for held in helds for ref in _named_refs(held)} - set(mine))
    if lacking:
        theirs = repo.list_remote_refs(remote, *lacking)
        if theirs.state not in ("found", "absent"):
            raise _unfetched_error(
                remote, lacking, f", and '{remote}' cannot be asked whether it has them: {theirs.detail}"
            )
        if there := [ref for ref in lacking if ref in theirs.oids]:
            raise _unfetched_error(remote, there, f", which '{remote}' has")
    if repo.is_shallow:
        _require_history(repo, remote, helds)


def require_branch_current(repo: Repository, tip: BranchTip | None, findings: Iterable[Diagnostic]) -> None:
    """Raise EnvironmentProblem `clone-behind` if the remote's branch is newer than this clone's, and that may be all that is wrong.

    The remote is asked only if something is wrong. One that does not answer leaves the findings as they are.
    """
    errors = [one for one in findings if one.severity == "error"]
    remote = repo.default_remote()
    if tip is None or remote is None or not errors or not all(one.id.startswith(_OF_BRANCH) for one in errors):
        return
    if repo.resolve(f"refs/remotes/{remote}/{tip.name}^{{commit}}") != tip.commit:
        return  # a branch of this clone
    ref = f"refs/heads/{tip.name}"
    theirs = repo.list_remote_refs(remote, ref).oids.get(ref, tip.commit)
    if theirs != tip.commit:
        raise EnvironmentProblem.of(
            "clone-behind",
            f"branch '{tip.name}' is at {theirs[:10]} at '{remote}', and this clone last fetched {tip.commit[:10]}: the tags here may be"
            f" newer than the branch ({_list_names([one.about or one.id for one in errors])} does not fit it)",
            help=f"git fetch {remote}, and run the same command again",
        )


def _named_refs(held: ModelInventory) -> Iterator[str]:
    """Yield the refs that the tags and the log of a model name."""
    if held.records:
        yield f"{LOG_PREFIX}{held.model}"
    for entry in held.log:
        if entry.ref is not None:
            yield f"{TAG_PREFIX}{entry.ref.name}"
    for record in held.records.values():
        if record.previous is not None:
            yield f"{TAG_PREFIX}{record.previous.name}"
        if isinstance(record, Release):
            yield release_ref(record.model, record.version)
            if record.ledger is not None:
                yield record.ledger.ref
        if isinstance(record, Assignment):
            yield f"{TAG_PREFIX}{record.release.name}"
            yield from (one.ref.name for one in record.approvals if one.ref is not None)


def _require_history(repo: Repository, remote: str, helds: Iterable[ModelInventory]) -> None:
    """Raise EnvironmentProblem if a shallow clone lacks commits of releases, or the first entries of a log or a ledger."""
    boundary = repo.shallow_boundary()
    heads = repo.ref_oids(LOG_PREFIX, LEDGER_PREFIX)
    cut = [ref for ref, commits in _chains(repo, heads).items() if commits & boundary]
    commits = {
        record.commit: tag for held in helds for tag, record in held.records.items() if isinstance(record, Release)
    }
    infos = repo.read_object_infos(list(commits), or_corrupt=True)
    absent = [tag for tag, info in zip(commits.values(), infos, strict=True) if info is None]
    if cut or absent:
        lacks = [*(f"the beginning of {ref}" for ref in cut), *(f"the commit of {tag}" for tag in absent)]
        raise EnvironmentProblem.of(
            "registry-not-fetched",
            f"this clone is shallow, and lacks {_list_names(lacks)}",
            help=f"git fetch --unshallow {remote}; in GitHub Actions: actions/checkout with `fetch-depth: 0`",
        )


def _chains(repo: Repository, heads: Mapping[str, str]) -> dict[str, set[str]]:
    return {ref: set(repo.reachable_commits([oid])) for ref, oid in heads.items()}


def _unfetched_error(remote: str, refs: list[str], why: str) -> EnvironmentProblem:
    spaces = dict.fromkeys(TAG_PREFIX if ref.startswith(TAG_PREFIX) else _REGISTRY for ref in refs)
    specs = " ".join(f"'{space}*:{space}*'" for space in spaces)
    return EnvironmentProblem.of(
        "registry-not-fetched",
        f"this clone lacks {_list_names(refs)}{why}",
        help=f"`git clone` does not fetch them: git fetch {remote} {specs}",
    )


def _list_names(names: list[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
