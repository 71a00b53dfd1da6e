"""Whatever name is misspelt on a command line, the message offers the one that was meant; one module decides which is near."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

import mlops_ci
from mlops_ci.cli.main import run_command_line
from mlops_ci.cli.verbs import COMMANDS, all_verbs
from mlops_ci.core.suggestions import find_nearest
from tests.support.git_calls import git_in

# the options whose values are names that the project, its registry or the toolkit defines; all other values are free, and `b` of
# `diff` is looked up as `a` is
NAMES = {"model", "models", "a", "datasets", "env", "version", "template", "target", "ci"}
WHY = ("--reason", "late arrivals")

# what each of them is misspelt as, and what has to be offered
MISSPELT: dict[tuple[str, str], tuple[tuple[str, ...], str]] = {
    ("init", "template"): (("--template", "minimla"), "minimal"),
    ("init", "target"): (("../new", "--from", "data/patients.csv", "--target", "malign"), "malignant"),
    ("init", "ci"): (("--ci", "githbu"), "github"),
    ("check", "datasets"): (("patient",), "patients"),
    ("train", "models"): (("diagnosi",), "diagnosis"),
    ("compare", "models"): (("DIAGNOSIS",), "diagnosis"),
    ("gate", "models"): (("dignosis",), "diagnosis"),
    ("release", "models"): (("diagnosiss",), "diagnosis"),
    ("approve", "model"): (("diagnoses@v1.0.0", "--env", "staging"), "diagnosis"),
    ("approve", "env"): (("diagnosis@v1.0.0", "--env", "Staging"), "staging"),
    ("deploy", "model"): (("diagnosi", "--env", "staging"), "diagnosis"),
    ("deploy", "env"): (("diagnosis", "--env", "STAGING"), "staging"),
    ("rollback", "model"): (("diagnosi", "--env", "staging", *WHY), "diagnosis"),
    ("rollback", "env"): (("diagnosis", "--env", "stagign", *WHY), "staging"),
    ("rollback", "version"): (("diagnosis", "--env", "staging", "--version", "1.0", *WHY), "1.0.0"),
    ("retire", "model"): (("diagnosi", *WHY), "diagnosis"),
    ("retire", "env"): (("diagnosis", "--env", "stage", *WHY), "staging"),
    ("show", "model"): (("diagnosi",), "diagnosis"),
    ("history", "model"): (("diagnosi",), "diagnosis"),
    ("diff", "a"): (("diagnosi@v1.0.0", "diagnosis@v1.0.0"), "diagnosis"),
    ("fetch", "model"): (("diagnosi", "files"), "diagnosis"),
    ("predict", "model"): (("diagnosi", "data/patients.csv", "--out", "out.csv"), "diagnosis"),
    ("reproduce", "model"): (("diagnosi",), "diagnosis"),
    ("audit", "model"): (("diagnosi",), "diagnosis"),
    ("selftest", "model"): (("diagnosi",), "diagnosis"),
    ("ci projects", "models"): (("diagnosi",), "diagnosis"),
    ("ci affected", "models"): (("diagnosi",), "diagnosis"),
    ("ci features", "models"): (("diagnosi", "--out", "rows"), "diagnosis"),
}
# MODEL@VERSION, in each verb that takes it
VERSIONS = {
    "diff": ("diagnosis@v1.0", "diagnosis@staging"),
    "approve": ("diagnosis@1.0.1", "--env", "staging"),
    "deploy": ("diagnosis@v1.0", "--env", "staging"),
    "retire": ("diagnosis@v1.0", *WHY),
    "fetch": ("diagnosis@1.0.00", "files"),
    "predict": ("diagnosis@v1.0.1", "data/patients.csv", "--out", "out.csv"),
    "reproduce": ("diagnosis@v1.0.1",),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template `minimal`, of whose model another tool registered a version and assigned it. Nothing here is changed."""
    root = tmp_path_factory.mktemp("project")
    assert run_command_line(["init", str(root), "--template", "minimal"]) == 0
    git = git_in(root)
    for key, value in (("user.name", "Ada"), ("user.email", "ada@example.org")):
        git("config", key, value)
    git("add", "--all")
    git("commit", "--quiet", "-m", "Start")
    git("tag", "-a", "diagnosis@v1.0.0", "-m", "Registering")
    git("tag", "-a", "diagnosis#staging#1", "-m", "Assigning")
    return root


