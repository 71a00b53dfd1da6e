"""One verb, one file, one name: every surface that the table of verbs promises is there."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import mlops_ci
import mlops_ci.nox
from mlops_ci.cli.main import run_command_line
from mlops_ci.cli.verbs import VERBS, Option, Verb

STEPS = Path(mlops_ci.__file__).parent / "commands"
named = pytest.mark.parametrize("verb", VERBS, ids=[verb.name for verb in VERBS])


def test_every_step_is_a_verb_and_every_verb_a_step() -> None:
    assert {path.stem for path in STEPS.glob("*.py")} - {"__init__"} == {verb.name for verb in VERBS}


@named
def test_a_steps_parameters_are_its_verbs_options(verb: Verb) -> None:
    step = getattr(importlib.import_module(f"mlops_ci.commands.{verb.name}"), verb.name)
    given, *parameters = inspect.signature(step).parameters.values()
    assert {parameter.name for parameter in parameters} == {option.name for option in verb.options}
    assert all(parameter.kind is inspect.Parameter.KEYWORD_ONLY for parameter in parameters)
    assert given.annotation in (("Project",) if verb.needs == "project" else ("Context", "Workspace"))


@named
def test_help_names_every_option(verb: Verb) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mlops_ci", verb.name, "--help"], capture_output=True, text=True, check=True
    )
    for option in verb.options:
        shown = option.metavar if option.positional else f"--{option.flag}"
        assert shown is not None
        assert shown in done.stdout
    assert ("--dry-run" in done.stdout) == verb.writes


@named
def test_what_is_required_is_asked_for(verb: Verb) -> None:
    needed = [option for option in verb.options if option.required]
    for missing in needed:
        given = [part for option in needed if option is not missing for part in _given(option)]
        assert run_command_line([verb.name, *given]) == 2, missing.name


def _given(option: Option) -> list[str]:
    return ["x"] if option.positional else [f"--{option.name}", "x"]


def test_the_verbs_become_nox_sessions() -> None:
    made: dict[str, Any] = {}

    class FakeNox:
        """Only the one call that a noxfile's module is used for."""

        @staticmethod
        def session(name: str, venv_backend: str) -> Any:
            assert venv_backend == "none"
            return lambda function: made.setdefault(name, function)

    mlops_ci.nox.register(FakeNox)
    assert set(made) == {verb.name for verb in VERBS if "nox" in verb.surfaces}


HEAVY = (
    "pandas",
    "sklearn",
    "duckdb",
    "git",
    "scipy",
    "numpy",
    "pyarrow",
    "narwhals",
    "skops",
    "jsonschema",
    "yaml",
    "rich",
)


@pytest.mark.parametrize("argument", ["--version", "--help"])
def test_version_and_help_import_nothing_heavy(argument: str) -> None:
    script = (
        "import sys, atexit, mlops_ci.__main__ as m\n"
        f"heavy = {HEAVY!r}\n"
        "atexit.register(lambda: print([name for name in heavy if name in sys.modules]))\n"
        f"sys.argv = ['mlops-ci', '{argument}']\nm.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout


def test_the_version_is_pyprojects() -> None:
    import tomllib

    pyproject = Path(__file__).parents[2] / "pyproject.toml"
    assert tomllib.loads(pyproject.read_text())["project"]["version"] == mlops_ci.__version__
