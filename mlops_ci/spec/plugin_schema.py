"""A kind's schema with the types that packages add to it, for the documents that use them."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.core.plugins import Plugin
from mlops_ci.spec.schemas import json_schema
from mlops_ci.spec.tagged_types import TAGGED_PLACES, TaggedPlace, built_in_types

OTHER_FIELDS = "fieldsOfAnyType"  # an annotation of a type's fields: those that any type of the place has
_FRAGMENT_KEYWORDS = frozenset({"properties", "required", "title", "description", "anyOf", "oneOf", "allOf"})


@cache
def closed_schema(kind: str) -> Mapping[str, Any]:
    """Return a kind's schema in which every `type` is one of the built-in ones."""
    return extend_schema(kind, ())


def extend_schema(kind: str, plugins: Iterable[tuple[TaggedPlace, Plugin[Any]]]) -> Mapping[str, Any]:
    """Return a kind's schema in which every `type` is built in or one of the plugins'.

    Raises EnvironmentProblem `plugin-broken` for a plugin whose fragment of a schema cannot be merged.
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
        for one in every:  # a field of another type is spelt well, so that no other is suggested for it
            one[OTHER_FIELDS] = sorted({name for rules in every for name in rules["properties"]})
    return schema


def _plugin_branch(part: Mapping[str, Any], place: TaggedPlace, plugin: Plugin[Any]) -> Mapping[str, Any]:
    """Return the condition that holds a type's fields to its plugin's fragment, and closes them."""
    fields = plugin.schema.get("properties", {})
    common = dict.fromkeys(part["properties"], True)
    if wrong := [*(set(plugin.schema) - _FRAGMENT_KEYWORDS), *(set(fields) & set(common))]:
        raise EnvironmentProblem.of(
            "plugin-broken",
            f"the schema of the plugin '{plugin.name}' has {wrong[0]!r}, which cannot be merged into that of {place.group}",
            help="tell its author: mlops_ci.testing checks a plugin's schema",
        )
    rules = {
        "title": f"a {plugin.name} {place.group.partition('.')[2].removesuffix('s')}",
        **plugin.schema,
        "type": "object",
        "properties": {**common, **fields},
        "additionalProperties": False,
    }
    return {"if": {"required": ["type"], "properties": {"type": {"const": plugin.name}}}, "then": rules}
