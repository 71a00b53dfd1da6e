"""Checks of this clone: the git setup that commands need, and the signing key that the project requires."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator

from mlops_ci import __version__
from mlops_ci.core.errors import EnvironmentProblem, Findings
from mlops_ci.core.results.doctor import DoctorCheckResult, DoctorCheckState
from mlops_ci.governance import policy
from mlops_ci.governance.doctor.context import DoctorContext
from mlops_ci.governance.doctor.host import join_names
from mlops_ci.repository.git import REGISTRY_REFSPECS
from mlops_ci.repository.signing import has_signing_key

GROUP = "clone"
_MIN_GIT_VERSION = (2, 34)  # the first version that signs and verifies with SSH keys


def check_clone(world: DoctorContext) -> Iterator[DoctorCheckResult]:
    """Yield for each need of the commands whether this clone meets it."""
    yield _check_git_version(world)
    yield DoctorCheckResult(GROUP, "python", "ok", f"{platform.python_version()}, with mlops-ci {__version__}")
    yield _check_identity(world)
    yield from _check_remote(world)
    yield _check_signing(world)


def _check_git_version(world: DoctorContext) -> DoctorCheckResult:
    said = world.repo.run("version").text
    found = re.search(r"(\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < _MIN_GIT_VERSION:
        return DoctorCheckResult(GROUP, "git", "problem", said, "install git 2.34 or newer")
    return DoctorCheckResult(GROUP, "git", "ok", said)


def _check_identity(world: DoctorContext) -> DoctorCheckResult:
    person = world.project.context.person
    if person is None:
        return DoctorCheckResult(
            GROUP,
            "who writes",
            "problem",
            "git has no user name and e-mail address, and commits and tags need an author",
            'git config user.name "Your Name" && git config user.email you@example.org',
        )
    return DoctorCheckResult(GROUP, "who writes", "ok", f"{person.name} <{person.email}>")


def _check_remote(world: DoctorContext) -> Iterator[DoctorCheckResult]:
    try:
        remote = world.repo.default_remote()
    except EnvironmentProblem as problem:
        yield DoctorCheckResult(GROUP, "remote", "problem", str(problem), problem.diagnostics[0].help)
        return
    if remote is None:
        yield DoctorCheckResult(
            GROUP,
            "remote",
            "advisory",
            "there is no remote: the registry is only in this clone, and no host enforces rules",
            "git remote add origin URL, before the first release",
        )
        return
    yield DoctorCheckResult(GROUP, "remote", "ok", remote)
    yield _check_refspecs(world, remote)
    if world.branch is None:
        unknown = world.branch_or_problem
        yield DoctorCheckResult(
            GROUP,
            "default branch",
            "problem",
            f"{unknown or 'nothing has been pushed'}; a change is judged by the rules of that branch",
            unknown.diagnostics[0].help if isinstance(unknown, EnvironmentProblem) else f"git push {remote} HEAD:main",
        )
    elif world.commit is None:
        yield DoctorCheckResult(
            GROUP,
            "default branch",
            "problem",
            f"this clone does not have '{world.branch}' of '{remote}'",
            f"git fetch {remote} {world.branch}; in GitHub Actions: actions/checkout with `fetch-depth: 0`",
        )
    else:
        yield DoctorCheckResult(GROUP, "default branch", "ok", f"{world.branch}, at {world.commit[:10]}")


def _check_refspecs(world: DoctorContext, remote: str) -> DoctorCheckResult:
    what = "each `git fetch` also fetches the registry"
    if world.project.context.job is not None:
        return DoctorCheckResult(GROUP, what, "ok", "in a job, each command fetches what it needs")
    known = world.repo.config_values(f"remote.{remote}.fetch")
    missing = [spec.partition(":")[0] for spec in REGISTRY_REFSPECS if not {spec, f"+{spec}"} & set(known)]
    if not missing:
        return DoctorCheckResult(GROUP, what, "ok", "logs, releases, approvals and ledgers are fetched")
    return DoctorCheckResult(
        GROUP,
        what,
        "advisory",
        f"`git fetch` does not fetch {join_names(missing)}, so `show` and `audit` may use old data",
        "; ".join(f"git config --add remote.{remote}.fetch '{spec}:{spec}'" for spec in missing),
        minor=True,
    )


def _check_signing(world: DoctorContext) -> DoctorCheckResult:
    what = "tags are signed"
    try:
        commit = world.commit or world.repo.head()
        rules = policy.load_policy(world.project, world.repo, commit) if commit else None
    except Findings as problem:
        spec = world.project.specs.project
        new = (
            world.commit is not None
            and world.repo.read_blob(f"{world.commit}:{world.repository_path(spec.path)}") is None
        )
        state: DoctorCheckState = "advisory" if new else "problem"
        return DoctorCheckResult(
            GROUP, what, state, str(problem), "fix mlops.yaml on that branch (run `mlops-ci validate` there)"
        )
    signing = rules.signing if rules else None
    if signing is None:
        return DoctorCheckResult(
            GROUP,
            what,
            "advisory",
            f"mlops.yaml {world.source_phrase} has no `signing`: everyone with push access can write a release in another person's name",
            "add `signing: {format: ssh, allowedSigners: .mlops/allowed_signers}` in a reviewed commit",
        )
    if not has_signing_key(world.repo, signing.format):
        return DoctorCheckResult(
            GROUP,
            what,
            "problem" if signing.required else "advisory",
            f"git has no {signing.format} signing key in this clone"
            + (", so releases and deployments from this clone fail" if signing.required else ""),
            "git config user.signingKey PATH-OR-KEY",
        )
    if not signing.required:
        return DoctorCheckResult(
            GROUP,
            what,
            "advisory",
            "`signing.required` is false: unsigned tags are accepted",
            "delete that line when everyone has a signing key",
        )
    return DoctorCheckResult(
        GROUP,
        what,
        "ok",
        f"each tag must be signed with a {signing.format} key of an allowed signer; this clone has a signing key",
    )
