"""This clone: what commands need of git, and what the project demands of who runs them."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator

from mlops_ci import __version__
from mlops_ci.core.errors import EnvironmentProblem, Findings
from mlops_ci.core.results.doctor import Examined, State
from mlops_ci.governance import policy
from mlops_ci.governance.doctor.context import World
from mlops_ci.governance.doctor.host import listed
from mlops_ci.repository.git import REGISTRY_REFSPECS
from mlops_ci.repository.signing import has_key

GROUP = "clone"
_OLDEST = (2, 34)  # git that signs with SSH keys, and verifies what they sign


def clone(world: World) -> Iterator[Examined]:
    """Tell what commands need here and lack."""
    yield _git(world)
    yield Examined(GROUP, "python", "ok", f"{platform.python_version()}, with mlops-ci {__version__}")
    yield _identity(world)
    yield from _remote(world)
    yield _signing(world)


def _git(world: World) -> Examined:
    said = world.repo.run("version").text
    found = re.search(r"(\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < _OLDEST:
        return Examined(GROUP, "git", "problem", said, "install git 2.34 or newer")
    return Examined(GROUP, "git", "ok", said)


def _identity(world: World) -> Examined:
    person = world.project.context.person
    if person is None:
        return Examined(
            GROUP,
            "who writes",
            "problem",
            "git does not know who you are, and commits and tags need an author",
            'git config user.name "Your Name" && git config user.email you@example.org',
        )
    return Examined(GROUP, "who writes", "ok", f"{person.name} <{person.email}>")


def _remote(world: World) -> Iterator[Examined]:
    try:
        remote = world.repo.remote()
    except EnvironmentProblem as problem:
        yield Examined(GROUP, "remote", "problem", str(problem), problem.diagnostics[0].help)
        return
    if remote is None:
        yield Examined(
            GROUP,
            "remote",
            "advisory",
            "there is none: the registry is in this clone alone, and nobody else's rules hold",
            "git remote add origin URL, before the first release",
        )
        return
    yield Examined(GROUP, "remote", "ok", remote)
    yield _refspecs(world, remote)
    if world.branch is None:
        yield Examined(
            GROUP,
            "default branch",
            "problem",
            f"nothing tells which branch of '{remote}' is its default one, whose gate a change is to be judged by",
            f"git remote set-head {remote} --auto",
        )
    elif world.commit is None:
        yield Examined(
            GROUP,
            "default branch",
            "problem",
            f"this clone does not have '{world.branch}' of '{remote}'",
            f"git fetch {remote} {world.branch}; in GitHub Actions: actions/checkout with `fetch-depth: 0`",
        )
    else:
        yield Examined(GROUP, "default branch", "ok", f"{world.branch}, at {world.commit[:10]}")


def _refspecs(world: World, remote: str) -> Examined:
    what = "the registry comes with each fetch"
    if world.project.context.job is not None:
        return Examined(GROUP, what, "ok", "in a job, each command fetches what it needs")
    known = world.repo.config_all(f"remote.{remote}.fetch")
    missing = [spec.partition(":")[0] for spec in REGISTRY_REFSPECS if not {spec, f"+{spec}"} & set(known)]
    if not missing:
        return Examined(GROUP, what, "ok", "logs, releases, approvals and ledgers are fetched")
    return Examined(
        GROUP,
        what,
        "advisory",
        f"`git fetch` leaves out {listed(missing)}, so `show` and `audit` know what was fetched otherwise",
        "; ".join(f"git config --add remote.{remote}.fetch '{spec}:{spec}'" for spec in missing),
        minor=True,
    )


def _signing(world: World) -> Examined:
    what = "tags are signed"
    try:
        commit = world.commit or world.repo.head()
        rules = policy.rules_of(world.project, world.repo, commit) if commit else None
    except Findings as problem:
        spec = world.project.specs.project
        new = world.commit is not None and world.repo.read(f"{world.commit}:{world.place(spec.path)}") is None
        state: State = "advisory" if new else "problem"
        return Examined(GROUP, what, state, str(problem), "mend mlops.yaml on that branch (mlops-ci validate there)")
    signing = rules.signing if rules else None
    if signing is None:
        return Examined(
            GROUP,
            what,
            "advisory",
            f"mlops.yaml {world.source} has no `signing`: whoever may push can write a release in anybody's name",
            "add `signing: {format: ssh, allowedSigners: .mlops/allowed_signers}` in a reviewed commit",
        )
    if not has_key(world.repo, signing.format):
        return Examined(
            GROUP,
            what,
            "problem" if signing.required else "advisory",
            f"git has no {signing.format} key to sign with here"
            + (", so that nothing can be released or deployed from here" if signing.required else ""),
            "git config user.signingKey PATH-OR-KEY",
        )
    if not signing.required:
        return Examined(
            GROUP,
            what,
            "advisory",
            "`signing.required` is false: unsigned tags are taken",
            "delete that line once all sign",
        )
    return Examined(
        GROUP, what, "ok", f"each tag must be, with {signing.format} keys of the allowed signers; there is one here"
    )
