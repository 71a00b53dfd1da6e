"""Files and rooms: what stands at the top of the package, and how long a file may grow."""

from __future__ import annotations

import re

import pytest

from mlops_ci.core.plugins import GROUPS
from tests.architecture.source import PACKAGE, ROOT, modules

LONGEST = 400  # lines


def test_thirteen_rooms_and_two_modules_are_at_the_top() -> None:
    """Beside them stands `testing`, which plugins' authors import."""
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    files = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "testing"}
    assert len(rooms) == 13
    assert files == {"__main__", "nox"}


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    files = [*(module.path for module in modules()), *(ROOT / "tests").rglob("*.py")]
    lines = {str(file.relative_to(ROOT)): len(file.read_text(encoding="utf-8").splitlines()) for file in files}
    assert {file: count for file, count in lines.items() if count > LONGEST} == {}, "is there a second job in it?"


def test_every_folder_and_module_says_what_it_is_for() -> None:
    import ast

    silent = [module.name for module in modules() if len((ast.get_docstring(module.tree) or "").split()) < 3]
    assert silent == []


PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/*.py"), *ROOT.glob("actions/**/*.yml")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_module_and_path_that_a_page_names_exists(page: object) -> None:
    """Given a page that names a file or a module of this project, then it is there, or the page says how to write it."""
    text = page.read_text(encoding="utf-8")  # type: ignore[attr-defined]  # a Path, which parametrize does not say
    new = set(re.findall(r"new\s+file `([^`]+)`", text))  # those of recipes
    gone = [path for path in _paths(text) if path not in new and not (ROOT / path).exists()]
    known = {*GROUPS, *(module.name for module in modules())}
    known |= {path.removesuffix(".py").replace("/", ".") for path in new}
    assert gone + [name for name in _modules_named(text) if name not in known] == []


def test_every_module_that_the_code_names_exists() -> None:
    """Given a docstring, a comment or a message that names a module or a file of the package, then it is there."""
    gone = []
    for module in modules():
        text = module.path.read_text(encoding="utf-8")
        gone += [(module.name, path) for path in _paths(text) if not (ROOT / path).exists()]
    assert gone == []


def _paths(text: str) -> list[str]:
    found = re.findall(r"(?<![\w/.-])(?:mlops_ci|tests|docs|schemas)/[\w./-]*\w", text)
    return [path for path in found if not path.startswith(("mlops_ci/v", "docs/CODEOWNERS")) and "<" not in path]


def _modules_named(text: str) -> list[str]:
    found = re.findall(r"(?<![\w./-])mlops_ci(?:\.[a-z_]+)+(?![\w(])", text)
    return [name.rstrip(".") for name in found if not name.startswith("mlops_ci.nox.")]
