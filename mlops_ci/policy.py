"""What a branch demands of whoever writes to the registry: signatures, and approvals.

The branch counts, and not the work tree: whoever deploys could otherwise allow themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlops_ci.diagnostics import Diagnostic
from mlops_ci.errors import EnvironmentProblem, Findings
from mlops_ci.git import Repository
from mlops_ci.project import Project
from mlops_ci.signing import Signing, has_key


@dataclass(frozen=True)
class Rules:
    """How tags are signed (None: they are not), and how many approvals each environment asks for."""

    signing: Signing | None
    approvals: Mapping[str, int]


def rules_of(project: Project, repo: Repository, commit: str) -> Rules:
    """Return the rules that the project has in a commit; see `rules_at`."""
    return rules_at(repo, commit, (project.context.root / project.specs.project.path).relative_to(repo.root).as_posix())


def rules_at(repo: Repository, commit: str, path: str) -> Rules:
    """Return the rules of the Project spec at `path` (in the repository) of a commit.

    Raises Findings `policy-missing` where there is no valid one, or not the file of signers that it names.
    """
    from mlops_ci.spec.load import read_project

    content = repo.read(f"{commit}:{path}")
    project = read_project(content) if content is not None else None
    if project is None:
        raise _missing(f"commit {commit[:10]} has no valid Project in {path}, so what it demands is not known")
    spec = project.spec
    if spec.signing is None:
        if spec.policy.approvals:
            raise _missing(f"{path} of commit {commit[:10]} asks for approvals without `signing`")
        return Rules(None, {})
    folder = path.rpartition("/")[0]
    file = f"{folder}/{spec.signing.allowed_signers}" if folder else spec.signing.allowed_signers
    signers = repo.read(f"{commit}:{file}")
    if signers is None:
        raise _missing(f"commit {commit[:10]} has no file '{file}' of those who may sign")
    return Rules(Signing(spec.signing.format, signers, spec.signing.required), spec.policy.approvals)


def to_sign(repo: Repository, rules: Rules) -> tuple[Signing | None, tuple[Diagnostic, ...]]:
    """Return how the user's tags are to be signed; None, with a warning, where they need not be and there is no key.

    Raises EnvironmentProblem `signing-key-missing` where they must be.
    """
    signing = rules.signing
    if signing is None or has_key(repo, signing.format):
        return signing, ()
    help = _KEY_HELP[signing.format]
    if signing.required:
        raise EnvironmentProblem.of(
            "signing-key-missing", "the project's tags are signed, and git does not know what you sign with", help=help
        )
    warning = "git does not know what you sign with, so this is written without a signature"
    return None, (Diagnostic("tag-unsigned", warning, help=help, severity="warning"),)


_KEY_HELP = {
    "ssh": "git config user.signingKey ~/.ssh/id_ed25519.pub",
    "openpgp": "git config user.signingKey KEYID, one of: gpg --list-secret-keys --keyid-format long",
}


def _missing(message: str) -> Findings:
    return Findings.of(
        "policy-missing", message, help="commit mlops.yaml and the files that it names to the branch, and push it"
    )
