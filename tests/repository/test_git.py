from __future__ import annotations

from pathlib import Path

import pytest

from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.repository import git
from mlops_ci.repository.git import Repository
from mlops_ci.repository.git_values import ZERO_OID, Person, RefUpdate, tag_content
from tests.support.git_calls import git_in

ADA = Person("Ada", "ada@example.org")


def test_a_tag_keeps_its_message_byte_for_byte(repo: Repository) -> None:
    head = repo.head()
    assert head is not None
    text = 'title\n\n# a line that `git tag` would drop\n\n{"a":1}\n'
    oid = repo.store_tag(tag_content("delay@v1.0.0", head, text, ADA, 1_700_000_000))
    assert repo.update_refs([RefUpdate("refs/tags/delay@v1.0.0", oid, ZERO_OID)])
    (ref,) = repo.refs("refs/tags")
    assert (ref.contents, ref.date, ref.tagger, ref.peeled) == (text, 1_700_000_000, "Ada", head)


def test_a_tree_replaces_a_folder_and_leaves_the_rest(repo: Repository) -> None:
    base = repo.write_commit(
        repo.write_tree({"deploy/old.yaml": repo.write_blob(b"old"), "kept": repo.write_blob(b"kept")}), (), "m", ADA, 0
    )
    tree = repo.write_tree({"new.yaml": repo.write_blob(b"new")}, base=base, folder="deploy")
    assert {path: repo.read_blob(oid) for path, oid in repo.list_files(tree).items()} == {
        "deploy/new.yaml": b"new",
        "kept": b"kept",
    }


def test_plumbing_touches_neither_index_nor_work_tree(repo: Repository) -> None:
    before = ((repo.git_dir / "index").read_bytes(), sorted(repo.root.iterdir()))
    repo.write_tree({"x": repo.write_blob(b"x")}, base="HEAD", folder="y")
    assert ((repo.git_dir / "index").read_bytes(), sorted(repo.root.iterdir())) == before


def test_refs_move_together_or_not_at_all(repo: Repository) -> None:
    head = repo.head()
    assert head is not None
    moved = repo.update_refs([RefUpdate("refs/mlops/a", head, ZERO_OID), RefUpdate("refs/heads/main", head, ZERO_OID)])
    assert not moved
    assert repo.resolve("refs/mlops/a") is None


def test_changed_names_edited_untracked_and_ignored_files_among_those_asked_for(repo: Repository) -> None:
    (repo.root / ".gitignore").write_text("*.csv\n")
    git_in(repo.root)("add", ".gitignore")
    git_in(repo.root)("commit", "--quiet", "-m", "ignore")
    for name in ("README", "new.yaml", "data.csv", "other"):
        (repo.root / name).write_text("changed\n")
    assert set(repo.uncommitted_paths(["README", "new.yaml", "data.csv", ".gitignore"])) == {
        "README",
        "new.yaml",
        "data.csv",
    }


def test_an_outer_git_environment_does_not_leak_in(
    repo: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    assert repo.head() is not None
    assert repo.uncommitted_paths(["README"]) == ()


def test_a_push_that_loses_says_so_and_writes_nothing(clone: Repository, repo: Repository, tmp_path: Path) -> None:
    head = clone.head()
    assert head is not None
    git_in(repo.root)("push", "--quiet", str(tmp_path / "origin.git"), "HEAD:refs/mlops/log/delay")
    other = clone.write_commit(clone.write_tree({"a": clone.write_blob(b"a")}), (), "fork", ADA, 0)
    answer = clone.push(
        "origin", [RefUpdate("refs/mlops/log/delay", other, ZERO_OID), RefUpdate("refs/tags/t", head, ZERO_OID)]
    )
    assert answer.state == "raced"
    assert git_in(tmp_path / "origin.git")("tag") == ""


def test_a_push_that_a_hook_declines_is_refused(clone: Repository, tmp_path: Path) -> None:
    hook = tmp_path / "origin.git" / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho protected >&2\nexit 1\n")
    hook.chmod(0o755)
    new = clone.write_commit(clone.write_tree({"a": clone.write_blob(b"a")}), (clone.head() or "",), "m", ADA, 0)
    answer = clone.push("origin", [RefUpdate("refs/heads/main", new, clone.head())])
    assert answer.state == "refused"
    assert "protected" in answer.detail


def test_whether_a_push_to_a_remote_that_is_gone_arrived_is_not_known(clone: Repository, tmp_path: Path) -> None:
    (tmp_path / "origin.git").rename(tmp_path / "gone.git")
    assert clone.push("origin", [RefUpdate("refs/tags/t", clone.head() or "", ZERO_OID)]).state == "unknown"


def test_nobody_configured_is_nobody(repo: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert repo.identity() is None


def test_a_failing_command_is_an_environment_problem(repo: Repository) -> None:
    with pytest.raises(EnvironmentProblem) as caught:
        repo.run("cat-file", "-t", "f" * 40)
    assert caught.value.diagnostics[0].id == "git-failed"


def test_git_missing_is_a_diagnostic(repo: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentProblem) as caught:
        repo.refs("refs/heads/")
    assert caught.value.diagnostics[0].id == "git-missing"


def test_a_folder_outside_any_repository_has_none(tmp_path: Path) -> None:
    assert git.find_repository(tmp_path) is None


def test_a_linked_work_tree_shares_the_repository(repo: Repository, tmp_path: Path) -> None:
    git_in(repo.root)("worktree", "add", "--quiet", str(tmp_path / "linked"))
    linked = git.find_repository(tmp_path / "linked")
    assert linked is not None
    assert linked.common_dir.resolve() == repo.common_dir.resolve()
    assert linked.head() == repo.head()