def refusal(folder: Path, *argv: str) -> str:
    """Run a command line that is wrong, and return what it says."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run_command_line(argv)
    assert code == 2, out.getvalue() + err.getvalue()
    return err.getvalue()


def offer(text: str) -> str:
    found = re.search(r"did you mean '(.+?)'\?", text)
    assert found, text
    return found.group(1)


def test_every_option_that_takes_a_name_is_tried() -> None:
    takes = {(verb.command, one.name) for verb in all_verbs() for one in verb.options if one.name in NAMES}
    assert takes == set(MISSPELT)


@pytest.mark.parametrize(("command", "option"), MISSPELT)
def test_a_misspelt_name_is_offered(project: Path, command: str, option: str) -> None:
    argv, meant = MISSPELT[command, option]
    assert offer(refusal(project, *command.split(), *argv)) == meant


@pytest.mark.parametrize("verb", VERSIONS)
def test_a_misspelt_version_is_offered(project: Path, verb: str) -> None:
    assert offer(refusal(project, verb, *VERSIONS[verb])) == "1.0.0"


def test_a_misspelt_environment_of_diff_is_offered(project: Path) -> None:
    assert offer(refusal(project, "diff", "diagnosis@stagin", "diagnosis@v1.0.0")) == "staging"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_misspelt_verb_is_offered(tmp_path: Path, command: str) -> None:
    for wrong in (command + command[-1], command.upper()):
        *group, name = wrong.split()
        said = refusal(tmp_path, *(one.lower() for one in group), name)
        assert offer(said) == f"mlops-ci {command}"


@pytest.mark.parametrize(("typed", "meant"), [("affected", "ci affected"), ("ci gate", "gate"), ("CI", "ci")])
def test_a_verb_of_the_other_group_is_offered(tmp_path: Path, typed: str, meant: str) -> None:
    assert offer(refusal(tmp_path, *typed.split())) == f"mlops-ci {meant}"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_misspelt_option_or_format_is_offered(tmp_path: Path, command: str) -> None:
    assert offer(refusal(tmp_path, *command.split(), "--formatt", "json")) == "--format"
    assert offer(refusal(tmp_path, *command.split(), "--format", "jsn")) == "json"


def test_an_option_of_the_whole_command_is_offered(tmp_path: Path) -> None:
    assert offer(refusal(tmp_path, "--versoin")) == "--version"


@pytest.mark.parametrize("option", ["-C", "--format", "--dry-run"])
def test_an_option_of_a_verb_before_the_verb_is_told_its_place(tmp_path: Path, option: str) -> None:
    assert f"write '{option}' after the command: `mlops-ci validate {option} ...`" in refusal(
        tmp_path, option, "x", "show"
    )


def test_without_a_near_name_all_are_told(project: Path) -> None:
    assert "= help: the models are: diagnosis" in refusal(project, "show", "zebra")
    assert "= help: the datasets are: patients" in refusal(project, "check", "zebra")
    assert "= help: its versions are: 1.0.0" in refusal(project, "fetch", "diagnosis@xyz", "files")
    assert "it is one of: minimal, flights" in refusal(project, "init", "--template", "zebra")
    assert "= help: add it to `environments` in mlops.yaml" in refusal(project, "deploy", "diagnosis", "--env", "moon")


def test_nothing_else_compares_names() -> None:
    package = Path(mlops_ci.__file__).parent
    users = [path.name for path in package.rglob("*.py") if re.search(r"\bdifflib\b", path.read_text(encoding="utf-8"))]
    assert users == ["suggestions.py"]


def test_a_name_in_other_case_is_the_nearest() -> None:
    assert find_nearest("PROD", ("staging", "prod", "prod-eu")) == "prod"
