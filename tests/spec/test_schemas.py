"""The schemas say what the dataclasses say: names, types' fields, what is required, and every default."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from jsonschema import Draft202012Validator

import mlops_ci
from mlops_ci.core.codec import encode, to_camel_case
from mlops_ci.spec.metrics import METRIC_DEFINITIONS, metric_names
from mlops_ci.spec.schemas import json_schema
from mlops_ci.spec.spec_types import SPEC_KINDS, Metadata


def resolved(rules: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = rules.get("$ref")
    found: Mapping[str, Any] = root["$defs"][reference.rpartition("/")[2]] if reference else rules
    return found


def inner(hint: Any) -> type | None:
    """The dataclass that a field's type holds, if any: T | None, tuple[T, ...], Mapping[str, T]."""
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return hint
    if get_origin(hint) in (Union, types.UnionType) or get_origin(hint) is not None:
        return next((found for found in map(inner, get_args(hint)) if found), None)
    return None


def with_types(rules: Mapping[str, Any]) -> Mapping[str, Any]:
    """The fields of every built-in type of a place, where they depend on its `type`; required are those of all types."""
    types = [branch["then"] for branch in rules.get("allOf", ()) if "$id" not in rules and "const" in str(branch["if"])]
    if not types:
        return rules
    assert all(one["additionalProperties"] is False for one in types)
    fields = {name: field for one in types for name, field in one["properties"].items() if field is not True}
    required = set.intersection(*(set(one["required"]) for one in types))
    properties = {**rules["properties"], **{name: field for name, field in fields.items() if name != "type"}}
    return {"properties": properties, "required": required, "additionalProperties": False}


def pairs(cls: type, rules: Mapping[str, Any], root: Mapping[str, Any]) -> Iterator[tuple[type, Mapping[str, Any]]]:
    """Every dataclass with the object of the schema that describes it."""
    yield cls, rules
    for name, hint in get_type_hints(cls).items():
        if held := inner(hint):
            field = resolved(rules["properties"][to_camel_case(name)], root)
            if field["type"] == "array":
                field = resolved(field["items"], root)
                field = next((one for one in field.get("anyOf", ()) if one.get("type") == "object"), field)
            elif get_origin(hint) is not None and issubclass(Mapping, get_origin(hint)):
                field = resolved(field["additionalProperties"], root)
            yield from pairs(held, with_types(field), root)


def described() -> Iterator[Any]:
    for kind, cls in SPEC_KINDS.items():
        root = json_schema(kind)
        for found, rules in pairs(cls, root["properties"]["spec"], root):
            yield pytest.param(found, rules, id=f"{kind}-{found.__name__}")
        yield pytest.param(Metadata, root["properties"]["metadata"], id=f"{kind}-Metadata")


@pytest.mark.parametrize(("cls", "rules"), list(described()))
def test_a_schema_has_exactly_the_fields_and_defaults_of_its_dataclass(cls: Any, rules: Mapping[str, Any]) -> None:
    properties = dict(rules["properties"])
    fields = {to_camel_case(field.name): field for field in dataclasses.fields(cls)}
    assert list(properties) == list(fields)
    assert rules["additionalProperties"] is False
    required = set()
    for name, field in fields.items():
        default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        if default is dataclasses.MISSING:
            required.add(name)
        elif default is not None and not dataclasses.is_dataclass(default):
            assert properties[name]["default"] == encode(default), name
            continue
        assert "default" not in properties[name], name
    assert set(rules.get("required", ())) == required


@pytest.mark.parametrize("kind", SPEC_KINDS)
def test_a_schema_is_valid_names_itself_and_describes_every_field(kind: str) -> None:
    rules = json_schema(kind)
    Draft202012Validator.check_schema(rules)
    place = f"schemas/v1/{kind.lower()}.schema.json"
    assert rules["$id"] == f"https://raw.githubusercontent.com/mlops-ci/mlops-ci/v1/{place}"
    assert rules["title"] == kind
    for name, field in fields_of(rules):
        assert field["description"].endswith("."), name


def fields_of(rules: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every field that a schema defines, not those that its conditions only mention."""
    for name, field in rules.get("properties", {}).items():
        if "$ref" not in field:
            yield name, field
            yield from fields_of(field)
    for definition in rules.get("$defs", {}).values():
        yield from fields_of(definition)


@pytest.mark.parametrize("kind", SPEC_KINDS)
def test_the_example_of_a_schema_is_valid(kind: str) -> None:
    validator = Draft202012Validator(json_schema(kind))
    assert all(validator.is_valid(example) for example in json_schema(kind)["examples"])


def test_each_task_has_its_metrics_and_those_of_operation() -> None:
    assert metric_names("regression") == (
        *("mae", "rmse", "r2", "mape", "pinball-loss", "quantile-coverage"),
        *("latency-p50-ms", "latency-p95-ms", "batch-latency-p50-ms", "batch-latency-p95-ms"),
        *("peak-memory-mb", "model-size-mb", "training-seconds", "training-cost"),
    )
    assert metric_names("multiclass-classification", include_operational=False) == (
        "accuracy",
        "balanced-accuracy",
        "f1-macro",
        "auc-ovr",
        "top-k-accuracy",
        "log-loss",
        "cost",
    )
    assert "equalized-odds-difference" not in metric_names("binary-classification", include_group_metrics=False)
    assert not any(metric.higher_is_better for metric in METRIC_DEFINITIONS.values() if metric.is_operational)


def test_the_schemas_are_found_in_a_wheel_too(tmp_path: Path) -> None:
    """Given the package laid out as the wheel has it, with the schemas inside and none beside it."""
    package = Path(mlops_ci.__file__).parent
    for room in ("core", "spec"):
        shutil.copytree(package / room, tmp_path / "mlops_ci" / room)
    shutil.copy(package / "__init__.py", tmp_path / "mlops_ci")
    shutil.copytree(package.parent / "schemas", tmp_path / "mlops_ci" / "schemas")
    script = "from mlops_ci.spec.schemas import json_schema, schema_file; print(json_schema('Model')['title'], schema_file('Model'))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(tmp_path)},
    )
    assert done.stdout.strip() == f"Model {tmp_path / 'mlops_ci' / 'schemas' / 'v1' / 'model.schema.json'}"
