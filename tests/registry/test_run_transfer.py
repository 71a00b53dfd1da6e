"""A bundle of runs is read as what a stranger may have made."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops_ci.core.errors import Findings
from mlops_ci.registry import run_transfer
from mlops_ci.repository import git
from mlops_ci.repository.git import Repository
from tests.support.git_calls import git_in

REF = f"refs/mlops/runs/delay/{'a' * 32}"


@pytest.fixture
def theirs(tmp_path: Path) -> Repository:
    (tmp_path / "theirs").mkdir()
    return git.create_repository(tmp_path / "theirs")


@pytest.fixture
def ours(tmp_path: Path) -> Repository:
    (tmp_path / "ours").mkdir()
    return git.create_repository(tmp_path / "ours")


def bundle(repo: Repository, files: dict[str, bytes], ref: str = REF, parent: bool = False) -> Path:
    """Make a bundle with one run of these files by plumbing: no check of ours is in the way."""
    blobs = {path: repo.write_blob(content) for path, content in files.items()}
    lines = "".join(f"100644 blob {oid}\t{path}\0" for path, oid in blobs.items())
    if any("/" in path for path in files):
        tree = repo.write_tree(blobs)
    else:
        tree = repo.run("mktree", "-z", stdin=lines.encode()).text
    env = {
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in {"NAME": "x", "EMAIL": "x@x"}.items()
    }
    before = ("-p", repo.run("commit-tree", tree, "-m", "before", env=env).text) if parent else ()
    oid = repo.run("commit-tree", tree, *before, "-m", "run", env=env).text
    repo.run("update-ref", ref, oid)
    file = repo.root / "file.bundle"
    git_in(repo.root)("bundle", "create", "--quiet", str(file), ref)
    return file


def refused(repo: Repository, file: Path) -> str:
    with pytest.raises(Findings) as found:
        run_transfer.read_bundle(repo, file)
    assert [one.id for one in found.value.diagnostics] == ["bundle-invalid"]
    return found.value.diagnostics[0].message


def test_a_run_is_taken_and_no_ref_is_made(theirs: Repository, ours: Repository) -> None:
    file = bundle(theirs, {"run.json": b"{}", "model/model.skops": b"x"})
    (run,) = run_transfer.read_bundle(ours, file)
    assert (run.ref, sorted(run.files)) == (REF, ["model/model.skops", "run.json"])
    assert run_transfer.run_model_name(run) == "delay"
    assert ours.read_blob(run.files["run.json"]) == b"{}"
    assert ours.refs() == ()


@pytest.mark.parametrize(
    "ref",
    ["refs/heads/main", "refs/tags/delay@v1.0.0", "refs/mlops/runs/delay/short", "refs/mlops/runs/De_lay/" + "a" * 32],
)
def test_a_name_that_is_no_runs_is_refused(theirs: Repository, ours: Repository, ref: str) -> None:
    assert "is not the name of a run" in refused(ours, bundle(theirs, {"run.json": b"{}"}, ref))


def test_a_run_has_no_history(theirs: Repository, ours: Repository) -> None:
    assert "without parents" in refused(ours, bundle(theirs, {"run.json": b"{}"}, parent=True))


@pytest.mark.parametrize("path", ["..", ".git", ".GIT", "a\\b", "a\nb", "a\x1b[2Jb"])
def test_a_path_that_leads_elsewhere_is_refused(theirs: Repository, ours: Repository, path: str) -> None:
    assert "it has the unsafe path" in refused(ours, bundle(theirs, {path: b"x"}))


def test_a_run_does_not_say_where_its_files_are_fetched_from(theirs: Repository, ours: Repository) -> None:
    assert "in an object store" in refused(ours, bundle(theirs, {"store.json": b"{}"}))


def test_sizes_are_looked_at_before_contents(
    theirs: Repository, ours: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_transfer, "_MAX_RECORD_BYTES", 10)
    assert "has 11 bytes" in refused(ours, bundle(theirs, {"run.json": b"x" * 11}))
    monkeypatch.setattr(run_transfer, "_MAX_FILES", 0)
    assert "has 1 files" in refused(ours, theirs.root / "file.bundle")


@pytest.mark.parametrize("content", [b"", b"# v2 git bundle\n", b"# v2 git bundle\nzzz refs/x\n\nPACK", b"\x00" * 100])
def test_what_is_no_bundle_is_refused(ours: Repository, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file.bundle").write_bytes(content)
    assert "not a git bundle" in refused(ours, tmp_path / "file.bundle")


def test_a_link_and_a_missing_file_are_refused(theirs: Repository, ours: Repository, tmp_path: Path) -> None:
    file = bundle(theirs, {"run.json": b"{}"})
    (tmp_path / "link.bundle").symlink_to(file)
    assert "the file does not exist" in refused(ours, tmp_path / "link.bundle")
    assert "the file does not exist" in refused(ours, tmp_path / "gone.bundle")
