"""The reviewed types: those that a model file may contain without an entry in a spec, and the nodes that may create each.

skops can create an object in several ways: by `__new__` and attributes (`ObjectNode`), by a call of the class with
arguments from the file (`ConstructorFromReduceNode`), and so on. A review of one way says nothing about another. The list
in `trusted_types.json` therefore names the ways. docs/trust.md says what was reviewed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_name("trusted_types.json")
# packages that the toolkit does not install, so that a repository could hold a package of that name
_OPTIONAL_PACKAGES = frozenset({"imblearn", "lightgbm", "xgboost"})


@dataclass(frozen=True)
class ReviewedTypes:
    """The list: the versions of the libraries that it was made for, the nodes that may create each type, and reasons.

    `reasons` says why some types that models often contain are not on the list.
    """

    versions: Mapping[str, str]
    nodes: Mapping[str, frozenset[str]]
    reasons: Mapping[str, str]


@cache
def read_reviewed_types() -> ReviewedTypes:
    """Return the list."""
    data = json.loads(_FILE.read_text(encoding="utf-8"))
    nodes = {name: frozenset(kinds) for name, kinds in data["types"].items()}
    return ReviewedTypes(data["reviewedFor"], nodes, data["notReviewed"])


def types_for(types: Collection[str], estimator: str | None, folders: Sequence[str]) -> tuple[str, ...]:
    """Return those of the reviewed types that a model may contain without an entry in its spec.

    An estimator by name contains no types of another package that the toolkit does not install. An entrypoint's model may
    contain all, but none of a package that `folders`, from which its code is imported, can define: own code is never
    reviewed here.
    """
    named = (estimator or "").partition(".")[0]
    allowed = {
        package
        for package in _OPTIONAL_PACKAGES
        if package == named or (estimator is None and not _is_defined_in(folders, package))
    }
    packages = {name: name.partition(".")[0] for name in types}
    return tuple(name for name, package in packages.items() if package not in _OPTIONAL_PACKAGES - allowed)


def _is_defined_in(folders: Sequence[str], package: str) -> bool:
    """Return whether a folder holds a module or a package of this name, in whatever spelling a file system takes for it."""
    for folder in map(Path, folders):
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.name.partition(".")[0].casefold() == package:
                return True
    return False


def require_reviewed_nodes(schema: Any) -> None:
    """Raise ValueError when a file (its parsed `schema.json`) creates a reviewed type in a way that was not reviewed."""
    reviewed = read_reviewed_types().nodes
    for name, node in _created_types(schema):
        if name in reviewed and node not in reviewed[name]:
            raise ValueError(f"it creates {name} by a {node:.50}, which is not how skops writes it")


def _created_types(schema: Any) -> Iterator[tuple[str, str]]:
    """Yield the type and the node of everything that a file creates."""
    waiting = [schema]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if "__loader__" in value:
                yield f"{value.get('__module__')}.{value.get('__class__')}", str(value["__loader__"])
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
