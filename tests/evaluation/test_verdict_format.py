"""Whoever changes what decides a verdict also decides whether the stored verdicts still hold."""

from __future__ import annotations

import ast
from pathlib import Path

import mlops_ci
from mlops_ci.core.digest import digest_json
from mlops_ci.evaluation.candidates.candidate import VERDICT_FORMAT

ROOT = Path(mlops_ci.__file__).parent
DECIDING = (
    *("evaluation/stats/*.py", "evaluation/verdict/*.py", "training/inference/*.py"),
    *("training/frame.py", "training/prediction_columns.py", "training/predictions.py"),
    *("training/workers/custom_metric.py", "training/workers/measure.py", "training/workers/score.py"),
)
# VERDICT_FORMAT -> the digest of the code that decided when the number was chosen
KNOWN = {7: "2b9255c8c66333f6b43bb37a55b9cc44501b642e8d3e1752b72284c1f8aea3a9"}
WHAT_TO_DO = """
The code that decides a verdict has changed: {digest}
Can the same models get another verdict, metric or interval? Then raise VERDICT_FORMAT in mlops_ci/evaluation/candidates/candidate.py,
so that stored answers are not used again, and add a row here. Otherwise (a new name, other words) replace the digest of the row {format}.
"""


def test_stored_verdicts_are_those_of_todays_code() -> None:
    files = sorted(path for pattern in DECIDING for path in ROOT.glob(pattern))
    digest = digest_json({path.relative_to(ROOT).as_posix(): _code(path.read_text(encoding="utf-8")) for path in files})
    assert KNOWN.get(VERDICT_FORMAT) == digest, WHAT_TO_DO.format(digest=digest, format=VERDICT_FORMAT)


def test_a_comment_or_a_docstring_decides_nothing_and_a_number_does() -> None:
    code = _code('"""One."""\n\n\ndef add(a):\n    """Two."""\n    return a + 1\n')
    assert code == _code("def add(a):  # a sum\n    return a + 1\n")
    assert code != _code("def add(a):\n    return a + 2\n")


def _code(text: str) -> str:
    """Return what Python reads from a file but for docstrings and imports."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [
                part for part in body if not _is_docstring(part) and not isinstance(part, ast.Import | ast.ImportFrom)
            ]
            node.body = kept or [ast.Pass()]  # type: ignore[attr-defined]  # every node with a body is a block
    return ast.dump(tree)


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
