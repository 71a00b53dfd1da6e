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
from mlops_ci.cli.verbs import CI_VERBS, COMMANDS, SECTIONS, all_verbs, read_row
from mlops_ci.core.verbs import Option, Verb

FOLDER = Path(mlops_ci.__file__).parent / "commands"
every_verb = pytest.mark.parametrize("verb", all_verbs(), ids=COMMANDS)


def test_every_file_of_a_verb_has_its_place_in_the_order() -> None:
    people = [name for names in SECTIONS.values() for name in names]
    assert {path.stem for path in FOLDER.glob("*.py")} - {"__init__"} == set(people)
    assert {path.stem for path in (FOLDER / "ci").glob("*.py")} - {"__init__"} == set(CI_VERBS)
    assert len(COMMANDS) == len(set(COMMANDS))


@every_verb
def test_the_row_that_is_read_is_the_row_of_the_module(verb: Verb) -> None:
    module = importlib.import_module(verb.module)
    assert verb == module.SPEC
    assert Path(str(module.__file__)).relative_to(FOLDER).with_suffix("").as_posix() == verb.command.replace(" ", "/")


def test_a_file_without_a_row_is_named(tmp_path: Path) -> None:
    (tmp_path / "observe.py").write_text("import pandas\n")
    with pytest.raises(ValueError, match=r"observe\.py does not define its command"):
        read_row(tmp_path / "observe.py")


def test_help_lists_peoples_verbs_in_the_order_of_use_and_then_those_of_ci(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    titles = [line.removesuffix(":") for line in lines if line.endswith(":") and line[0] != " "]
    assert titles == ["Options", *SECTIONS, "CI jobs"]
    listed = [line.split()[0] for line in lines[lines.index("Start a project:") :] if line.startswith("  ")]
    order = [*(name for names in SECTIONS.values() for name in names), "ci"]
    assert listed[: len(order)] == order
    assert order[:6] == ["init", "validate", "check", "train", "compare", "gate"]


@every_verb
def test_a_summary_fits_into_a_line_of_help(verb: Verb) -> None:
    assert len(verb.summary) <= 63, verb.summary
    assert verb.summary.endswith(".")


@every_verb
def test_a_steps_parameters_are_its_verbs_options(verb: Verb) -> None:
    step = getattr(importlib.import_module(verb.module), verb.name)
    given, *parameters = inspect.signature(step).parameters.values()
    assert {parameter.name for parameter in parameters} == {option.name for option in verb.options}
    assert all(parameter.kind is inspect.Parameter.KEYWORD_ONLY for parameter in parameters)
    assert given.annotation in (("Project",) if verb.needs == "project" else ("Context", "Workspace"))


@every_verb
def test_help_names_every_option(verb: Verb) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mlops_ci", *verb.command.split(), "--help"], capture_output=True, text=True, check=True
    )
    for option in verb.options:
        shown = option.metavar if option.positional else f"--{option.flag}"
        assert shown is not None
        assert shown in done.stdout
    assert ("--dry-run" in done.stdout) == verb.writes


@every_verb
def test_what_is_required_is_asked_for(verb: Verb) -> None:
    needed = [option for option in verb.options if option.required]
    for missing in needed:
        given = [part for option in needed if option is not missing for part in _given(option)]
        assert run_command_line([*verb.command.split(), *given]) == 2, missing.name


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

    ran: list[tuple[str, ...]] = []

    class FakeSession:
        """Runs nothing."""

        posargs = ("--base", "main")

        def run(self, *command: str, external: bool) -> None:
            assert external
            ran.append(command)

    mlops_ci.nox.register(FakeNox)
    assert set(made) == {verb.name for verb in all_verbs() if "nox" in verb.surfaces}
    made["affected"](FakeSession())
    assert ran == [(sys.executable, "-m", "mlops_ci", "ci", "affected", "--base", "main")]


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


@pytest.mark.parametrize(
    "arguments", [["--version"], ["--help"], ["ci", "--help"], ["gate", "--help"], ["gate", "--powr"]]
)
def test_help_and_wrong_command_lines_import_no_room_but_the_command_line_and_values(arguments: list[str]) -> None:
    script = (
        "import sys, atexit, mlops_ci.__main__ as m\n"
        f"heavy = {HEAVY!r}\n"
        "def is_heavy(name):\n"
        "    room = name.split('.')[1] if name.startswith('mlops_ci.') else ''\n"
        "    return name in heavy or room not in ('', '__main__', 'cli', 'core')\n"
        "atexit.register(lambda: print([name for name in sys.modules if is_heavy(name)]))\n"
        f"sys.argv = ['mlops-ci', *{arguments!r}]\nm.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == (2 if "--powr" in arguments else 0)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout


def test_the_version_is_pyprojects() -> None:
    import tomllib

    pyproject = Path(__file__).parents[2] / "pyproject.toml"
    assert tomllib.loads(pyproject.read_text())["project"]["version"] == mlops_ci.__version__
