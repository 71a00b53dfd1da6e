"""The branch that counts: its newest commit, its files, and its specs. The work tree may say anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from mlops_ci.core.diagnostics import Diagnostic, Location
from mlops_ci.core.records.base import ProjectRef
from mlops_ci.repository.git import Repository
from mlops_ci.repository.project_identity import ProjectIdentity
from mlops_ci.spec.load import PROJECT_FILE, Specs, read_all_specs
from mlops_ci.spec.yaml import document
from mlops_ci.spec.yaml.nodes import SyntaxProblem

_MAX_FILE_BYTES = 10_000_000  # bytes of a file that a metric's code may read: data are handed to it
_SPEC_SUFFIXES = (".yaml", ".yml", ".py")  # what specs are, and what they refer to


@dataclass(frozen=True, eq=False)
class ProjectAtTip:
    """One project of the branch: its folder in the repository ("" for the root), its specs, and a copy of its files."""

    folder: str
    specs: Specs
    copy: Path

    @property
    def identity(self) -> ProjectIdentity:
        """What the registry knows the project by."""
        return ProjectIdentity(
            ProjectRef(self.specs.project.name, self.folder or "."), self.specs.project.spec.formerly
        )

    def repository_path(self, path: str) -> str:
        """Return a path of the project as one of the repository."""
        return f"{self.folder}/{path}" if self.folder else path


@dataclass(frozen=True)
class BranchTip:
    """A branch: `files` are those of its newest commit, path to blob id."""

    name: str
    commit: str
    files: Mapping[str, str]
    projects: tuple[ProjectAtTip, ...] = ()


def find_branch_tip(repo: Repository, name: str) -> BranchTip | None:
    """Return a branch as this clone last knew it: the default remote's, else that of the name here; None when it is not here."""
    remote = repo.default_remote()
    for ref in (*((f"refs/remotes/{remote}/{name}",) if remote else ()), f"refs/heads/{name}"):
        commit = repo.resolve(f"{ref}^{{commit}}")
        if commit is not None:
            return BranchTip(name, commit, repo.list_files(commit))
    return None


def find_local_tip(repo: Repository) -> BranchTip | None:
    """Return what HEAD leads to: what counts where there is no remote, and in a bare repository; None before the first commit."""
    commit = repo.resolve("HEAD^{commit}")
    return BranchTip(repo.current_branch() or "HEAD", commit, repo.list_files(commit)) if commit else None


def read_projects(
    repo: Repository, tip: BranchTip, start: str, scratch: Path
) -> tuple[tuple[ProjectAtTip, ...], tuple[Diagnostic, ...]]:
    """Return the branch's projects, and a finding for each whose specs are invalid.

    `start` is a folder of the repository: the project that it is in comes first. Specs of others may be invalid (they may
    be examples).
    """
    found: list[ProjectAtTip] = []
    findings: list[Diagnostic] = []
    nearest = _nearest_project(tip.files, start)
    for at, folder in enumerate(_project_folders(tip.files, nearest)):
        copy = scratch / f"tip-{at}"
        _export_specs(repo, tip, folder, copy)
        reading = read_all_specs(copy)
        if reading.specs is not None:
            found.append(ProjectAtTip(folder, reading.specs, copy))
            continue
        if nearest not in (None, folder):
            continue
        first = next(item for item in reading.diagnostics if item.severity == "error")
        place = f"{folder}/{first.location}" if folder and first.location else first.location
        findings.append(
            Diagnostic(
                "audit-specs-invalid",
                f"the specs of branch '{tip.name}' ({tip.commit[:10]}) are invalid: {place}: {first.message}",
                Location(f"{folder}/{PROJECT_FILE}".lstrip("/")),
                "signers, policies and manifests cannot be audited without them: fix the specs on the branch (mlops-ci validate)",
            )
        )
    return tuple(found), tuple(findings)


def _nearest_project(files: Mapping[str, str], start: str) -> str | None:
    """Return the folder of the project that a folder is in."""
    above = (start, *map(str, PurePosixPath(start).parents))
    folders = ("" if name == "." else name for name in above)
    return next((folder for folder in folders if f"{folder}/{PROJECT_FILE}".lstrip("/") in files), None)


def _project_folders(files: Mapping[str, str], nearest: str | None) -> list[str]:
    """Return the folders of projects that are in no other project, the nearest one first."""
    return list(dict.fromkeys([*([] if nearest is None else [nearest]), *list_project_folders(files)]))


def list_project_folders(files: Iterable[str]) -> list[str]:
    """Return the folders that are projects among these files of a repository, "" for its root: those that are in no other project."""
    every = sorted(path.rpartition("/")[0] for path in files if f"/{path}".endswith(f"/{PROJECT_FILE}"))
    known = set(every)
    return [folder for folder in every if folder == "" or not known & {"", *map(str, PurePosixPath(folder).parents)}]


def export_folder(repo: Repository, tip: BranchTip, folder: str, copy: Path) -> Path:
    """Write all files of a folder of the branch below `copy`, and return that; large ones are left out."""
    prefix = f"{folder}/" if folder else ""
    own = {path.removeprefix(prefix): oid for path, oid in tip.files.items() if path.startswith(prefix)}
    _write_files(repo, own, copy, _MAX_FILE_BYTES)
    return copy


def _export_specs(repo: Repository, tip: BranchTip, folder: str, copy: Path) -> None:
    """Write what specs consist of, and who may sign, below `copy`."""
    copy.mkdir(parents=True)
    prefix = f"{folder}/" if folder else ""
    own = {path.removeprefix(prefix): oid for path, oid in tip.files.items() if path.startswith(prefix)}
    wanted = {path: oid for path, oid in own.items() if path.endswith(_SPEC_SUFFIXES)}
    if PROJECT_FILE in own and (signers := _allowed_signers_path(repo.read_blob(own[PROJECT_FILE]) or b"")) in own:
        wanted[str(signers)] = own[str(signers)]
    _write_files(repo, wanted, copy, document.MAX_SPEC_BYTES)


def _write_files(repo: Repository, wanted: Mapping[str, str], copy: Path, largest: int) -> None:
    safe = {path: oid for path, oid in wanted.items() if not {"", ".", ".."} & set(path.split("/"))}
    sizes = repo.read_object_infos(list(safe.values()))
    small = [path for path, one in zip(safe, sizes, strict=True) if one and one.size <= largest]
    for path, content in zip(small, repo.read_objects([safe[path] for path in small]), strict=True):
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        (copy / path).write_bytes(content or b"")


def _allowed_signers_path(content: bytes) -> str | None:
    """Return the file of those who may sign, which a project must have before it is valid."""
    try:
        documents = document.read_documents(PROJECT_FILE, content)
    except SyntaxProblem:
        return None
    for one in documents:
        found: Any = one.data
        for name in ("spec", "signing", "allowedSigners"):
            found = found.get(name) if isinstance(found, dict) else None
        if isinstance(found, str):
            return PurePosixPath(found).as_posix()
    return None
