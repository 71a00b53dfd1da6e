"""Remotes: the default remote, its refs, and the results of fetch and push."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.core.trusted_process import LISTING_LIMITS
from mlops_ci.repository.git_config import GitConfig
from mlops_ci.repository.git_values import ZERO_OID, FetchResult, PushResult, RefUpdate, RemoteRefs
from mlops_ci.repository.push_answer import ACCESS_REFUSED, fault_line, judge_push
from mlops_ci.repository.ref_store import RefStore
from mlops_ci.repository.url_names import is_same_repository, parse_repository_name

# the refs that every fetch brings. Runs are not included: a pruning fetch would delete those that only this clone has
REGISTRY_REFSPECS = (
    "refs/mlops/log/*:refs/mlops/log/*",
    "refs/mlops/releases/*:refs/mlops/releases/*",
    "refs/mlops/approvals/*:refs/mlops/approvals/*",
    "refs/mlops/ledger/*:refs/mlops/ledger/*",
)
_HIDDEN = "the remote reported success, and does not show these refs"
# chains: another write may already have moved them on when they are looked at
_MOVING = ("refs/heads/", "refs/mlops/log/", "refs/mlops/ledger/")


class Remotes(RefStore, GitConfig):
    """A repository's remotes."""

    def remotes(self) -> tuple[str, ...]:
        """Return the names of the remotes."""
        return self.recall("remotes", lambda: tuple(self.run("remote").text.split()))

    def default_remote(self) -> str | None:
        """Return the remote that this repository writes to: `origin`, the configured or the only one; None without remotes.

        Raises EnvironmentProblem `remote-ambiguous` when there are several and none is configured.
        """
        return self.recall("default remote", self._find_default_remote)

    def _find_default_remote(self) -> str | None:
        names = self.remotes()
        if "origin" in names or len(names) < 2:
            return "origin" if "origin" in names else next(iter(names), None)
        branch = self.current_branch()
        keys = ("remote.pushDefault", *((f"branch.{branch}.remote",) if branch else ()), "checkout.defaultRemote")
        found = next((name for key in keys if (name := self.config_value(key)) in names), None)
        if found is None:
            raise EnvironmentProblem.of(
                "remote-ambiguous",
                f"there are several remotes ({', '.join(names)}), and none of them is 'origin'",
                help=f"choose the one that has the registry: git config remote.pushDefault {names[0]}",
            )
        return found

    def remote_url(self, remote: str) -> str:
        """Return the URL that the configuration names to fetch from; it may contain credentials.

        It is the one that others know: `url.*.insteadOf` may put a mirror or a token of this machine in its place.
        """
        return self.recall(f"url of {remote}", lambda: self._find_url(remote))

    def _find_url(self, remote: str) -> str:
        urls = self.config_values(f"remote.{remote}.url")  # git fetches from the first, and pushes to all
        return urls[0] if urls else self.effective_url(remote)

    def effective_url(self, remote: str) -> str:
        """Return the URL that git fetches from on this machine, after `url.*.insteadOf`; it may contain credentials."""
        return self.run("remote", "get-url", "--", remote).text

    def ask_default_branch(self, remote: str) -> RemoteRefs:
        """Ask the remote for its default branch; `absent` where its HEAD leads to no branch that exists."""
        answer = self._list_remote("--symref", "--", remote, "HEAD")
        heads = re.findall(r"^ref: refs/heads/(\S+)\tHEAD$", answer.detail, re.MULTILINE)
        if answer.state != "found" or heads:
            return RemoteRefs(answer.state, dict.fromkeys(heads, ""), answer.detail)
        return RemoteRefs("absent", {})

    def list_remote_refs(self, remote: str, *patterns: str) -> RemoteRefs:
        """Return the remote's matching refs, or the reason why they are not known."""
        answer = self._list_remote("--refs", "--", remote, *patterns)
        if answer.state != "found":
            return answer
        oids = {name: oid for oid, name in (line.split("\t", 1) for line in answer.detail.splitlines())}
        return RemoteRefs("found" if oids else "absent", oids)

    def remote_ref_oids(self, remote: str, *patterns: str) -> dict[str, str]:
        """Return the object ids of the remote's matching refs by name.

        Raises EnvironmentProblem `remote-unreachable` when the remote does not answer, and `remote-refused` when it denies
        access: the refs are then unknown.
        """
        answer = self.list_remote_refs(remote, *patterns)
        if answer.state in ("found", "absent"):
            return dict(answer.oids)
        raise remote_problem(remote, answer.state, f"the refs of '{remote}' cannot be listed", answer.detail)

    def remote_ref_names(self, remote: str, *patterns: str) -> frozenset[str]:
        """Return the names of the remote's refs that match; raises as `remote_ref_oids` does."""
        return frozenset(self.remote_ref_oids(remote, *patterns))

    def _list_remote(self, *args: str) -> RemoteRefs:
        """Run `ls-remote`; `detail` is what it printed, or the reason why it did not."""
        answer = self.run_with_credentials("ls-remote", *args, limits=LISTING_LIMITS)
        if answer.status == 0:
            return RemoteRefs("found", {}, answer.text)
        return RemoteRefs(_failure_state(answer.err), {}, fault_line(answer.err))

    def push(self, remote: str, updates: Sequence[RefUpdate]) -> PushResult:
        """Push every update or none (`--atomic`), never forced; a ref is removed only where it is at `old`.

        The remote is asked afterwards for each ref: a remote that hides some of them takes the others, and a connection that
        breaks after the push leaves its end unknown. Raises EnvironmentProblem `remote-of-two-repositories` where git pushes to
        another repository than it fetches from: what is pushed there would never be read.
        """
        self.forget_refs()
        self._require_one_repository(remote)
        gone = [update for update in updates if update.new == ZERO_OID]
        specs = [f"{'' if update in gone else update.new}:{update.ref}" for update in updates]
        leases = (f"--force-with-lease={update.ref}:{update.old}" for update in gone)
        flags = (*leases, "--atomic", "--porcelain", "--no-verify", "--no-follow-tags", "--recurse-submodules=no")
        answer = self.run_with_credentials("push", *flags, "--", remote, *specs)
        said = judge_push(answer.status, answer.text, answer.err)
        return self._verify_push(remote, updates, said) if said.state in ("done", "unknown") else said

    def _require_one_repository(self, remote: str) -> None:
        keys = [key for key in self.remote_settings() if key.endswith((".pushurl", ".pushinsteadof"))]
        if not keys:
            return
        here = parse_repository_name(self.effective_url(remote))
        for url in self.run("remote", "get-url", "--push", "--all", "--", remote).text.splitlines():
            there = parse_repository_name(url)
            if not is_same_repository(there, here):
                raise EnvironmentProblem.of(
                    "remote-of-two-repositories",
                    f"git fetches '{remote}' from the repository {here}, and pushes to {there}: what is pushed there is not read again",
                    help=f"the registry is one repository: unset {' and '.join(sorted(keys))}, or make another remote for the fork",
                )

    def _verify_push(self, remote: str, updates: Sequence[RefUpdate], said: PushResult) -> PushResult:
        """Return how a push ended, ref by ref, as the remote shows it; as git said where the remote does not answer."""
        there = self.list_remote_refs(remote, *(update.ref for update in updates))
        if there.state not in ("found", "absent"):
            return said
        missing = tuple(
            update.ref for update in updates if not _is_there(update, there.oids.get(update.ref), said.state == "done")
        )
        if not missing:
            return PushResult("done", "")
        arrived = tuple(update.ref for update in updates if update.ref not in missing)
        if not arrived and said.state == "unknown":
            return replace(said, state="failed")
        return PushResult("partial", said.detail or _HIDDEN, arrived, missing)

    def fetch(self, remote: str, *refspecs: str, prune: bool = False) -> FetchResult:
        """Fetch, without following tags that were not asked for; `prune` removes what the remote has no longer."""
        self.forget_refs()
        flags = ["--no-tags", "--no-write-fetch-head", "--no-prune-tags", "--recurse-submodules=no"]
        flags.append("--prune" if prune else "--no-prune")
        answer = self.run_with_credentials("fetch", *flags, "--", remote, *refspecs)
        if answer.status == 0:
            return FetchResult("done")
        detail = fault_line(answer.err)
        if rejected := tuple(re.findall(r"^ ! \[rejected\].* -> (\S+)", answer.err, re.MULTILINE)):
            return FetchResult("rejected", detail, rejected)
        return FetchResult("absent" if "couldn't find remote ref" in answer.err else _failure_state(answer.err), detail)

    def configure_registry_fetch(self, remote: str) -> None:
        """Make every later `git fetch` bring the registry's refs too."""
        key = f"remote.{remote}.fetch"
        known = self.config_values(key)
        for refspec in REGISTRY_REFSPECS:
            if refspec not in known:
                self.run("config", "--add", key, refspec)


def remote_problem(remote: str, state: str, what: str, detail: str) -> EnvironmentProblem:
    """Return the problem that a remote denied access (`state` is `refused`), or that it did not answer."""
    if state == "refused":
        return EnvironmentProblem.of(
            "remote-refused",
            f"{what}, because it denies access: {detail}",
            help=f"check the token or key that git uses, and its rights (git ls-remote {remote}), then run the same command again",
        )
    return EnvironmentProblem.of(
        "remote-unreachable",
        f"{what}: {detail}",
        help=f"check the network and the remote's URL (git ls-remote {remote}), then run the same command again",
    )


def _is_there(update: RefUpdate, oid: str | None, is_reported: bool) -> bool:
    """Return whether an update arrived; of a ref that others may have moved since, the remote's report counts."""
    if update.new == ZERO_OID:
        return oid is None or oid != update.old
    return oid == update.new or (is_reported and oid is not None and update.ref.startswith(_MOVING))


def _failure_state(err: str) -> Literal["refused", "unreachable"]:
    return "refused" if ACCESS_REFUSED.search(err) else "unreachable"
