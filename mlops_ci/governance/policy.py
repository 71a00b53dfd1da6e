"""What a branch demands of whoever writes to the registry: signatures, and approvals.

The branch counts, and not the work tree: whoever deploys could otherwise allow themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.errors import EnvironmentProblem, Findings
from mlops_ci.core.signers import Signing
from mlops_ci.repository.context import Project
from mlops_ci.repository.git import Repository
from mlops_ci.repository.signing import has_key
from mlops_ci.spec.spec_types import Trust


@dataclass(frozen=True)
class Rules:
    """How tags are signed (None: they are not), how many approvals each environment asks for, and the least trust of a release."""

    signing: Signing | None
    approvals: Mapping[str, int]
    trust: Trust = "local"


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
        return Rules(None, {}, spec.policy.trust)
    folder = path.rpartition("/")[0]
    file = f"{folder}/{spec.signing.allowed_signers}" if folder else spec.signing.allowed_signers
    signers = repo.read(f"{commit}:{file}")
    if signers is None:
        raise _missing(f"commit {commit[:10]} has no file '{file}' of those who may sign")
    return Rules(Signing(spec.signing.format, signers, spec.signing.required), spec.policy.approvals, spec.policy.trust)


def enough(least: Trust) -> tuple[Trust, ...]:
    """Return what is trusted at least as far, the most first."""
    return _TRUST[_TRUST.index(least) :][::-1]


def judged_well(project: Project, rules: Rules, model: str, trust: Trust | None) -> None:
    """Insist that a candidate was judged where the branch asks for it; raises Findings `trust-too-low` else."""
    had = trust or "local"
    if _TRUST.index(had) >= _TRUST.index(rules.trust):
        return
    raise Findings.of(
        "trust-too-low",
        f"'{model}' was judged {_WHERE[had]}, and the branch's policy asks for '{rules.trust}': {_WHERE[rules.trust]}",
        location=project.specs.project.locate("spec", "policy", "trust"),
        help="let CI judge it: push the change, or start the gate's workflow on the branch; what it keeps can be released",
    )


_TRUST: tuple[Trust, ...] = ("local", "single-job", "separated")
_WHERE: Mapping[Trust, str] = {
    "local": "on somebody's machine",
    "single-job": "in one CI job together with the code that trains it",
    "separated": "in a CI job of its own, in which none of its code ran",
}


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
