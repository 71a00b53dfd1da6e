"""From changed paths to what they touch: specs, datasets, models. What can be read is read, and nothing is run.

Each path is judged by itself, so that the answer for many is that for each together. What nobody can know by reading, such as a
file that a metric's code opens when it runs, is not seen.
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

from mlops_ci.data.sources.files import fixed_folder, reaches
from mlops_ci.evaluation.impact.symlinks import Links
from mlops_ci.repository.context import Project
from mlops_ci.repository.git import Repository
from mlops_ci.repository.git_values import Change
from mlops_ci.repository.toolkit_pins import versions
from mlops_ci.spec.load import digests
from mlops_ci.spec.located_spec import Loaded
from mlops_ci.spec.spec_types import DatasetSpec, ModelSpec
from mlops_ci.spec.yaml.document import MAX_BYTES
from mlops_ci.training.source_code import code_places

SHOWN = 5  # paths that a reason names

# what decides which packages, or which Python, run: in the project's folder or above it
_DEPENDENCIES = re.compile(
    r"requirements.*\.(txt|in)|constraints.*\.txt|environment.*\.ya?ml|pylock(\..+)?\.toml|(uv|poetry|pdm|pixi|conda)\.lock"
    r"|conda-lock\.ya?ml|Pipfile(\.lock)?|pyproject\.toml|pixi\.toml|setup\.(py|cfg)|\.python-version|\.tool-versions"
)
_WORKFLOW = re.compile(r"\.github/(workflows/[^/]+|actions/.+)\.ya?ml", re.DOTALL)
_BECAUSE = {"added": "is new", "changed": "changed", "deleted": "is gone"}


@dataclass
class Reasons:
    """Why what is touched is touched: by name of a model or dataset, in the order found."""

    everything: dict[str, None] = field(default_factory=dict)
    models: dict[str, dict[str, None]] = field(default_factory=dict)
    datasets: dict[str, dict[str, None]] = field(default_factory=dict)
    removed: dict[str, None] = field(default_factory=dict)


class Touching:
    """What changed paths touch in a project. Paths are those of the repository, whatever folder the project is in."""

    def __init__(self, project: Project, repo: Repository, changed: Sequence[Change], before: str) -> None:
        self._project, self._repo, self._before = project, repo, before
        self._top, self._root = repo.root.resolve(), project.context.root.resolve()
        folder = self._root.relative_to(self._top).as_posix()
        self._folder = "" if folder == "." else folder
        self._links = Links(self._top)
        self._changes = {change.path: change for change in changed}
        self._paths = sorted(self._changes)
        self._whole = [change for change in changed if change.whole]

    def reasons(self) -> Reasons:
        """Return what is touched, and why."""
        found = Reasons(everything=dict.fromkeys((*self._for_all(), *self._by_toolkit())))
        self._by_specs(found)
        for dataset in self._project.specs.datasets.values():
            _add(found.datasets, dataset.name, self._of_dataset(dataset))
        for model in self._project.specs.models.values():
            _add(found.models, model.name, self._of_model(model))
            for reason in found.datasets.get(model.spec.dataset, ()):
                _add(found.models, model.name, [f"dataset {model.spec.dataset}: {reason}"])
        return found

    # every model

    def _for_all(self) -> Iterator[str]:
        """Yield a reason for each file that decides with which packages, or from which bytes, models are made."""
        for path in self._paths:
            folder, _, name = path.rpartition("/")
            if (_DEPENDENCIES.fullmatch(name) and self._governs(folder)) or self._is_listed(folder, name):
                yield f"{self._said(path)}, by which packages are installed"
            if name == ".gitattributes" and (self._governs(folder) or self._inside(path) is not None):
                yield f"{self._said(path)}, by which git checks files out"

    def _by_toolkit(self) -> Iterator[str]:
        """Yield a reason for each file that asks for another version of the toolkit than before."""
        workflows = [path for path in self._paths if _WORKFLOW.fullmatch(path)]
        noxfiles = [
            path for path in self._paths if path.endswith("noxfile.py") and self._governs(posixpath.dirname(path))
        ]
        elsewhere = self._pinned_before() if workflows else frozenset()
        for path in (*workflows, *noxfiles):
            change = self._changes[path]
            then = versions(_text(self._old([change])[0])) or (elsewhere if path in workflows else frozenset())
            now = versions(_text(_content(self._top / path)))
            if now - then:
                yield f"{self._said(path)}, and now asks for mlops-ci {', '.join(sorted(now - then))}"

    def _is_listed(self, folder: str, name: str) -> bool:
        """Tell whether a file is one of a folder `requirements`, which are for the folder around it."""
        above, _, own = folder.rpartition("/")
        return own == "requirements" and name.endswith((".txt", ".in")) and self._governs(above)

    def _pinned_before(self) -> frozenset[str]:
        """Return every version of the toolkit that workflows asked for before."""
        then = self._repo.tree(self._before, ".github")
        oids = [oid for path, oid in then.items() if _WORKFLOW.fullmatch(f".github/{path}")]
        return frozenset(version for content in self._blobs(oids) for version in versions(_text(content)))

    def _governs(self, folder: str) -> bool:
        return folder == "" or f"{self._folder}/".startswith(f"{folder}/")

    # specs

    def _by_specs(self, found: Reasons) -> None:
        """Find the specs that say something else than before, by what they mean: comments and layout do not count."""
        files = [change for change in self._changes.values() if self._is_yaml(change.path)]
        then: dict[tuple[str, str], str] = {}
        for change, content in zip(files, self._old(files), strict=True):
            path = self._inside(change.path)
            for key, digest in digests(_shown(path), content) if path is not None and content is not None else ():
                then[key] = digest if key not in then else ""  # two of a name: neither was what counted
        specs = self._project.specs
        every: dict[tuple[str, str], Loaded[Any]] = {("Project", specs.project.name): specs.project}
        every |= {("Dataset", name): one for name, one in specs.datasets.items()}
        every |= {("Model", name): one for name, one in specs.models.items()}
        every |= {("Deployment", name): one for name, one in specs.deployments.items()}
        touched = {
            key for key, one in every.items() if then.get(key) != one.digest and self._changed(self._place(one.path))
        }
        for kind, name in sorted(touched):
            reason = f"its spec {'changed' if (kind, name) in then else 'is new'}: {every[kind, name].path}"
            match kind:
                case "Project":
                    found.everything[f"{every[kind, name].path}: the project's settings changed"] = None
                case "Dataset":
                    _add(found.datasets, name, [reason])
                case "Model":
                    _add(found.models, name, [reason])
        gone = sorted(key for key in then if key not in every and key[0] in ("Dataset", "Model"))
        found.removed |= {f"{kind} {name}": None for kind, name in gone}

    def _is_yaml(self, path: str) -> bool:
        return path.endswith((".yaml", ".yml")) and self._inside(path) is not None

    # datasets and models

    def _of_dataset(self, dataset: Loaded[DatasetSpec]) -> Iterator[str]:
        lock = f"{posixpath.dirname(self._place(dataset.path))}/{dataset.name}.lock".lstrip("/")
        yield from map(self._said, self._changed(lock))
        yield from self._of_data(dataset.spec.source.path, self._place(dataset.spec.source.path))
        held = dataset.spec.split.source
        if held is not None and held.path is not None:
            yield from self._of_data(held.path, self._place(held.path))

    def _of_data(self, written: str, pattern: str) -> Iterator[str]:
        """Yield what changed of the files that a source's path names, in words; and when git knows of no such file."""
        patterns = {pattern}
        folder = fixed_folder(pattern)
        links, real = self._links.follow(folder) if folder else (frozenset(), "")
        rest = pattern.removeprefix(folder)
        if real is not None:
            patterns.add(f"{real}{rest}".lstrip("/"))
        hit = {path for link in links for path in self._changed(link)}
        known = bool(hit)
        for one in patterns:
            hit |= {path for path in _below(self._paths, one) if reaches(one, path, whole=self._changes[path].whole)}
            hit |= {change.path for change in self._whole if reaches(one, change.path, whole=True)}
            for path in _below(self._tracked, one):
                if reaches(one, path, whole=path in self._modules):
                    known = True
                    if path in self._linked:
                        hit |= set(self._changed(path))
            known = known or any(reaches(one, module, whole=True) for module in self._modules)
        yield from self._few(sorted(hit))
        if not hit and not known:
            yield f"git has no file {_shown(written)}, so nothing tells whether these data changed"

    def _of_model(self, model: Loaded[ModelSpec]) -> Iterator[str]:
        spec = model.spec
        if spec.train.entrypoint is not None:
            yield from (f"{one}, and trains it" for one in self._few(self._of_code(spec.train.entrypoint)))
        for name, metric in spec.evaluate.custom.items():
            yield from (f"{one}, and is its metric {name}" for one in self._few(self._of_code(metric.entrypoint)))

    def _of_code(self, entrypoint: str) -> Sequence[str]:
        file = entrypoint.partition(":")[0]
        if file not in self._code:
            places = {place.relative_to(self._top).as_posix() for place in code_places(self._root, entrypoint)}
            places.add(self._place(file))
            every = {real for place in places for real in self._links.all_of(place)}
            hit = every & self._changes.keys()
            hit |= {one.path for one in self._whole if any(place.startswith(f"{one.path}/") for place in every)}
            self._code[file] = sorted(hit)
        return self._code[file]

    @cached_property
    def _code(self) -> dict[str, list[str]]:
        return {}

    # paths

    def _changed(self, path: str) -> tuple[str, ...]:
        """Return what changed of a path: itself, a link on its way, or what it leads to."""
        every = self._links.all_of(path)
        hit = every & self._changes.keys()
        return tuple(
            sorted(hit | {one.path for one in self._whole if any(f"{p}/".startswith(f"{one.path}/") for p in every)})
        )

    @cached_property
    def _index(self) -> Mapping[str, str]:
        return self._repo.tracked()

    @cached_property
    def _tracked(self) -> Sequence[str]:
        return sorted({*self._index, *(path for path, one in self._changes.items() if one.how != "deleted")})

    @cached_property
    def _modules(self) -> frozenset[str]:
        return frozenset(path for path, mode in self._index.items() if mode == "160000")

    @cached_property
    def _linked(self) -> frozenset[str]:
        return frozenset(path for path, mode in self._index.items() if mode == "120000")

    def _place(self, path: str) -> str:
        """Return a path of the project as one of the repository."""
        return posixpath.normpath(posixpath.join(self._folder, path))

    def _inside(self, path: str) -> str | None:
        """Return a path of the repository as one of the project; None where it is not in it."""
        if not self._folder:
            return path
        return path.removeprefix(f"{self._folder}/") if path.startswith(f"{self._folder}/") else None

    def _few(self, paths: Sequence[str]) -> Iterator[str]:
        yield from map(self._said, paths[:SHOWN])
        if len(paths) > SHOWN:
            yield f"{len(paths) - SHOWN:,} more files changed"

    def _said(self, path: str) -> str:
        inside = self._inside(path)
        shown = posixpath.relpath(path, self._folder or ".") if inside is None else inside
        return f"{_shown(shown)} {_BECAUSE[self._changes[path].how]}"

    def _old(self, changed: Sequence[Change]) -> list[bytes | None]:
        """Return what each path was before; None where it was no file, or a larger one than is read."""
        contents = iter(self._blobs([change.old for change in changed if change.old is not None]))
        return [next(contents) if change.old is not None else None for change in changed]

    def _blobs(self, oids: Sequence[str]) -> list[bytes | None]:
        sizes = self._repo.look_up(oids) if oids else ()
        small = [one.oid for one in sizes if one is not None and one.size <= MAX_BYTES]
        read = dict(zip(small, self._repo.read_many(small), strict=True))
        return [read.get(oid) for oid in oids]


def _add(table: dict[str, dict[str, None]], name: str, reasons: Iterable[str]) -> None:
    for reason in reasons:
        table.setdefault(name, {})[reason] = None


def _below(paths: Sequence[str], pattern: str) -> Sequence[str]:
    """Return those of sorted paths that a pattern can name, by the folder that it starts with."""
    folder = fixed_folder(pattern)
    if not folder:
        return paths
    start, end = bisect.bisect_left(paths, f"{folder}/"), bisect.bisect_left(paths, f"{folder}0")  # `0` follows `/`
    return paths[start:end]


def _shown(path: str) -> str:
    return os.fsencode(path).decode("utf-8", "replace")


def _content(file: Path) -> bytes | None:
    try:
        with file.open("rb") as stream:
            return stream.read(MAX_BYTES)
    except OSError:
        return None


def _text(content: bytes | None) -> str:
    return (content or b"").decode("utf-8", "replace")
