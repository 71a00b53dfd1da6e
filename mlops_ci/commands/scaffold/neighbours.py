"""The other projects of the repository that a new project comes into: where it may be, and which names they have already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.errors import UsageProblem
from mlops_ci.repository.spec_names import SHARED_KINDS, RepositoryNames
from mlops_ci.spec.load import PROJECT_FILE, locate_names


def require_own_folder(names: RepositoryNames, folder: str) -> None:
    """Raise UsageProblem `project-nested` for a new project in another one's folder, or above one. `folder` is of the repository."""
    if folder in names.projects:
        return
    here = PurePosixPath(folder)
    for other in map(PurePosixPath, names.projects):
        if here.is_relative_to(other) or other.is_relative_to(here):
            place = (
                f"inside of the project in {other}" if here.is_relative_to(other) else f"around the project in {other}"
            )
            raise UsageProblem.of(
                "project-nested",
                f"a project in {folder} would be {place}, and one of the two would read the other's specs as its own; nothing was written",
                help=f"choose a folder beside it: mlops-ci init FOLDER; or add the specs to the project in {other}",
            )


def taken_name_findings(names: RepositoryNames, folder: str, files: Mapping[str, bytes]) -> Iterator[Diagnostic]:
    """Yield a warning for each name in the files of a new project that another project has; paths are of the project's folder."""
    others = {(one.kind, one.name): one for one in names.specs if one.folder != folder}
    for path, content in files.items():
        for mine in locate_names(path, content) if path != PROJECT_FILE else ():
            other = others.get((mine.kind, mine.name))
            if other is not None and mine.kind in SHARED_KINDS:
                yield Diagnostic(
                    "spec-name-taken",
                    f"the project in {other.folder} has a {mine.kind} '{mine.name}', too: {other.place}",
                    replace(mine.place, path=path),
                    "all projects of a repository share its tags, runs and ledgers: rename this one, here and where the other specs name it",
                    "warning",
                )
