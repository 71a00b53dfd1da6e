"""The names of the specs of all projects of a repository. Projects share its tags, runs and ledgers, so a name must be unique.

The files are those of a commit, or those of the work tree and, where a sparse checkout leaves some out, of the index.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from mlops_ci.core.diagnostics import Diagnostic, Location, Severity
from mlops_ci.repository.git import Repository
from mlops_ci.spec.load import PROJECT_FILE, is_searched_path, locate_names, parse_project
from mlops_ci.spec.located_spec import LocatedSpec
from mlops_ci.spec.spec_types import FormerProject, ProjectSpec
from mlops_ci.spec.yaml.document import MAX_SPEC_BYTES

SHARED_KINDS = ("Project", "Model", "Dataset")  # kinds whose names all projects of a repository share
_PATTERNS = ("*.yaml", "*.yml")
# of `ls-files -t`: the state of the file, and of one in the index also mode, id and stage
_LISTED = re.compile(r"(?P<state>.) (?:[0-7]{6} (?P<oid>[0-9a-f]{40,64}) [0-3]\t)?(?P<path>.*)", re.DOTALL)


@dataclass(frozen=True)
class SpecName:
    """A spec's kind and name, the folder of its project (`.` is the top), and its place in the repository."""

    folder: str
    kind: str
    name: str
    place: Location


@dataclass(frozen=True)
class RepositoryNames:
    """The names of the shared kinds in all projects, and each valid Project by its folder."""

    specs: tuple[SpecName, ...]
    projects: Mapping[str, LocatedSpec[ProjectSpec]]

    def has(self, folder: str, kind: str, name: str) -> bool:
        """Return whether a project has a spec of that kind and name."""
        return any((one.folder, one.kind, one.name) == (folder, kind, name) for one in self.specs)

    def twins(self, folder: str) -> Iterator[tuple[SpecName, SpecName]]:
        """Yield each spec of a project with the first spec of the same kind and name in another project."""
        others: dict[tuple[str, str], SpecName] = {}
        for one in self.specs:
            if one.folder != folder:
                others.setdefault((one.kind, one.name), one)
        for one in self.specs:
            if one.folder == folder and (other := others.get((one.kind, one.name))):
                yield one, other


def read_names(repo: Repository) -> RepositoryNames:
    """Return the names in the work tree and, where a sparse checkout leaves files out, in the index."""
    listed = repo.run("ls-files", "-z", "-t", "--stage", "--others", "--exclude-standard", "--", *_PATTERNS).out
    found = [_LISTED.fullmatch(os.fsdecode(entry)) for entry in listed.split(b"\0") if entry]
    # what a sparse checkout leaves out, and no other file that is missing: that one is deleted
    left_out = {one["path"]: one["oid"] for one in found if one and one["state"] == "S"}
    contents = {
        path: _read_file(repo.root / path) for path in _paths_in_projects({one["path"] for one in found if one})
    }
    absent = [path for path, content in contents.items() if content is None and path in left_out]
    contents.update(zip(absent, _read_blobs(repo, [left_out[path] for path in absent]), strict=True))
    return _collect(contents)


def read_names_at(repo: Repository, commit: str) -> RepositoryNames:
    """Return the names in a commit."""
    files = repo.list_files(commit)
    paths = list(_paths_in_projects(files))
    return _collect(dict(zip(paths, _read_blobs(repo, [files[path] for path in paths]), strict=True)))


def name_findings(
    names: RepositoryNames, folder: str, base: RepositoryNames | None = None, severity: Severity = "error"
) -> Iterator[Diagnostic]:
    """Yield a finding for each name of a project that another project has, too.

    With a `base`, the names in the commit that a change is to be merged into, whoever comes second gets an error: the other
    project has the name there, and this one has not.
    """
    for mine, other in names.twins(folder):
        second = (
            base is not None
            and base.has(other.folder, other.kind, other.name)
            and not base.has(folder, mine.kind, mine.name)
        )
        yield Diagnostic(
            "spec-name-taken",
            f"the project in {other.folder} has a {mine.kind} '{mine.name}', too: {other.place}",
            _place_in_project(mine.place, folder),
            "all projects of a repository share its tags, runs and ledgers: rename one of the two",
            "error" if second else severity,
        )


