"""The places of specs whose fields depend on their `type`: built-in types, and those that installed packages offer.

A kind's schema names the built-in types of such a place, one file of fields each. Packages are asked only about a type
that is not among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mlops_ci.core.errors import EnvironmentProblem, UsageProblem
from mlops_ci.core.plugins import Group, Plugin, load
from mlops_ci.spec.schemas import json_schema
from mlops_ci.spec.yaml.document import Document, Pointer


@dataclass(frozen=True)
class TaggedPlace:
    """A place in specs of a kind: `pointer` to its fields (`*`: each item of a list), `rules` to its part of the schema."""

    group: Group
    pointer: Pointer
    rules: tuple[str, ...]


@dataclass(frozen=True)
class TypeUse:
    """A type as a spec names it, and where."""

    place: TaggedPlace
    name: str
    pointer: Pointer


TAGGED_PLACES: Mapping[str, tuple[TaggedPlace, ...]] = {
    "Dataset": (
        TaggedPlace("mlops_ci.sources", ("spec", "source"), ("properties", "spec", "properties", "source")),
        TaggedPlace("mlops_ci.checks", ("spec", "checks", "*"), ("$defs", "check")),
    ),
    "Deployment": (
        TaggedPlace("mlops_ci.targets", ("spec", "target"), ("properties", "spec", "properties", "target")),
    ),
}


def built_in_types(kind: str, place: TaggedPlace) -> tuple[str, ...]:
    """Return the types that a place has without any package, in the schema's order."""
    return tuple(branch["if"]["properties"]["type"]["const"] for branch in schema_part(kind, place)["allOf"])


def schema_part(kind: str, place: TaggedPlace) -> Mapping[str, Any]:
    """Return a place's part of its kind's schema."""
    part: Mapping[str, Any] = json_schema(kind)
    for name in place.rules:
        part = part[name]
    return part


def find_plugin_types(document: Document, kind: str) -> tuple[tuple[TypeUse, Plugin[Any]], ...]:
    """Return each use of a type that a package offers, with its plugin; a type that nobody offers is left out.

    Raises EnvironmentProblem, at the type's place in the file, where a plugin cannot be used.
    """
    found = []
    for use in _plugin_type_uses(document.data, kind):
        table: Mapping[str, Plugin[Any]] = {}
        try:
            found.append((use, load(table, use.place.group, use.name)))
        except UsageProblem:
            continue  # the schema has words for a type that nobody knows
        except EnvironmentProblem as problem:
            where = document.locate((*use.pointer, "type"))
            raise EnvironmentProblem([replace(one, location=where) for one in problem.diagnostics]) from problem
    return tuple(found)


def _plugin_type_uses(data: Any, kind: str) -> Iterator[TypeUse]:
    for place in TAGGED_PLACES.get(kind, ()):
        known = built_in_types(kind, place)
        for pointer, value in _values_at(data, place.pointer, ()):
            name = value.get("type") if isinstance(value, dict) else None
            if isinstance(name, str) and name not in known:
                yield TypeUse(place, name, pointer)


def _values_at(data: Any, pointer: Pointer, at: Pointer) -> Iterator[tuple[Pointer, Any]]:
    if not pointer:
        yield at, data
    elif pointer[0] == "*":
        for index, item in enumerate(data if isinstance(data, list) else ()):
            yield from _values_at(item, pointer[1:], (*at, index))
    elif isinstance(data, dict) and pointer[0] in data:
        yield from _values_at(data[pointer[0]], pointer[1:], (*at, pointer[0]))
