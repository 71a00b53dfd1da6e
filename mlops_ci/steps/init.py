"""`init`: a working repository, from a template, from a table, or just the files every project has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mlops_ci import templates
from mlops_ci.errors import UsageProblem
from mlops_ci.outcomes.lifecycle import InitReport
from mlops_ci.plan import Outcome, Plan
from mlops_ci.project import Context
from mlops_ci.writes import PrepareRepository, WriteFile


def init(
    context: Context,
    *,
    directory: str = ".",
    template: str | None = None,
    from_: str | None = None,
    target: str | None = None,
) -> Outcome[InitReport]:
    """Plan the files that are not there yet; whatever exists is kept as it is.

    Raises UsageProblem when the options do not fit together, the table cannot be read or has no such column.
    """
    root = (context.here / directory).resolve()
    if template and from_:
        raise UsageProblem.of("init-options", "--template and --from exclude each other", help="choose one of them")
    if bool(from_) != bool(target):
        raise UsageProblem.of(
            "init-options", "--from and --target go together", help="mlops-ci init --from data.csv --target COLUMN"
        )
    if from_ and target:
        files = _from_table(root, context.here / from_, target)
    elif template:
        files = {**templates.files(template), **_data(template, context.scratch / "data")}
    else:
        files = templates.files("empty")
    kept = tuple(sorted(path for path in files if (root / path).exists() or (root / path).is_symlink()))
    written = tuple(sorted(path for path in files if path not in kept))
    writes = [WriteFile(str(root / path), files[path]) for path in written]
    return Outcome(
        InitReport(str(root), written, kept, _next(directory)), plan=Plan((*writes, PrepareRepository(str(root))))
    )


def _data(template: str, scratch: Path) -> Mapping[str, bytes]:
    scratch.mkdir(parents=True)
    return {path: written.read_bytes() for path, written in templates.write_data(template, scratch).items()}


def _from_table(root: Path, table: Path, target: str) -> Mapping[str, bytes]:
    """Specs for a table; one that lies outside the new project is copied into it."""
    if not table.is_file():
        raise UsageProblem.of("init-table", f"there is no file {table}", help="name a CSV or parquet file with --from")
    inside = table.resolve().is_relative_to(root)
    path = table.resolve().relative_to(root).as_posix() if inside else f"data/{table.name}"
    files = dict(templates.from_table(table, path, target))
    return files if inside else {**files, path: table.read_bytes()}


def _next(directory: str) -> tuple[str, ...]:
    there = () if directory == "." else (f"cd {directory}",)
    return (*there, "mlops-ci validate", "mlops-ci gate", "git add --all && git commit -m 'Start with mlops-ci'")
