"""GitHub's description of its API: which operation a request is, what is wrong with it, and objects that have all it demands."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

from openapi_schema_validator import OAS30ReadValidator, OAS30WriteValidator, oas30_format_checker
from referencing import Registry
from referencing.jsonschema import DRAFT4

DOCUMENT: dict[str, Any] = json.loads(Path(__file__).with_name("openapi.json").read_bytes())
_URI = "urn:github"
_REGISTRY: Registry[Any] = Registry().with_resource(_URI, DRAFT4.create_resource(DOCUMENT))
_ROOT = "/repos/{owner}/{repo}"
_ERROR = {"$ref": f"{_URI}#/components/schemas/basic-error"}
_WHEN = "2026-11-22T19:00:00Z"


@dataclass(frozen=True)
class Operation:
    """An operation: `name` is its method and its path below the repository, `path` what the path's parameters are."""

    name: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    template: str
    method: str


def operation(method: str, target: str) -> Operation | None:
    """Return which operation a request's target means; None where GitHub's description, as it was cut, has none."""
    path, _, query = target.partition("?")
    for template in sorted(DOCUMENT["paths"], key=lambda one: (one.count("{"), -len(one))):
        found = re.fullmatch(_pattern(template), path)
        if found and method.lower() in DOCUMENT["paths"][template]:
            given = {name: unquote(value) for name, value in found.groupdict().items()}
            name = f"{method} {template.removeprefix(_ROOT)}"
            return Operation(name, given, dict(parse_qsl(query, keep_blank_values=True)), template, method.lower())
    return None


def _pattern(template: str) -> str:
    slashes = template.endswith("/git/ref/{ref}")  # a ref's name has some
    return re.sub(
        r"\\{(\w+)\\}",
        lambda name: f"(?P<{name[1]}>{'.+' if slashes and name[1] == 'ref' else '[^/]+'})",
        re.escape(template),
    )


def wrong_in_request(made: Operation, body: Any) -> list[str]:
    """Say what GitHub's description finds wrong in a request: its parameters, and its body (None: it has none)."""
    parameters = {(one["in"], one["name"]): one for one in _parameters(made)}
    found = []
    for place, values in (("path", made.path), ("query", made.query)):
        for name, text in values.items():
            described = parameters.get((place, name))
            if described is None:
                found.append(f"{made.name}: no such parameter: {name}")
            else:
                value = _typed(text, _resolved(described["schema"]))
                found += _errors(f"{made.name}: {name}", value, described["schema"], OAS30WriteValidator)
    for (place, name), described in parameters.items():
        given = {"path": made.path, "query": made.query}.get(place, {})
        if described.get("required") and name not in given:
            found.append(f"{made.name}: {name} is missing")
    return found + list(_wrong_body(made, body))


def _wrong_body(made: Operation, body: Any) -> Iterator[str]:
    described = _described(made).get("requestBody")
    if described is None:
        if body is not None:
            yield f"{made.name}: takes no body"
        return
    if body is None:
        if described.get("required"):
            yield f"{made.name}: needs a body"
        return
    if "application/json" not in described["content"]:  # a file
        if not isinstance(body, bytes):
            yield f"{made.name}: takes a file"
        return
    pointer = _pointer(made, "requestBody", "content", "application/json", "schema")
    yield from _errors(made.name, body, {"$ref": pointer}, OAS30WriteValidator)
    known = _resolved(described["content"]["application/json"]["schema"]).get("properties", {})
    yield from (
        f"{made.name}: no such field: {name}" for name in body if isinstance(body, dict) and known and name not in known
    )


def wrong_in_answer(made: Operation, status: int, body: Any) -> list[str]:
    """Say what GitHub's description finds wrong in an answer. It does not list every error that GitHub answers with."""
    described = _described(made)["responses"].get(str(status))
    if described is None:
        if status < 400:
            return [f"{made.name}: no such answer: {status}"]
        return _errors(f"{made.name} {status}", body, _ERROR, OAS30ReadValidator)
    content = _resolved(described).get("content")
    if content is None and status >= 400:
        return [] if body is None else _errors(f"{made.name} {status}", body, _ERROR, OAS30ReadValidator)
    if content is None:
        return [] if body is None else [f"{made.name} {status}: has no body"]
    schema = content["application/json"]["schema"]
    inline = {"$ref": _pointer(made, "responses", str(status), "content", "application/json", "schema")}
    schema = _absolute(schema) if "$ref" in schema or "$ref" in described else inline
    return _errors(f"{made.name} {status}", body, schema, OAS30ReadValidator)


def sample(schema: str, /, **values: Any) -> dict[str, Any]:
    """Return an object of the description's schema that has all it requires, with some values of one's own."""
    return {**_sample({"$ref": f"#/components/schemas/{schema}"}, here=True), **values}


def _sample(schema: Mapping[str, Any], *, here: bool = False) -> Any:
    schema = _resolved(schema)
    if schema.get("nullable") and not here:
        return None
    if "enum" in schema:
        return schema["enum"][0]
    for choice in ("oneOf", "anyOf"):
        if choice in schema and "properties" not in schema:
            return _sample(schema[choice][0])
    if "allOf" in schema:
        return {name: value for part in schema["allOf"] for name, value in _sample(part).items()}
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if kind == "object":
        properties = schema.get("properties", {})
        return {name: _sample(properties.get(name, {})) for name in schema.get("required", ())}
    if kind == "string":
        return {"date-time": _WHEN, "uri": "https://example.org", "email": "ada@example.org"}.get(
            schema.get("format", ""), "text"
        )
    return {"integer": 1, "number": 1, "boolean": False, "array": []}[kind]


def _errors(where: str, value: Any, schema: Any, validator: Any) -> list[str]:
    checker = validator(_absolute(schema), registry=_REGISTRY, format_checker=oas30_format_checker)
    return [
        f"{where}: {'/'.join(map(str, error.absolute_path))}: {error.message[:200]}"
        for error in checker.iter_errors(value)
    ]


def _described(made: Operation) -> Any:
    return DOCUMENT["paths"][made.template][made.method]


def _parameters(made: Operation) -> list[Any]:
    shared = DOCUMENT["paths"][made.template].get("parameters", [])
    return [_resolved(one) for one in (*shared, *_described(made).get("parameters", []))]


def _pointer(made: Operation, *parts: str) -> str:
    escaped = [part.replace("~", "~0").replace("/", "~1") for part in ("paths", made.template, made.method, *parts)]
    return f"{_URI}#/{'/'.join(escaped)}"


def _absolute(schema: Any) -> Any:
    reference = schema.get("$ref", "")
    return {"$ref": f"{_URI}{reference}"} if reference.startswith("#") else schema


@functools.cache
def _component(reference: str) -> Any:
    found: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def _resolved(described: Any) -> Any:
    while "$ref" in described:
        described = _component(described["$ref"])
    return described


def _typed(text: str, schema: Mapping[str, Any]) -> Any:
    kind = schema.get("type")
    if kind == "integer" and re.fullmatch(r"-?\d+", text):
        return int(text)
    if kind == "boolean" and text in ("true", "false"):
        return text == "true"
    if "oneOf" in schema and re.fullmatch(r"\d+", text):
        return int(text)
    return text
