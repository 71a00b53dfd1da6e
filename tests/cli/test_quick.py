"""Plain `show` and `history` take a short way, and say what the whole command line says."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_ci.__main__ import main
from mlops_ci.cli.main import run_command_line
from mlops_ci.repository import ref_listing
from mlops_ci.repository.git import Repository
from tests.support.git_calls import git_in

HEAVY = ("click", "yaml", "jsonschema", "pandas", "sklearn", "duckdb", "rich", "mlops_ci.spec.spec_types")
# what takes longer to import than git takes to list a few hundred tags
SLOW = ("dataclasses", "inspect", "subprocess", "pathlib", "json", "datetime")


@pytest.fixture
def tagged(repo: Repository) -> Path:
    """A repository in which another tool registered a model and assigned it."""
    git = git_in(repo.root)
    git("tag", "-a", "churn@v1.0.0", "-m", "Registering")
    git("tag", "-a", "churn#prod#1", "-m", "Assigning")
    return repo.root


def quick(folder: Path, *argv: str, without: tuple[str, ...] = HEAVY) -> str:
    command = [sys.executable, "-X", "importtime", "-c", "from mlops_ci.__main__ import main; main()", *argv]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=True)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert imported & {*without} == set()
    assert "mlops_ci.registry.views" in imported
    return done.stdout


@pytest.mark.parametrize("argv", [("show",), ("show", "churn"), ("history",), ("history", "churn", "--format", "json")])
def test_the_short_way_says_what_the_whole_command_line_says(
    tagged: Path, capsys: pytest.CaptureFixture[str], argv: tuple[str, ...]
) -> None:
    assert run_command_line([*argv, "-C", str(tagged)]) == 0
    assert quick(tagged, *argv) == capsys.readouterr().out


@pytest.mark.parametrize("argv", [("show",), ("history",), ("history", "churn", "--format", "text")])
def test_while_git_lists_little_is_imported(tagged: Path, argv: tuple[str, ...]) -> None:
    assert "churn" in quick(tagged, *argv, without=HEAVY + SLOW)


def test_a_command_that_neither_fetches_nor_writes_does_not_import_what_does(repo: Repository) -> None:
    (repo.root / "mlops.yaml").write_text(
        "apiVersion: mlops-ci/v1\nkind: Project\nmetadata: {name: demo, owner: ada@example.org}\nspec: {}\n"
    )
    code = "import sys\nfrom mlops_ci.cli.main import run_command_line\nrun_command_line(['validate'])\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=repo.root, capture_output=True, text=True, check=True)
    imported = {*done.stdout.splitlines()[-1].split()}
    assert imported & {"mlops_ci.cli.push_plan", "mlops_ci.cli.registry_sync", *HEAVY} == {"click", "yaml", HEAVY[-1]}


def test_what_an_outer_git_works_on_is_not_what_is_listed(tagged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tagged.parent / "other"
    other.mkdir()
    git_in(other)("init", "--quiet")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    assert "churn" in quick(tagged, "history")


def test_where_no_process_can_be_started_ahead_the_whole_command_line_answers(
    tagged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = quick(tagged, "history")
    monkeypatch.delattr(os, "posix_spawnp")
    assert ref_listing.start_listing() is None
    monkeypatch.setattr(sys, "argv", ["mlops-ci", "history"])
    monkeypatch.chdir(tagged)
    out = io.StringIO()
    with contextlib.redirect_stdout(out), pytest.raises(SystemExit) as ended:
        main()
    assert (ended.value.code, out.getvalue()) == (0, said)


def test_a_git_that_never_answers_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a git that waits, as one that fetches what a partial clone lacks from a silent remote, then it ends and nothing is read."""
    fake = tmp_path / "git"
    fake.write_text("#!/bin/sh\nexec sleep 600\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(ref_listing, "_LONGEST_SILENCE", 0.1)
    begun = ref_listing.start_listing()
    assert begun is not None
    assert list(begun.chunks()) == []
    assert begun.end() is False
    begun = ref_listing.start_listing()
    assert begun is not None
    assert begun.end() is False, "nor is one whose answer nobody wants"


def test_without_git_nothing_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ref_listing.start_listing() is None


def test_no_project_is_needed(tagged: Path) -> None:
    (row,) = json.loads(quick(tagged, "show", "--format", "json"))["record"]["models"]
    assert (row["model"], row["latest"], row["environments"]) == ("churn", "1.0.0", {"prod": "1.0.0"})


@pytest.mark.parametrize(
    ("argv", "code"),
    [(("show", "chrun"), 2), (("show", "--help"), 0), (("show", "--format", "xml"), 2), (("show",), 0)],
)
def test_whatever_needs_more_takes_the_whole_command_line(repo: Repository, argv: tuple[str, ...], code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mlops_ci", *argv],
        cwd=repo.root,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert done.stdout + done.stderr != ""
