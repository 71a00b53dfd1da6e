"""`init`: a working repository, from a template, from a table, or just the files every project has."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlops_ci.commands import scaffold as templates
from mlops_ci.core.errors import UsageProblem
from mlops_ci.core.plan import Outcome, Plan
from mlops_ci.core.planned_writes import PrepareRepository, WriteFile
from mlops_ci.core.results.lifecycle import InitReport
from mlops_ci.repository.context import Context
from mlops_ci.spec.load import PROJECT_FILE, read_project
from mlops_ci.spec.spec_types import ProjectSpec

_OWNER = re.compile(r"@[A-Za-z0-9][A-Za-z0-9-]*(/[A-Za-z0-9._-]+)?|[^@\s#]+@[^@\s#]+\.[^@\s#]+")


def init(
    context: Context,
    *,
    directory: str = ".",
    template: str | None = None,
    from_: str | None = None,
    target: str | None = None,
    ci: str | None = None,
    owner: str | None = None,
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
    places = {root / path: content for path, content in files.items()}
    said: tuple[str, ...] = ()
    if ci:
        separated = _separated(places, root)
        places, said = (
            {**places, **separated, **_workflows(context, root, separated, owner)},
            _settings(root, separated),
        )
    elif owner:
        raise UsageProblem.of(
            "init-options", "--owner goes with --ci", help="mlops-ci init --ci github --owner @ORG/TEAM"
        )
    kept = sorted(path for path in places if path.exists() or path.is_symlink())
    written = sorted(set(places) - set(kept))
    writes = [WriteFile(str(path), places[path]) for path in written]
    report = InitReport(str(root), _shown(written, root), _shown(kept, root), (*_next(directory), *said))
    return Outcome(report, plan=Plan((*writes, PrepareRepository(str(root)))))


def _shown(paths: Sequence[Path], root: Path) -> tuple[str, ...]:
    return tuple(Path(os.path.relpath(path, root)).as_posix() for path in paths)


def _separated(places: Mapping[Path, bytes], root: Path) -> dict[Path, bytes]:
    """Return the project with the policy that its workflows can keep; the one that is there, where there is one."""
    path = root / PROJECT_FILE
    if path.is_file():
        return {path: path.read_bytes()}
    return {path: places[path] + b"  policy: {trust: separated}  # released is what the workflows have judged\n"}


def _workflows(context: Context, root: Path, projects: Mapping[Path, bytes], owner: str | None) -> Mapping[Path, bytes]:
    """Return the workflows, which GitHub reads at the root of the repository alone."""
    if owner and not _OWNER.fullmatch(owner):
        raise UsageProblem.of(
            "init-options", f"--owner: {owner!r} is no owner", help="write @PERSON, @ORG/TEAM or an address"
        )
    repo = context.repo
    top = repo.root.resolve() if repo and not repo.bare and root.is_relative_to(repo.root.resolve()) else root
    project = read_project(projects[root / PROJECT_FILE])
    spec = project.spec if project else ProjectSpec()
    branch = spec.branch or (repo.branch() if repo else None) or "main"
    made = templates.github(
        folder=root.relative_to(top).as_posix(), branch=branch, environments=spec.environments, owner=owner
    )
    return {top / path: content for path, content in made.items()}


def _settings(root: Path, projects: Mapping[Path, bytes]) -> tuple[str, ...]:
    project = read_project(projects[root / PROJECT_FILE])
    trusted = project is not None and project.spec.policy.trust == "separated"
    policy = () if trusted else (f"in {PROJECT_FILE}, below `spec`: policy: {{trust: separated}}",)
    return (
        *policy,
        "on GitHub: the settings of https://github.com/mlops-ci/mlops-ci/blob/v1/docs/github.md",
        "mlops-ci doctor",
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
