"""Plain `show` and `history` take a short way, and say what the whole command line says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_ci.cli.main import run
from mlops_ci.git import Repository
from tests.conftest import git_in

HEAVY = ("click", "yaml", "jsonschema", "pandas", "sklearn", "duckdb", "rich", "mlops_ci.spec.kinds")


@pytest.fixture
def tagged(repo: Repository) -> Path:
    """A repository in which another tool registered a model and assigned it."""
    git = git_in(repo.root)
    git("tag", "-a", "churn@v1.0.0", "-m", "Registering")
    git("tag", "-a", "churn#prod#1", "-m", "Assigning")
    return repo.root


def quick(folder: Path, *argv: str) -> str:
    root = str(Path(__file__).parents[2])
    script = (
        f"import atexit, sys; sys.path.insert(0, {root!r}); import mlops_ci.__main__ as m\n"
        f"atexit.register(lambda: print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr))\n"
        f"sys.argv = ['mlops-ci', *{argv!r}]\nm.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    return done.stdout


@pytest.mark.parametrize("argv", [("show",), ("show", "churn"), ("history",), ("history", "churn", "--format", "json")])
def test_the_short_way_says_what_the_whole_command_line_says(
    tagged: Path, capsys: pytest.CaptureFixture[str], argv: tuple[str, ...]
) -> None:
    assert run([*argv, "-C", str(tagged)]) == 0
    assert quick(tagged, *argv) == capsys.readouterr().out


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
