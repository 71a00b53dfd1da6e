"""Requires that a file's columns have distinct names, and that all files of a dataset have the same columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from mlops_ci.core.diagnostics import Location
from mlops_ci.core.errors import Findings, ToolError
from mlops_ci.core.suggestions import quote


def require_same_columns(schemas: Mapping[str, Mapping[str, str]]) -> None:
    """Raise Findings `data-files-differ` unless all files, which are given with their columns, have the same columns."""
    (first, wanted), *others = schemas.items()
    for path, columns in others:
        for name in [
            *(name for name in wanted if name not in columns),
            *(name for name in columns if name not in wanted),
        ]:
            has, lacks = (first, path) if name in wanted else (path, first)
            raise files_differ_error(f"column '{name}' is in '{has}', but not in '{lacks}'", lacks)


def require_distinct_names(names: Sequence[str], path: str) -> None:
    """Raise Findings `data-header` when a column of a file has no name, or two columns have the same name."""
    for name, times in Counter(names).items():
        if not name.strip() or times > 1:
            raise Findings.of(
                "data-header",
                f"{times} columns are named {quote(name)}" if name.strip() else "a column has no name",
                location=Location(path),
                help="rename one of them" if name.strip() else "give every column a name",
            )


def files_differ_error(message: str, path: str) -> ToolError:
    """Return the error for a file whose columns or types differ from those of the other files."""
    return Findings.of(
        "data-files-differ",
        message,
        location=Location(path),
        help="all files of a dataset must have the same columns and types; check that the glob matches only its files",
    )
