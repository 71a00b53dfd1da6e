"""Each diagnostic is documented under its id, and produced by some test."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "diagnostics.md").read_text(encoding="utf-8")
ANCHORS = re.findall(r"^## (\S+)$", PAGE, re.MULTILINE)
MAKERS = {"Diagnostic", "EventFault", "of", "_problem", "problem", "_csv_error"}
# data checks carry their ids in tables of rules
IN_TABLES = re.compile(r"(check|data|split|target)-[a-z]+(-[a-z]+)*")


def _strings(node: ast.AST) -> Iterator[str]:
    for found in ast.walk(node):
        if isinstance(found, ast.Constant) and isinstance(found.value, str):
            yield found.value


def _ids() -> Iterator[str]:
    for path in (ROOT / "mlops_ci").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            name = getattr(call.func, "id", getattr(call.func, "attr", ""))
            if name in MAKERS and call.args and isinstance(call.args[0], ast.Constant | ast.IfExp):
                first = call.args[0]
                yield from (
                    _strings(first)
                    if isinstance(first, ast.Constant)
                    else (*_strings(first.body), *_strings(first.orelse))
                )
        if "data" in path.parts:
            yield from (text for text in _strings(tree) if IN_TABLES.fullmatch(text))


def test_every_diagnostic_is_documented() -> None:
    assert sorted(set(_ids()) - set(ANCHORS)) == []


def test_every_documented_diagnostic_exists() -> None:
    assert sorted(set(ANCHORS) - set(_ids())) == []


def test_every_diagnostic_is_produced_by_a_test() -> None:
    tests = ROOT / "tests"
    texts = [path.read_text(encoding="utf-8") for pattern in ("*.py", "*.txt") for path in tests.rglob(pattern)]
    named = {found for text in texts for found in re.findall(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*", text)}
    assert sorted(set(ANCHORS) - named) == []


def test_the_page_is_sorted_and_says_each_once() -> None:
    assert sorted(set(ANCHORS)) == ANCHORS
