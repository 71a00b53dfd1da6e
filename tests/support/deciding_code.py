"""A digest of the code that decides something which is stored: comments, docstrings and imports decide nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

import mlops_ci
from mlops_ci.core.digest import digest_json

ROOT = Path(mlops_ci.__file__).parent


def code_digest(files: Iterable[Path]) -> str:
    """Return the digest of files of the package, each by its path and by its code."""
    return digest_json(
        {path.relative_to(ROOT).as_posix(): deciding_code(path.read_text(encoding="utf-8")) for path in sorted(files)}
    )


def deciding_code(text: str) -> str:
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
