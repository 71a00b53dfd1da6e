"""A plugin whose author made a mistake is named; the mistake is never taken for a bug of the toolkit."""

from __future__ import annotations

from typing import Any

import pytest

from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.core.plugins import NoOptions, Plugin
from mlops_ci.data.check_types import installed_checks
from mlops_ci.data.sources.table import open_source
from mlops_ci.deployment.targets.table import open_target
from mlops_ci.spec.plugin_schema import extend_schema
from mlops_ci.spec.spec_types import DatasetSpec, PluginCheck, PluginSource, PluginTarget
from mlops_ci.spec.tagged_types import TAGGED_PLACES


@pytest.mark.parametrize("schema", [{"properties": 3}, {"required": "a"}, {"properties": {"a": {"type": "text"}}}])
def test_a_schema_that_is_no_json_schema_names_its_plugin(schema: dict[str, Any]) -> None:
    place = TAGGED_PLACES["Dataset"][0]
    with pytest.raises(EnvironmentProblem) as caught:
        extend_schema("Dataset", [(place, Plugin("odd", lambda options: options, schema=schema))])
    (found,) = caught.value.diagnostics
    assert found.id == "plugin-broken"
    assert f"the schema of the plugin 'odd' is no JSON Schema for {place.group}: " in found.message


def makes_none(*_: object) -> Plugin[Any]:
    return Plugin("odd", lambda _: None)


def test_a_check_that_is_none_names_its_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlops_ci.core.plugins.load", makes_none)
    spec = DatasetSpec(PluginSource("odd", NoOptions()), checks=(PluginCheck("odd", NoOptions()),))
    with pytest.raises(EnvironmentProblem) as caught:
        list(installed_checks(spec))
    assert caught.value.diagnostics[0].message.endswith(
        "its `make` returned a value of type NoneType, which is no DataCheck"
    )


def test_a_target_that_is_none_names_its_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlops_ci.core.plugins.load", makes_none)
    with pytest.raises(EnvironmentProblem) as caught:
        open_target(PluginTarget("odd", NoOptions()))
    assert caught.value.diagnostics[0].message.endswith(
        "its `make` returned a value of type NoneType, which is no Target"
    )


def test_a_source_that_is_none_names_its_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlops_ci.core.plugins.load", makes_none)
    with pytest.raises(EnvironmentProblem) as caught:
        open_source(PluginSource("odd", NoOptions()))
    assert caught.value.diagnostics[0].message.endswith(
        "its `make` returned a value of type NoneType, which is no Source"
    )
