"""The policy of a branch for writes to the registry: signatures, approvals and trust.

The policy is read from the branch and not from the work tree. Otherwise a user could change the policy locally to allow
their own deployment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mlops_ci.core.choices import Trust
from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.errors import EnvironmentProblem, Findings
from mlops_ci.core.signers import Signing
from mlops_ci.repository.context import Project
from mlops_ci.repository.git import Repository
from mlops_ci.repository.signing import has_signing_key
from mlops_ci.spec.load import parse_project
from mlops_ci.spec.spec_types import ProjectSpec


@dataclass(frozen=True)
class BranchPolicy:
    """The signing rules for tags (None: tags are not signed), the approvals that each environment needs, and the least trust.

    `commit` is where it was read: the events that are written under it name that commit.
    """

    signing: Signing | None
    approvals: Mapping[str, int]
    trust: Trust = "local"
    commit: str | None = field(default=None, compare=False)


def load_policy(project: Project, repo: Repository, commit: str) -> BranchPolicy:
    """Return the policy of the project at a commit; see `load_policy_at`.

    Raises Findings `project-not-on-branch` when the commit has the project by another name, or with another `formerly`: both
    say whose events may be continued, so they must have been reviewed.
    """
    path = (project.context.root / project.specs.project.path).relative_to(repo.root).as_posix()
    policy = load_policy_at(repo, commit, path)
    known, mine = parse_project(repo.read_blob(f"{commit}:{path}") or b""), project.specs.project
    if known is not None and (known.name, known.spec.formerly) != (mine.name, mine.spec.formerly):
        field = ("metadata", "name") if known.name != mine.name else ("spec", "formerly")
        raise Findings.of(
            "project-not-on-branch",
            f"the name of the project, or `formerly`, differs from commit {commit[:10]}, where it is '{known.name}': these two say which"
            " events belong to it",
            location=mine.locate(*field),
            help="merge the change of mlops.yaml first, or update this clone (git pull), then run the command again",
        )
    return policy


def load_policy_at(repo: Repository, commit: str, path: str) -> BranchPolicy:
    """Return the policy in the Project spec at `path` (relative to the repository) of a commit.

    Raises Findings `policy-missing` when there is no valid Project spec, or when the file of allowed signers that it names
    is missing.
    """
    content = repo.read_blob(f"{commit}:{path}")
    project = parse_project(content) if content is not None else None
    if project is None:
        raise _missing_policy_error(f"commit {commit[:10]} has no valid Project in {path}, so its policy is not known")
    spec = project.spec
    if spec.signing is None:
        if spec.policy.approvals:
            raise _missing_policy_error(f"{path} at commit {commit[:10]} requires approvals but has no `signing`")
        return BranchPolicy(None, {}, spec.policy.trust, commit)
    file = _signers_path(path, spec.signing.allowed_signers)
    signers = repo.read_blob(f"{commit}:{file}")
    if signers is None:
        raise _missing_policy_error(f"commit {commit[:10]} has no file '{file}', which lists the allowed signers")
    return BranchPolicy(
        Signing(spec.signing.format, signers, spec.signing.required), spec.policy.approvals, spec.policy.trust, commit
    )


def load_policies(repo: Repository, places: Iterable[tuple[str, str]]) -> dict[tuple[str, str], BranchPolicy | None]:
    """Return the policy of each commit and path of a Project spec; None where there is no valid one. Equal files are parsed once."""
    asked = list(dict.fromkeys(places))
    infos = repo.read_object_infos([f"{commit}:{path}" for commit, path in asked], or_corrupt=True)
    specs = {place: one.oid for place, one in zip(asked, infos, strict=True) if one is not None and one.type == "blob"}
    parsed = {oid: _parse_policy(repo.read_blob(oid) or b"") for oid in dict.fromkeys(specs.values())}
    files = {
        (commit, path): f"{commit}:{_signers_path(path, signing.allowed_signers)}"
        for (commit, path), oid in specs.items()
        if (project := parsed[oid]) is not None and (signing := project.signing) is not None
    }
    signers = dict(zip(files, repo.read_object_infos(list(files.values()), or_corrupt=True), strict=True))
    contents = {one.oid: repo.read_blob(one.oid) for one in signers.values() if one is not None}
    found: dict[tuple[str, str], BranchPolicy | None] = dict.fromkeys(asked)
    for place, oid in specs.items():
        project, file = parsed[oid], signers.get(place)
        if project is None:
            continue
        if project.signing is None:
            found[place] = BranchPolicy(None, project.policy.approvals, project.policy.trust, place[0])
        elif file is not None and (content := contents[file.oid]) is not None:
            rule = Signing(project.signing.format, content, project.signing.required)
            found[place] = BranchPolicy(rule, project.policy.approvals, project.policy.trust, place[0])
    return found


def _parse_policy(content: bytes) -> ProjectSpec | None:
    project = parse_project(content)
    return project.spec if project is not None else None


def _signers_path(path: str, allowed: str) -> str:
    """Return the path of the file of allowed signers in the repository, for a Project spec at `path`."""
    folder = path.rpartition("/")[0]
    return f"{folder}/{allowed}" if folder else allowed


def trust_at_least(least: Trust) -> tuple[Trust, ...]:
    """Return the trust levels that are at least `least`, highest first."""
    return _TRUST_LEVELS[_TRUST_LEVELS.index(least) :][::-1]


def ensure_trust(project: Project, rules: BranchPolicy, model: str, trust: Trust | None) -> None:
    """Ensure that a candidate's verdict has the trust that the branch requires; raises Findings `trust-too-low` otherwise."""
    had = trust or "local"
    if _TRUST_LEVELS.index(had) >= _TRUST_LEVELS.index(rules.trust):
        return
    raise Findings.of(
        "trust-too-low",
        f"the verdict on '{model}' was computed {_TRUST_PLACES[had]}, but the branch's policy requires '{rules.trust}',"
        f" which means {_TRUST_PLACES[rules.trust]}",
        location=project.specs.project.locate("spec", "policy", "trust"),
        help="run the gate in CI: push the change, or start the gate's workflow on the branch; then release the run that the gate stored",
    )


_TRUST_LEVELS: tuple[Trust, ...] = ("local", "single-job", "separated")
_TRUST_PLACES: Mapping[Trust, str] = {
    "local": "on a local machine",
    "single-job": "in the same CI job as the training code",
    "separated": "in a separate CI job that runs none of the candidate's code",
}


def signing_for(repo: Repository, rules: BranchPolicy) -> tuple[Signing | None, tuple[Diagnostic, ...]]:
    """Return how to sign the user's tags; None, with a warning, when signatures are optional and git has no signing key.

    Raises EnvironmentProblem `signing-key-missing` when signatures are required and git has no signing key.
    """
    signing = rules.signing
    if signing is None or has_signing_key(repo, signing.format):
        return signing, ()
    help = _KEY_HELP[signing.format]
    if signing.required:
        raise EnvironmentProblem.of(
            "signing-key-missing", "the project requires signed tags, and git has no signing key configured", help=help
        )
    warning = "git has no signing key configured, so the tag is written without a signature"
    return None, (Diagnostic("tag-unsigned", warning, help=help, severity="warning"),)


_KEY_HELP = {
    "ssh": "git config user.signingKey ~/.ssh/id_ed25519.pub",
    "openpgp": "git config user.signingKey KEYID; to list your keys: gpg --list-secret-keys --keyid-format long",
}


def _missing_policy_error(message: str) -> Findings:
    return Findings.of(
        "policy-missing",
        message,
        help="commit mlops.yaml and the files that it names to the branch, and push the branch",
    )
