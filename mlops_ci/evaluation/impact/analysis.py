"""Finds the specs, datasets and models that changed paths affect; it only reads files and runs no code.

Each path is examined independently, so the result for many paths is the union of the results for each. The analysis cannot
see a file that code opens only when it runs, such as a file that a metric reads.
"""

from __future__ import annotations

import bisect
import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from mlops_ci.data.sources.files import folder_before_wildcard, matches_source_path
from mlops_ci.data.sources.table import open_source
from mlops_ci.evaluation.impact.symlinks import SymlinkResolver
from mlops_ci.repository.context import Project
from mlops_ci.repository.git import Repository
from mlops_ci.repository.git_values import PathChange
from mlops_ci.repository.toolkit_pins import find_toolkit_versions
from mlops_ci.spec.load import spec_digests
from mlops_ci.spec.located_spec import LocatedSpec
from mlops_ci.spec.spec_types import DatasetSpec, ModelSpec, PluginSource, SourceSpec
from mlops_ci.spec.yaml.document import MAX_SPEC_BYTES
from mlops_ci.training.source_code import possible_code_paths

MAX_PATHS_SHOWN = 5  # paths that a reason names

# files in the project's folder or above it that decide which packages, or which Python, are installed
_DEPENDENCY_FILE = re.compile(
    r"requirements.*\.(txt|in)|constraints.*\.txt|environment.*\.ya?ml|pylock(\..+)?\.toml|(uv|poetry|pdm|pixi|conda)\.lock"
    r"|conda-lock\.ya?ml|Pipfile(\.lock)?|pyproject\.toml|pixi\.toml|setup\.(py|cfg)|\.python-version|\.tool-versions"
)
_WORKFLOW_FILE = re.compile(r"\.github/(workflows/[^/]+|actions/.+)\.ya?ml", re.DOTALL)
_CHANGE_PHRASES = {"added": "is new", "changed": "changed", "deleted": "was deleted"}


@dataclass
class ImpactReasons:
    """The reasons why models and datasets are affected, by name, in the order found.

    `everything` has the reasons that affect every model. `removed_specs` has the specs that no longer exist.
    """

    everything: dict[str, None] = field(default_factory=dict)
    models: dict[str, dict[str, None]] = field(default_factory=dict)
    datasets: dict[str, dict[str, None]] = field(default_factory=dict)
    removed_specs: dict[str, None] = field(default_factory=dict)


