"""The JSON Schema of a kind, extended by the types of installed plugins for the documents that use them."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.core.plugins import Plugin
from mlops_ci.spec.schemas import json_schema
from mlops_ci.spec.tagged_types import TAGGED_PLACES, TaggedPlace, built_in_types

OTHER_FIELDS = "fieldsOfAnyType"  # an annotation: the names of the fields of all types of a place
_FRAGMENT_KEYWORDS = frozenset({"properties", "required", "title", "description", "anyOf", "oneOf", "allOf"})


@cache
def closed_schema(kind: str) -> Mapping[str, Any]:
    """Return a kind's schema that accepts only the built-in types."""
    return extend_schema(kind, ())


def extend_schema(kind: str, plugins: Iterable[tuple[TaggedPlace, Plugin[Any]]]) -> Mapping[str, Any]:
    """Return a kind's schema that accepts the built-in types and the given plugins' types.

    Raises EnvironmentProblem `plugin-broken` for a plugin whose schema fragment cannot be merged.
    """
    offered = list(plugins)
    schema = copy.deepcopy(dict(json_schema(kind)))
    for place in TAGGED_PLACES.get(kind, ()):
        part: dict[str, Any] = schema
        for name in place.rules:
            part = part[name]
        here = {plugin.name: plugin for where, plugin in offered if where == place}
        wanted = {rule: value for rule, value in part["properties"]["type"].items() if rule == "description"}
        part["properties"]["type"] = {"enum": [*built_in_types(kind, place), *here], **wanted}
        part["allOf"] += [_plugin_branch(part, place, plugin) for plugin in here.values()]
        every = [branch["then"] for branch in part["allOf"]]
        for one in every:  # a field of another type is not a misspelling, so no similar name is suggested for it
            one[OTHER_FIELDS] = sorted({name for rules in every for name in rules["properties"]})
    return schema


def _plugin_branch(part: Mapping[str, Any], place: TaggedPlace, plugin: Plugin[Any]) -> Mapping[str, Any]:
    """Return the schema branch that applies the plugin's fragment to its type and rejects all other fields."""
    _require_valid(plugin, place)
    fields = plugin.schema.get("properties", {})
    common = dict.fromkeys(part["properties"], True)
    if wrong := [*(set(plugin.schema) - _FRAGMENT_KEYWORDS), *(set(fields) & set(common))]:
        raise EnvironmentProblem.of(
            "plugin-broken",
            f"the schema of the plugin '{plugin.name}' has {wrong[0]!r}, which cannot be merged into the schema of "
            f"{place.group}",
            help="report this to the plugin's author: mlops_ci.testing checks a plugin's schema",
        )
    rules = {
        "title": f"a {plugin.name} {place.group.partition('.')[2].removesuffix('s')}",
        **plugin.schema,
        "type": "object",
        "properties": {**common, **fields},
        "additionalProperties": False,
    }
    return {"if": {"required": ["type"], "properties": {"type": {"const": plugin.name}}}, "then": rules}


def _require_valid(plugin: Plugin[Any], place: TaggedPlace) -> None:
    from jsonschema import Draft202012Validator, SchemaError  # 0.1 s, which specs without plugins do not wait for

    try:
        Draft202012Validator.check_schema({"type": "object", **plugin.schema})
    except SchemaError as error:
        raise EnvironmentProblem.of(
            "plugin-broken",
            f"the schema of the plugin '{plugin.name}' is no JSON Schema for {place.group}: {error.message}",
            help="report this to the plugin's author: mlops_ci.testing checks a plugin's schema",
        ) from error
