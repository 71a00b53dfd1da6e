"""Modules import plainly, at the top: what is imported late, so that a query is quick, is fenced to the files that answer one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import mlops_ci

PACKAGE = Path(mlops_ci.__file__).parent
# what runs while git lists the refs for `show` and `history`, or before a command line is known to be right
FENCE = (
    "__main__.py",
    "cli/",
    "core/plan.py",
    "core/results/registry.py",
    "governance/query_registry.py",
    "registry/events.py",
    "registry/state.py",
    "registry/tag_message.py",
    "registry/views.py",
    "reports/next_steps.py",
    "reports/page.py",
    "reports/registry.py",
    "repository/ref_listing.py",
    "repository/refs.py",
)
MODULES = {
    file.relative_to(PACKAGE).as_posix(): file.read_text(encoding="utf-8")
    for file in sorted(PACKAGE.rglob("*.py"))
    if "templates" not in file.parts
}
OUTSIDE = [name for name in MODULES if not name.startswith(FENCE)]


def late_imports(source: str) -> Iterator[str]:
    """Yield each import of this package inside a function that gives no reason, on its line or the one above."""
    lines = source.splitlines()
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.ImportFrom | ast.Import):
                    names = (
                        [node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names]
                    )
                    above, line = lines[node.lineno - 2 : node.lineno]
                    has_reason = "#" in line or above.lstrip().startswith("#")
                    if any(name.split(".")[0] == "mlops_ci" for name in names) and not has_reason:
                        yield f"line {node.lineno}: {line.strip()}"


@pytest.mark.parametrize("module", OUTSIDE)
def test_imports_of_the_package_stand_at_the_top_or_say_why_not(module: str) -> None:
    assert list(late_imports(MODULES[module])) == []


@pytest.mark.parametrize("module", OUTSIDE)
def test_imports_are_not_for_the_type_checker_alone(module: str) -> None:
    assert "TYPE_CHECKING" not in MODULES[module]


@pytest.mark.parametrize("place", FENCE)
def test_the_fence_names_only_what_there_is_and_what_needs_it(place: str) -> None:
    inside = [source for name, source in MODULES.items() if name.startswith(place)]
    assert any("TYPE_CHECKING" in source or list(late_imports(source)) or "NamedTuple" in source for source in inside)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("from mlops_ci.core import plan", 1),
        ("import mlops_ci.core.plan", 1),
        ("from mlops_ci.core import plan  # takes long, and most calls need none", 0),
        ("import pandas", 0),
    ],
)
def test_a_late_import_without_a_reason_is_found(line: str, found: int) -> None:
    assert len(list(late_imports(f"def f():\n    x = 1\n    {line}\n"))) == found