class ImpactAnalysis:
    """The analysis of which parts of a project changed paths affect; paths are relative to the repository's root."""

    def __init__(self, project: Project, repo: Repository, changed: Sequence[PathChange], before: str) -> None:
        self._project, self._repo, self._before = project, repo, before
        self._top, self._root = repo.root.resolve(), project.context.root.resolve()
        folder = self._root.relative_to(self._top).as_posix()
        self._folder = "" if folder == "." else folder
        self._left_out = repo.left_out_files()
        self._links = SymlinkResolver(self._top, self._left_out_links())
        self._changes = {change.path: change for change in changed}
        self._paths = sorted(self._changes)
        self._whole = [change for change in changed if change.is_link_or_submodule]

    def run(self) -> ImpactReasons:
        """Return the affected models and datasets, with reasons."""
        reasons = ImpactReasons(everything=dict.fromkeys((*self._environment_reasons(), *self._toolkit_reasons())))
        self._add_spec_reasons(reasons)
        for dataset in self._project.specs.datasets.values():
            _add_reasons(reasons.datasets, dataset.name, self._dataset_reasons(dataset))
        for model in self._project.specs.models.values():
            _add_reasons(reasons.models, model.name, self._model_reasons(model))
            for reason in reasons.datasets.get(model.spec.dataset, ()):
                _add_reasons(reasons.models, model.name, [f"dataset {model.spec.dataset}: {reason}"])
        return reasons

    # reasons that affect every model

    def _environment_reasons(self) -> Iterator[str]:
        """Yield a reason for each changed file that decides about installed packages, or about how git checks files out."""
        for path in self._paths:
            folder, _, name = path.rpartition("/")
            if (_DEPENDENCY_FILE.fullmatch(name) and self._contains_project(folder)) or self._is_requirements_file(
                folder, name
            ):
                yield f"{self._describe_change(path)}; this file determines which packages are installed"
            if name == ".gitattributes" and (self._contains_project(folder) or self._project_path(path) is not None):
                yield f"{self._describe_change(path)}; this file determines how git checks out files"

    def _toolkit_reasons(self) -> Iterator[str]:
        """Yield a reason for each workflow or noxfile that requires another version of the toolkit than before."""
        workflows = [path for path in self._paths if _WORKFLOW_FILE.fullmatch(path)]
        noxfiles = [
            path
            for path in self._paths
            if path.endswith("noxfile.py") and self._contains_project(posixpath.dirname(path))
        ]
        elsewhere = self._previous_toolkit_versions() if workflows else frozenset()
        for path in (*workflows, *noxfiles):
            change = self._changes[path]
            then = find_toolkit_versions(_decode_text(self._previous_contents([change])[0])) or (
                elsewhere if path in workflows else frozenset()
            )
            now = find_toolkit_versions(_decode_text(self._current_content(path)))
            if now - then:
                yield f"{self._describe_change(path)}; it now requires mlops-ci {', '.join(sorted(now - then))}"

    def _is_requirements_file(self, folder: str, name: str) -> bool:
        """Tell whether a file is in a folder `requirements`, whose files apply to the parent folder."""
        above, _, own = folder.rpartition("/")
        return own == "requirements" and name.endswith((".txt", ".in")) and self._contains_project(above)

    def _previous_toolkit_versions(self) -> frozenset[str]:
        """Return every version of the toolkit that workflows required before the change."""
        then = self._repo.list_files(self._before, ".github")
        oids = [oid for path, oid in then.items() if _WORKFLOW_FILE.fullmatch(f".github/{path}")]
        return frozenset(
            version for content in self._read_blobs(oids) for version in find_toolkit_versions(_decode_text(content))
        )

    def _contains_project(self, folder: str) -> bool:
        return folder == "" or f"{self._folder}/".startswith(f"{folder}/")

    # specs

    def _add_spec_reasons(self, found: ImpactReasons) -> None:
        """Add a reason for each spec whose meaning has changed; comments and layout do not count."""
        files = [change for change in self._changes.values() if self._is_project_yaml(change.path)]
        then: dict[tuple[str, str], str] = {}
        for change, content in zip(files, self._previous_contents(files), strict=True):
            path = self._project_path(change.path)
            for key, digest in (
                spec_digests(_printable_path(path), content) if path is not None and content is not None else ()
            ):
                then[key] = (
                    digest if key not in then else ""
                )  # two specs with one name were invalid: no digest to compare
        specs = self._project.specs
        every: dict[tuple[str, str], LocatedSpec[Any]] = {("Project", specs.project.name): specs.project}
        every |= {("Dataset", name): one for name, one in specs.datasets.items()}
        every |= {("Model", name): one for name, one in specs.models.items()}
        every |= {("Deployment", name): one for name, one in specs.deployments.items()}
        touched = {
            key
            for key, one in every.items()
            if then.get(key) != one.digest and self._changed_paths(self._repository_path(one.path))
        }
        for kind, name in sorted(touched):
            reason = f"its spec {'changed' if (kind, name) in then else 'is new'}: {every[kind, name].path}"
            match kind:
                case "Project":
                    found.everything[f"the project's settings changed: {every[kind, name].path}"] = None
                case "Dataset":
                    _add_reasons(found.datasets, name, [reason])
                case "Model":
                    _add_reasons(found.models, name, [reason])
        removed = sorted(key for key in then if key not in every and key[0] in ("Dataset", "Model"))
        found.removed_specs |= {f"{kind} {name}": None for kind, name in removed}

    def _is_project_yaml(self, path: str) -> bool:
        return path.endswith((".yaml", ".yml")) and self._project_path(path) is not None

    # datasets and models

    def _dataset_reasons(self, dataset: LocatedSpec[DatasetSpec]) -> Iterator[str]:
        lock = f"{posixpath.dirname(self._repository_path(dataset.path))}/{dataset.name}.lock".lstrip("/")
        yield from map(self._describe_change, self._changed_paths(lock))
        source = dataset.spec.source
        if isinstance(source, SourceSpec):
            yield from self._data_reasons(source.path, self._repository_path(source.path))
        else:
            yield from self._plugin_source_reasons(source)
        holdout = dataset.spec.split.source
        if holdout is not None and holdout.path is not None:
            yield from self._data_reasons(holdout.path, self._repository_path(holdout.path))

    def _plugin_source_reasons(self, spec: PluginSource) -> Iterator[str]:
        """Yield a reason for each changed file that a plugin's source reads, or one reason when git tracks no such file."""
        source = open_source(spec)

        def is_read(path: str) -> bool:
            inside = self._project_path(path)
            return inside is not None and source.touches(inside)

        hit = [path for path in self._paths if is_read(path)]
        yield from self._summarise_changes(hit)
        if not hit and not any(map(is_read, self._tracked_paths)):
            yield f"git tracks no file of the source {spec.type}, so these data may have changed"

    def _data_reasons(self, written: str, pattern: str) -> Iterator[str]:
        """Yield a reason for each changed file that a source's path matches, or one reason when git tracks no such file."""
        patterns = {pattern}
        folder = folder_before_wildcard(pattern)
        links, real = self._links.follow(folder) if folder else (frozenset(), "")
        rest = pattern.removeprefix(folder)
        if real is not None:
            patterns.add(f"{real}{rest}".lstrip("/"))
        hit = {path for link in links for path in self._changed_paths(link)}
        known = bool(hit)
        for one in patterns:
            hit |= {
                path
                for path in _paths_below(self._paths, one)
                if matches_source_path(one, path, is_folder=self._changes[path].is_link_or_submodule)
            }
            hit |= {change.path for change in self._whole if matches_source_path(one, change.path, is_folder=True)}
            for path in _paths_below(self._tracked_paths, one):
                if matches_source_path(one, path, is_folder=path in self._submodules):
                    known = True
                    if path in self._symlinks:
                        hit |= set(self._changed_paths(path))
            known = known or any(matches_source_path(one, module, is_folder=True) for module in self._submodules)
        yield from self._summarise_changes(sorted(hit))
        if not hit and not known:
            yield f"git tracks no file {_printable_path(written)}, so these data may have changed"

    def _model_reasons(self, model: LocatedSpec[ModelSpec]) -> Iterator[str]:
        spec = model.spec
        if spec.train.entrypoint is not None:
            yield from (
                f"{one}; the training uses this code"
                for one in self._summarise_changes(self._changed_code_paths(spec.train.entrypoint))
            )
        for name, metric in spec.evaluate.custom.items():
            yield from (
                f"{one}; the metric {name} uses this code"
                for one in self._summarise_changes(self._changed_code_paths(metric.entrypoint))
            )

    def _changed_code_paths(self, entrypoint: str) -> Sequence[str]:
        file = entrypoint.partition(":")[0]
        if file not in self._changed_code_by_file:
            home = self._project.context.spec_root.resolve()
            places = {
                self._repository_path(place.relative_to(home).as_posix())
                for place in possible_code_paths(home, entrypoint)
            }
            places.add(self._repository_path(file))
            every = {real for place in places for real in self._links.affecting_paths(place)}
            hit = every & self._changes.keys()
            hit |= {one.path for one in self._whole if any(place.startswith(f"{one.path}/") for place in every)}
            self._changed_code_by_file[file] = sorted(hit)
        return self._changed_code_by_file[file]

    @cached_property
    def _changed_code_by_file(self) -> dict[str, list[str]]:
        return {}

    # paths

    def _changed_paths(self, path: str) -> tuple[str, ...]:
        """Return the changed paths that affect a path: itself, a symbolic link on it, or the resolved path."""
        every = self._links.affecting_paths(path)
        hit = every & self._changes.keys()
        return tuple(
            sorted(hit | {one.path for one in self._whole if any(f"{p}/".startswith(f"{one.path}/") for p in every)})
        )

    @cached_property
    def _index(self) -> Mapping[str, str]:
        return self._repo.tracked_file_modes()

    @cached_property
    def _tracked_paths(self) -> Sequence[str]:
        return sorted({*self._index, *(path for path, one in self._changes.items() if one.how != "deleted")})

    @cached_property
    def _submodules(self) -> frozenset[str]:
        return frozenset(path for path, mode in self._index.items() if mode == "160000")

    @cached_property
    def _symlinks(self) -> frozenset[str]:
        return frozenset(path for path, mode in self._index.items() if mode == "120000")

    def _repository_path(self, path: str) -> str:
        """Return a path that is relative to the project as one that is relative to the repository."""
        return posixpath.normpath(posixpath.join(self._folder, path))

    def _project_path(self, path: str) -> str | None:
        """Return a path that is relative to the repository as one that is relative to the project; None outside of it."""
        if not self._folder:
            return path
        return path.removeprefix(f"{self._folder}/") if path.startswith(f"{self._folder}/") else None

    def _summarise_changes(self, paths: Sequence[str]) -> Iterator[str]:
        yield from map(self._describe_change, paths[:MAX_PATHS_SHOWN])
        if len(paths) > MAX_PATHS_SHOWN:
            yield f"{len(paths) - MAX_PATHS_SHOWN:,} more files changed"

    def _describe_change(self, path: str) -> str:
        inside = self._project_path(path)
        shown = posixpath.relpath(path, self._folder or ".") if inside is None else inside
        return f"{_printable_path(shown)} {_CHANGE_PHRASES[self._changes[path].how]}"

    def _current_content(self, path: str) -> bytes | None:
        """Return a file's content now: as it is in the work tree, or as the index has it where that leaves the file out."""
        left_out = self._left_out.get(path)
        return _read_content(self._top / path) if left_out is None else self._read_blobs([left_out.oid])[0]

    def _left_out_links(self) -> Mapping[str, str]:
        """Return the symbolic links that the work tree leaves out, with what they lead to."""
        links = {path: one.oid for path, one in self._left_out.items() if one.mode == "120000"}
        targets = self._read_blobs(list(links.values()))
        return {path: os.fsdecode(target) for path, target in zip(links, targets, strict=True) if target is not None}

    def _previous_contents(self, changed: Sequence[PathChange]) -> list[bytes | None]:
        """Return each path's content before the change; None when there was no file, or when it was too large to read."""
        contents = iter(self._read_blobs([change.old_oid for change in changed if change.old_oid is not None]))
        return [next(contents) if change.old_oid is not None else None for change in changed]

    def _read_blobs(self, oids: Sequence[str]) -> list[bytes | None]:
        sizes = self._repo.read_object_infos(oids) if oids else ()
        small = [one.oid for one in sizes if one is not None and one.size <= MAX_SPEC_BYTES]
        read = dict(zip(small, self._repo.read_objects(small), strict=True))
        return [read.get(oid) for oid in oids]


def _add_reasons(table: dict[str, dict[str, None]], name: str, reasons: Iterable[str]) -> None:
    for reason in reasons:
        table.setdefault(name, {})[reason] = None


def _paths_below(paths: Sequence[str], pattern: str) -> Sequence[str]:
    """Return the sorted paths that are below the folder that a pattern starts with."""
    folder = folder_before_wildcard(pattern)
    if not folder:
        return paths
    start, end = bisect.bisect_left(paths, f"{folder}/"), bisect.bisect_left(paths, f"{folder}0")  # `0` follows `/`
    return paths[start:end]


def _printable_path(path: str) -> str:
    return os.fsencode(path).decode("utf-8", "replace")


def _read_content(file: Path) -> bytes | None:
    try:
        with file.open("rb") as stream:
            return stream.read(MAX_SPEC_BYTES)
    except OSError:
        return None


def _decode_text(content: bytes | None) -> str:
    return (content or b"").decode("utf-8", "replace")
