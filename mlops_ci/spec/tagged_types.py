"""The places in specs whose fields depend on their `type`: built-in types and types of installed plugins.

A kind's schema lists the built-in types of such a place, each with its own file of fields. Installed packages are
searched only for a type that is not built in.
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
    """A place in specs of a kind whose fields depend on `type`.

    `pointer` leads to the fields in a document (`*`: each item of a list), `rules` to their part of the kind's schema.
    """

    group: Group
    pointer: Pointer
    rules: tuple[str, ...]


@dataclass(frozen=True)
class TypeUse:
    """A type that a spec uses, with its place and its pointer in the document."""

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
    """Return the built-in types of a place, in the schema's order."""
    return tuple(branch["if"]["properties"]["type"]["const"] for branch in schema_part(kind, place)["allOf"])


def schema_part(kind: str, place: TaggedPlace) -> Mapping[str, Any]:
    """Return the part of a kind's schema that describes the place."""
    part: Mapping[str, Any] = json_schema(kind)
    for name in place.rules:
        part = part[name]
    return part


def find_plugin_types(document: Document, kind: str) -> tuple[tuple[TypeUse, Plugin[Any]], ...]:
    """Return each use of a plugin's type, with the plugin. An unknown type is left out: the schema reports it.

    Raises EnvironmentProblem, at the type's place in the file, when a plugin cannot be used.
    """
    uses = []
    for use in _plugin_type_uses(document.data, kind):
        table: Mapping[str, Plugin[Any]] = {}
        try:
            uses.append((use, load(table, use.place.group, use.name)))
        except UsageProblem:
            continue  # schema validation reports an unknown type
        except EnvironmentProblem as problem:
            where = document.locate((*use.pointer, "type"))
            raise EnvironmentProblem([replace(one, location=where) for one in problem.diagnostics]) from problem
    return tuple(uses)


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
