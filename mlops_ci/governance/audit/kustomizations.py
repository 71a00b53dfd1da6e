"""Audit of what stands above the manifests: a kustomization of the branch that changes them changes what a cluster runs."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.repository.branch_specs import BranchTip
from mlops_ci.repository.git import Repository
from mlops_ci.spec.yaml import document
from mlops_ci.spec.yaml.nodes import SyntaxProblem

_FILES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_INCLUDES = ("resources", "bases", "components")


@dataclass(frozen=True)
class _Resource:
    """An object of our manifests, and the images of its containers, without tags."""

    kind: str
    name: str
    images: tuple[str, ...]


class KustomizationReader:
    """The kustomizations of a branch, each parsed once."""

    def __init__(self, repo: Repository, tip: BranchTip) -> None:
        self._repo, self._tip = repo, tip
        places = (path for path in tip.files if posixpath.basename(path) in _FILES)
        self._paths = {posixpath.dirname(path): path for path in places}
        self._known: dict[str, tuple[Any, ...]] = {}

    def breaks(self, folder: str, event: str) -> Iterator[Diagnostic]:
        """Yield the kustomizations that include a folder of manifests and change what it has."""
        ours = tuple(self._resources(folder))
        for place, path in sorted(self._paths.items()):
            if f"{place}/".startswith(f"{folder}/") or not self._includes(place, folder, frozenset()):
                continue
            spec = next(iter(self._documents(path)), None)
            fields = [
                name
                for name, touches in _CHANGES.items()
                if isinstance(spec, dict) and any(touches(self, place, item, ours) for item in _items(spec.get(name)))
            ]
            if fields:
                is_above = f"{folder}/".startswith(f"{place}/" if place else "")
                yield Diagnostic(
                    "audit-manifest-patched",
                    f"{path} on branch '{self._tip.name}' changes the manifests that {event} wrote, by its {', '.join(fields)}",
                    help="what a cluster runs is then not what was approved: make the change in the Deployment spec, and deploy again",
                    severity="error" if is_above else "warning",
                    about=f"{self._tip.name}:{path}",
                )

    def _includes(self, place: str, folder: str, seen: frozenset[str]) -> bool:
        """Return whether the kustomization in a folder takes in another one, or files of it, directly or by others."""
        spec = next(iter(self._documents(self._paths[place])), None)
        if not isinstance(spec, dict) or place in seen:
            return False
        for item in (item for name in _INCLUDES for item in _items(spec.get(name)) if isinstance(item, str)):
            path = posixpath.normpath(posixpath.join(place, item))
            if path == folder or path.startswith(f"{folder}/"):
                return True
            if path in self._paths and self._includes(path, folder, seen | {place}):
                return True
        return False

    def _resources(self, folder: str) -> Iterator[_Resource]:
        for path in self._tip.files:
            if path.startswith(f"{folder}/") and path.endswith((".yaml", ".yml")):
                for one in self._documents(path):
                    if isinstance(one, dict) and isinstance(one.get("metadata"), dict):
                        images = tuple(re.sub(r"[:@][^/]*$", "", image) for image in _images(one))
                        yield _Resource(str(one.get("kind")), str(one["metadata"].get("name")), images)

    def documents_of_patch(self, place: str, text: str) -> tuple[Any, ...]:
        """Return what a patch consists of: the text itself, or the file of the branch that it names."""
        path = posixpath.normpath(posixpath.join(place, text)) if "\n" not in text else ""
        if path in self._tip.files:
            return self._documents(path)
        return _parse(text.encode())

    def _documents(self, path: str) -> tuple[Any, ...]:
        if path not in self._known:
            self._known[path] = _parse(self._repo.read_blob(self._tip.files[path]) or b"")
        return self._known[path]


def _parse(content: bytes) -> tuple[Any, ...]:
    try:
        return tuple(one.data for one in document.read_documents("", content))
    except SyntaxProblem:
        return ()


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _images(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("image"), str):
            yield value["image"]
        value = list(value.values())
    for item in value if isinstance(value, list) else ():
        yield from _images(item)


_Ours = tuple[_Resource, ...]


def _matches(target: Any, ours: _Ours) -> bool:
    """Return whether a selector of kustomize selects one of our objects: its kind and name are whole regular expressions.

    Where the manifests have no objects that can be read, it may be any.
    """
    if not isinstance(target, Mapping) or not ours:
        return True
    wanted = [(str(target[key]), key) for key in ("kind", "name") if target.get(key)]
    return any(all(_is_match(pattern, getattr(one, key)) for pattern, key in wanted) for one in ours)


def _is_match(pattern: str, text: str) -> bool:
    is_plain = (
        re.fullmatch(r"[\w.-]*", pattern) is not None
    )  # a pattern could be made to match for ever: it counts as a match
    return pattern == text or not is_plain or "." in pattern


def _is_patch_of_ours(reader: KustomizationReader, place: str, item: Any, ours: _Ours) -> bool:
    if isinstance(item, str):
        text = item
    elif isinstance(item, Mapping):
        if item.get("target"):
            return _matches(item["target"], ours)
        text = str(item.get("patch") or item.get("path") or "")
    else:
        return True
    found = [one for one in reader.documents_of_patch(place, text) if isinstance(one, Mapping)]
    named = [{"kind": one.get("kind"), "name": (one.get("metadata") or {}).get("name")} for one in found]
    return not named or any(_matches(one, ours) for one in named)


def _is_image_of_ours(_: KustomizationReader, __: str, item: Any, ours: _Ours) -> bool:
    return not isinstance(item, Mapping) or not ours or any(item.get("name") in one.images for one in ours)


def _is_count_of_ours(_: KustomizationReader, __: str, item: Any, ours: _Ours) -> bool:
    return not isinstance(item, Mapping) or not ours or any(item.get("name") == one.name for one in ours)


def _is_replacement_in_ours(_: KustomizationReader, __: str, item: Any, ours: _Ours) -> bool:
    targets = _items(item.get("targets")) if isinstance(item, Mapping) else []
    return not targets or any(not isinstance(one, Mapping) or _matches(one.get("select"), ours) for one in targets)


def _always(_: KustomizationReader, __: str, ___: Any, ____: _Ours) -> bool:
    return True


# the fields of a kustomization that change objects which it includes, and whether an item of it touches ours
_CHANGES: Mapping[str, Callable[[KustomizationReader, str, Any, _Ours], bool]] = {
    "patches": _is_patch_of_ours,
    "patchesStrategicMerge": _is_patch_of_ours,
    "patchesJson6902": _is_patch_of_ours,
    "images": _is_image_of_ours,
    "replicas": _is_count_of_ours,
    "replacements": _is_replacement_in_ours,
    "vars": _always,
    "transformers": _always,
    "components": _always,
}
