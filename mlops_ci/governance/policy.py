"""What a branch demands of whoever writes to the registry: signatures, and approvals.

The branch counts, and not the work tree: whoever deploys could otherwise allow themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlops_ci.core.choices import Trust
from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.errors import EnvironmentProblem, Findings
from mlops_ci.core.signers import Signing
from mlops_ci.repository.context import Project
from mlops_ci.repository.git import Repository
from mlops_ci.repository.signing import has_signing_key


@dataclass(frozen=True)
class BranchPolicy:
    """How tags are signed (None: they are not), how many approvals each environment asks for, and the least trust of a release."""

    signing: Signing | None
    approvals: Mapping[str, int]
    trust: Trust = "local"


def load_policy(project: Project, repo: Repository, commit: str) -> BranchPolicy:
    """Return the rules that the project has in a commit; see `rules_at`."""
    return load_policy_at(
        repo, commit, (project.context.root / project.specs.project.path).relative_to(repo.root).as_posix()
    )


def load_policy_at(repo: Repository, commit: str, path: str) -> BranchPolicy:
    """Return the rules of the Project spec at `path` (in the repository) of a commit.

    Raises Findings `policy-missing` where there is no valid one, or not the file of signers that it names.
    """
    from mlops_ci.spec.load import parse_project

    content = repo.read_blob(f"{commit}:{path}")
    project = parse_project(content) if content is not None else None
    if project is None:
        raise _missing_policy_error(
            f"commit {commit[:10]} has no valid Project in {path}, so what it demands is not known"
        )
    spec = project.spec
    if spec.signing is None:
        if spec.policy.approvals:
            raise _missing_policy_error(f"{path} of commit {commit[:10]} asks for approvals without `signing`")
        return BranchPolicy(None, {}, spec.policy.trust)
    folder = path.rpartition("/")[0]
    file = f"{folder}/{spec.signing.allowed_signers}" if folder else spec.signing.allowed_signers
    signers = repo.read_blob(f"{commit}:{file}")
    if signers is None:
        raise _missing_policy_error(f"commit {commit[:10]} has no file '{file}' of those who may sign")
    return BranchPolicy(
        Signing(spec.signing.format, signers, spec.signing.required), spec.policy.approvals, spec.policy.trust
    )


def trust_at_least(least: Trust) -> tuple[Trust, ...]:
    """Return what is trusted at least as far, the most first."""
    return _TRUST_LEVELS[_TRUST_LEVELS.index(least) :][::-1]


def ensure_trust(project: Project, rules: BranchPolicy, model: str, trust: Trust | None) -> None:
    """Insist that a candidate was judged where the branch asks for it; raises Findings `trust-too-low` else."""
    had = trust or "local"
    if _TRUST_LEVELS.index(had) >= _TRUST_LEVELS.index(rules.trust):
        return
    raise Findings.of(
        "trust-too-low",
        f"'{model}' was judged {_TRUST_PLACES[had]}, and the branch's policy asks for '{rules.trust}': {_TRUST_PLACES[rules.trust]}",
        location=project.specs.project.locate("spec", "policy", "trust"),
        help="let CI judge it: push the change, or start the gate's workflow on the branch; what it keeps can be released",
    )


_TRUST_LEVELS: tuple[Trust, ...] = ("local", "single-job", "separated")
_TRUST_PLACES: Mapping[Trust, str] = {
    "local": "on somebody's machine",
    "single-job": "in one CI job together with the code that trains it",
    "separated": "in a CI job of its own, in which none of its code ran",
}


def signing_for(repo: Repository, rules: BranchPolicy) -> tuple[Signing | None, tuple[Diagnostic, ...]]:
    """Return how the user's tags are to be signed; None, with a warning, where they need not be and there is no key.

    Raises EnvironmentProblem `signing-key-missing` where they must be.
    """
    signing = rules.signing
    if signing is None or has_signing_key(repo, signing.format):
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


def _missing_policy_error(message: str) -> Findings:
    return Findings.of(
        "policy-missing", message, help="commit mlops.yaml and the files that it names to the branch, and push it"
    )