def history_findings(names: RepositoryNames, folder: str) -> Iterator[Diagnostic]:
    """Yield a finding for each entry of a project's `formerly` that names a project which still exists, or is claimed twice."""
    mine = names.projects.get(folder)
    for at, one in enumerate(mine.spec.formerly if mine else ()):
        place = mine.locate("spec", "formerly", at) if mine else None
        if not one.models and one.path != folder and names.has(one.path, "Project", one.name):
            yield Diagnostic(
                "project-not-former",
                f"project '{one.name}' in {one.path} still exists, so its history cannot go on here",
                place,
                "delete the entry, or name the models that came from there: models: [NAME]",
            )
        for other, project in names.projects.items():
            if other != folder and any(_overlap(one, two) for two in project.spec.formerly):
                yield Diagnostic(
                    "project-not-former",
                    f"the project in {other} continues the history of '{one.name}' in {one.path}, too",
                    place,
                    "a model belongs to one project: delete one of the two entries, or name the `models` of each",
                )


def _overlap(one: FormerProject, two: FormerProject) -> bool:
    same = (one.name, one.path) == (two.name, two.path)
    return same and (not one.models or not two.models or bool({*one.models} & {*two.models}))


def _place_in_project(place: Location, folder: str) -> Location:
    """Return a place of the repository as diagnostics of a project name it: from the project's folder."""
    return place if folder == "." else replace(place, path=place.path.removeprefix(f"{folder}/"))


def _read_file(path: Path) -> bytes | None:
    """Return the content of a file; None for what is not there, a link, or too large for a spec."""
    try:
        if path.is_symlink() or path.stat().st_size > MAX_SPEC_BYTES:
            return None
        return path.read_bytes()
    except OSError:
        return None


def _read_blobs(repo: Repository, oids: list[str]) -> list[bytes | None]:
    infos = repo.read_object_infos(oids, or_corrupt=True)
    small = [oid for oid, info in zip(oids, infos, strict=True) if info and info.size <= MAX_SPEC_BYTES]
    contents = dict(zip(small, repo.read_objects(small, or_corrupt=True), strict=True))
    return [contents.get(oid) for oid in oids]


def _project_folders(paths: Iterable[str]) -> frozenset[str]:
    return frozenset(
        PurePosixPath(path).parent.as_posix() for path in paths if PurePosixPath(path).name == PROJECT_FILE
    )


def _paths_in_projects(paths: Iterable[str]) -> Iterator[str]:
    """Yield the YAML files that the projects read."""
    every = sorted(paths)
    folders = _project_folders(every)
    for path in every:
        folder = _nearest(folders, path)
        if folder is not None and is_searched_path(path if folder == "." else path.removeprefix(f"{folder}/")):
            yield path


def _nearest(folders: frozenset[str], path: str) -> str | None:
    parents = (parent.as_posix() for parent in PurePosixPath(path).parents)
    return next((parent for parent in parents if parent in folders), None)


def _collect(contents: Mapping[str, bytes | None]) -> RepositoryNames:
    folders = _project_folders(path for path, content in contents.items() if content is not None)
    specs: list[SpecName] = []
    projects: dict[str, LocatedSpec[ProjectSpec]] = {}
    for path, content in contents.items():
        folder = _nearest(folders, path)
        if folder is None or content is None:
            continue
        found = [item for item in locate_names(path, content) if item.kind in SHARED_KINDS]
        specs += [SpecName(folder, *item) for item in found]
        if any(item.kind == "Project" for item in found) and (project := parse_project(content)) is not None:
            projects[folder] = project
    return RepositoryNames(tuple(specs), projects)
