"""What a branch demands is read from its commit, and from nothing in the work tree."""

from __future__ import annotations

import pytest

from mlops_ci.core.errors import Findings
from mlops_ci.core.signers import Signing
from mlops_ci.governance.policy import BranchPolicy, load_policy_at, trust_at_least
from mlops_ci.repository.git import Repository
from tests.support.git_calls import git_in

HEAD = "apiVersion: mlops-ci/v1\nkind: Project\nmetadata: {name: shop}\nspec:\n"
SIGNED = (
    HEAD
    + "  signing: {format: ssh, allowedSigners: .mlops/signers}\n  policy: {trust: separated, approvals: {prod: 2}}\n"
)


def commit(repo: Repository, files: dict[str, str]) -> str:
    for name, text in files.items():
        (repo.root / name).parent.mkdir(parents=True, exist_ok=True)
        (repo.root / name).write_text(text)
    git = git_in(repo.root)
    git("add", "--all")
    git("commit", "--quiet", "-m", "change")
    return git("rev-parse", "HEAD")


@pytest.mark.parametrize("folder", ["", "ml/shop/"])
def test_signers_are_found_beside_the_project_and_as_the_commit_has_them(repo: Repository, folder: str) -> None:
    oid = commit(repo, {f"{folder}mlops.yaml": SIGNED, f"{folder}.mlops/signers": "ada ssh-ed25519 A\n"})
    (repo.root / f"{folder}.mlops/signers").write_text("eve ssh-ed25519 E\n")
    (repo.root / f"{folder}mlops.yaml").write_text(HEAD + "  policy: {}\n")
    policy = load_policy_at(repo, oid, f"{folder}mlops.yaml")
    assert policy == BranchPolicy(Signing("ssh", b"ada ssh-ed25519 A\n", required=True), {"prod": 2}, "separated")


def test_a_project_without_signing_demands_none(repo: Repository) -> None:
    oid = commit(repo, {"mlops.yaml": HEAD + "  policy: {trust: single-job}\n"})
    assert load_policy_at(repo, oid, "mlops.yaml") == BranchPolicy(None, {}, "single-job")


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"other.yaml": SIGNED}, "has no valid Project in mlops.yaml"),
        ({"mlops.yaml": "kind: [broken"}, "has no valid Project in mlops.yaml"),
        ({"mlops.yaml": HEAD + "  policy: {approvals: {prod: 1}}\n"}, "requires approvals but has no `signing`"),
        ({"mlops.yaml": SIGNED}, "has no file '.mlops/signers'"),
    ],
)
def test_without_a_policy_that_can_be_read_nothing_is_allowed(
    repo: Repository, files: dict[str, str], problem: str
) -> None:
    with pytest.raises(Findings, match=problem.replace(".", r"\.")) as caught:
        load_policy_at(repo, commit(repo, files), "mlops.yaml")
    assert [found.id for found in caught.value.diagnostics] == ["policy-missing"]


def test_levels_of_trust_are_listed_from_the_most_to_the_least_that_is_enough() -> None:
    assert trust_at_least("local") == ("separated", "single-job", "local")
    assert trust_at_least("single-job") == ("separated", "single-job")
    assert trust_at_least("separated") == ("separated",)
