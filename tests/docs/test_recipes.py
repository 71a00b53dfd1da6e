"""The recipes of CONTRIBUTING.md are followed to the letter on a copy of the project, and keep what they promise."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
COPIED = (
    "mlops_ci",
    "schemas",
    "tests",
    "docs",
    "actions",
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "pyproject.toml",
)
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"(?P<before>.*?)^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
RECIPES = ("A metric", "A data check", "A deployment target", "A verb")


class Block(NamedTuple):
    """A fenced block: its language, its text, and the last path in the sentences before it."""

    language: str
    text: str
    path: str


def recipe(title: str) -> Iterator[Block]:
    """Yield the blocks of the section that has this title."""
    (section,) = re.findall(rf"^### {title}\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL)
    for found in BLOCK.finditer(section):
        before, language, text = found["before"].strip(), found["language"], found["text"]
        sentence = " ".join(before.rpartition("\n\n")[2].split())
        wanted = r"new file `([^`]+)`" if language not in ("diff", "console") else r"in `([\w/]+\.\w+(?:\.\w+)*)`"
        paths = re.findall(wanted, sentence)
        assert paths or language == "console", f"no caption says which file this {language} block is for: {sentence}"
        yield Block(language, text, paths[-1] if paths else "")


def change(file: Path, diff: str) -> None:
    """Put the added lines of a diff to their place, which its other lines name; they stand in the file once."""
    lines = [(line[:1] or " ", line[1:]) for line in diff.splitlines()]
    old = "".join(f"{text}\n" for mark, text in lines if mark in " -")
    new = "".join(f"{text}\n" for mark, text in lines if mark in " +")
    content = f"\n{file.read_text(encoding='utf-8')}"
    assert {mark for mark, _ in lines} <= {" ", "+", "-"}
    assert content.count(f"\n{old}") == 1, f"these lines stand {content.count(old)} times in {file.name}:\n{old}"
    file.write_text(content.replace(f"\n{old}", f"\n{new}")[1:], encoding="utf-8")


def run(copy: Path, command: str) -> str:
    """Run a command of a recipe in the copy, and return what it prints."""
    program, *rest = shlex.split(command)
    argv = {"python": [sys.executable], "mlops-ci": [sys.executable, "-m", "mlops_ci"]}[program]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    quick = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "-p no:cacheprovider"}
    environment = {**inherited, **quick, "PYTHONPATH": str(copy), "COLUMNS": "200"}
    done = subprocess.run([*argv, *rest], cwd=copy, env=environment, text=True, capture_output=True, timeout=600)
    assert done.returncode == 0, f"$ {command}\n{done.stdout}{done.stderr}"
    return done.stdout


def as_pattern(line: str) -> str:
    """Return the pattern of the whole line that a recipe shows; dots in it stand for what is left out."""
    return "^" + ".*".join(re.escape(part) for part in line.split("...")) + "$"


def write(blocks: list[Block], copy: Path) -> None:
    """Write the new files of a recipe, and make its changes, in their order."""
    for block in blocks:
        file = copy / block.path
        if block.language == "diff":
            change(file, block.text)
        elif block.language != "console":
            assert not file.exists(), f"{block.path} is no new file"
            file.write_text(block.text, encoding="utf-8")


def commands(blocks: list[Block]) -> Iterator[tuple[str, list[str]]]:
    """Yield each command of a recipe, with the lines that it shows."""
    for block in blocks:
        if block.language == "console":
            for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
                command, *shown = part.splitlines()
                yield command, shown


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The project's files, with what Python has compiled of them: that saves seconds."""
    ignored = shutil.ignore_patterns(".*")
    for name in COPIED:
        source = ROOT / name
        (shutil.copytree(source, tmp_path / name, ignore=ignored) if source.is_dir() else shutil.copy(source, tmp_path))
    return tmp_path


@pytest.mark.parametrize("title", RECIPES)
def test_a_recipe_names_lines_and_files_that_are_as_it_says(title: str, copy: Path) -> None:
    """Given the project as it is, then each change finds its place, and what comes of it can be read."""
    blocks = list(recipe(title))
    write(blocks, copy)
    for path in {block.path for block in blocks if block.path}:
        text = (copy / path).read_text(encoding="utf-8")
        if path.endswith(".py"):
            ast.parse(text)
        elif path.endswith(".json"):
            json.loads(text)
    assert any(block.path.startswith("tests/") for block in blocks), "a recipe says which test to write"
    assert any("-m pytest" in command for command, _ in commands(blocks)), "and runs it"


@pytest.mark.slow  # each runs four programs that begin anew
@pytest.mark.parametrize("title", RECIPES)
def test_a_recipe_leads_to_what_it_promises(title: str, copy: Path) -> None:
    """Given a copy in which a recipe was followed, then its tests pass, and its commands print what it shows."""
    blocks = list(recipe(title))
    write(blocks, copy)
    for command, shown in commands(blocks):
        printed = run(copy, command)
        missing = [line for line in shown if not re.search(as_pattern(line), printed, re.MULTILINE)]
        assert missing == [], f"$ {command}\n{printed}"
