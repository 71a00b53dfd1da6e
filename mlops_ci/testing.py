"""Conformance checks for the tests of a plugin's author. Each function raises AssertionError with the fault."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlops_ci.core.codec import decode, to_camel_case
from mlops_ci.core.digest import digest_file
from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.core.plugins import GROUPS, Group, Plugin
from mlops_ci.data.check_types import CHECK_TYPES, CheckAnswer, DataCheck
from mlops_ci.data.sources.protocol import Source
from mlops_ci.data.sources.table import SOURCES
from mlops_ci.deployment.targets.protocol import DeploymentRequest, Target
from mlops_ci.deployment.targets.table import TARGETS
from mlops_ci.evaluation.stats.metric_table import METRICS, Metric
from mlops_ci.spec.plugin_schema import extend_schema
from mlops_ci.spec.tagged_types import TAGGED_PLACES
from mlops_ci.spec.validation.fast_check import compile_schema
from mlops_ci.training.predictions import Predictions, Truth

__all__ = ["check_data_check", "check_metric", "check_options", "check_source", "check_target"]

_BUILT_IN: Mapping[Group, Iterable[str]] = {
    "mlops_ci.sources": SOURCES,
    "mlops_ci.targets": TARGETS,
    "mlops_ci.checks": CHECK_TYPES,
    "mlops_ci.metrics": METRICS,
}


def check_options(plugin: Plugin[Any], group: Group) -> None:
    """Check that a plugin's options and schema have the same fields, and that no built-in type has its name."""
    assert group in GROUPS, f"there is no group {group}"
    assert isinstance(plugin, Plugin), f"{plugin!r} is not an mlops_ci.core.plugins.Plugin"
    assert plugin.name not in _BUILT_IN.get(group, ()), (
        f"mlops-ci has a built-in type '{plugin.name}', so your plugin is never used: choose another name"
    )
    assert dataclasses.is_dataclass(plugin.options), f"the options of '{plugin.name}' are not a dataclass"
    frozen = plugin.options.__dataclass_params__.frozen  # type: ignore[attr-defined] # every dataclass has them
    assert frozen, f"the options of '{plugin.name}' are not a frozen dataclass"
    fields = {to_camel_case(field.name): field for field in dataclasses.fields(plugin.options)}
    described = plugin.schema.get("properties", {})
    assert set(described) == set(fields), (
        f"the schema of '{plugin.name}' has the fields {sorted(described)}, but its options have {sorted(fields)}"
    )
    needed = {
        name
        for name, field in fields.items()
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    required = set(plugin.schema.get("required", ()))
    assert needed <= required, (
        f"the schema does not require these options, but they have no default: {sorted(needed - required)}"
    )
    places = [(kind, place) for kind, all in TAGGED_PLACES.items() for place in all if place.group == group]
    for kind, place in places:
        try:
            schema = extend_schema(kind, [(place, plugin)])
            compile_schema(schema, schema)
        except (EnvironmentProblem, ValueError, KeyError) as error:
            raise AssertionError(f"the schema of '{plugin.name}' cannot be merged: {error}") from error


def check_source(plugin: Plugin[Source], fields: Mapping[str, Any], root: Path) -> None:
    """Check a source with the option `fields` of a spec; the source's files are in the project at `root`."""
    check_options(plugin, "mlops_ci.sources")
    source = plugin.make(decode(plugin.options, fields))
    assert isinstance(source, Source), f"`make` of '{plugin.name}' does not return a Source"
    files = source.resolve(root)
    assert files, "resolve returns no files"
    assert files == source.resolve(root), "two calls of resolve return different files"
    assert [file.path for file in files] == sorted(file.path for file in files), "the files are not sorted by path"
    for file in files:
        path = root / file.path
        assert path.resolve().is_relative_to(root.resolve()), f"'{file.path}' is outside the repository"
        assert path.is_file(), f"'{file.path}' is not a file in the repository"
        assert digest_file(path) == file.sha256, f"the digest of '{file.path}' does not match its content"
        assert source.touches(file.path), f"touches returns False for '{file.path}', but resolve returns this file"
    contents = []
    for _ in range(2):
        with tempfile.TemporaryDirectory() as folder:
            local = source.fetch(root, files, Path(folder))
            assert local.files, "fetch returns no files"
            places = [(local.root / file.path).resolve() for file in local.files]
            inside = [
                path.is_relative_to(Path(folder).resolve()) or path.is_relative_to(root.resolve()) for path in places
            ]
            assert all(inside), "fetch returns files that are neither in its folder nor in the repository"
            contents.append([digest_file(path) for path in places])
    assert contents[0] == contents[1], "two calls of fetch return different bytes"


def check_data_check(plugin: Plugin[DataCheck], fields: Mapping[str, Any], rows: Any, *, passes: bool) -> None:
    """Check a data check with the option `fields` of a spec, on a lazy Narwhals frame; `passes` is the expected result."""
    check_options(plugin, "mlops_ci.checks")
    made = plugin.make(decode(plugin.options, fields))
    assert isinstance(made, DataCheck), f"`make` of '{plugin.name}' does not return a DataCheck"
    assert made.expectation, f"the `expectation` of '{plugin.name}' is empty"
    answer = made.evaluate(rows)
    assert isinstance(answer, CheckAnswer), f"evaluate of '{plugin.name}' does not return a CheckAnswer"
    assert answer == made.evaluate(rows), f"two calls of evaluate of '{plugin.name}' return different answers"
    assert type(answer.passed) is bool, (
        f"`passed` in the answer of '{plugin.name}' is {answer.passed!r}, not True or False"
    )
    assert answer.passed is passes, (
        f"`passed` in the answer of '{plugin.name}' is {answer.passed}, which was not expected: {answer.observed}"
    )


def check_target(plugin: Plugin[Target], request: DeploymentRequest) -> None:
    """Check a target with a deployment request that has the target's options."""
    check_options(plugin, "mlops_ci.targets")
    unknown = set(plugin.reads) - {"replicas", "resources", "rollout"}
    assert not unknown, f"`reads` of '{plugin.name}' names fields that a Deployment does not have: {sorted(unknown)}"
    target = plugin.make(getattr(request.deployment.target, "options", None))
    assert isinstance(target, Target), f"`make` of '{plugin.name}' does not return a Target"
    target.validate(request)
    files = target.plan(request)
    assert files, f"plan of '{plugin.name}' returns no files"
    assert dict(files) == dict(target.plan(request)), f"two calls of plan of '{plugin.name}' return different files"
    for path, content in files.items():
        assert isinstance(content, bytes), f"the content of '{path}' is not of type bytes"
        assert not path.startswith(("/", ".")), f"'{path}' must not start with '/' or '.'"
        assert ".." not in path.split("/"), f"'{path}' is outside the deployment's folder"


def check_metric(metric: Metric, truth: Truth, predictions: Predictions) -> None:
    """Check a metric on rows for which it is defined: a weight counts like a repeated row, and the influences add up to 0."""
    assert isinstance(metric, Metric), f"{metric!r} is not a Metric"
    assert metric.name not in METRICS, (
        f"mlops-ci has a built-in metric '{metric.name}', so your metric is never used: choose another name"
    )
    assert metric.definition.tasks, f"'{metric.name}' names no task"
    assert (metric.rows is None) != (metric.weighted is None), (
        f"'{metric.name}' must have exactly one of `rows` and `weighted`"
    )
    weighted = metric.factory()(truth, predictions)
    assert weighted is not None, f"'{metric.name}' has no value on these rows"
    ones = np.ones((2, len(truth)))
    values = weighted(ones)
    assert values.shape == (2,), (
        f"'{metric.name}' returns an array of shape {values.shape} for two weight vectors, not of shape (2,)"
    )
    assert np.isfinite(values).all(), f"'{metric.name}' is not finite on these rows"
    assert values[0] == values[1], f"'{metric.name}' gives two different values for equal weights"
    assert np.allclose(weighted(3 * ones), values), (
        f"'{metric.name}' changes when all weights are multiplied by the same number"
    )
    both = np.tile(np.arange(len(truth)), 2)
    repeated = metric.factory()(truth.select_rows(both), predictions.select_rows(both))
    assert repeated is not None, f"'{metric.name}' has no value when every row is repeated"
    assert np.allclose(repeated(np.ones((1, len(both)))), values[0]), (
        f"'{metric.name}' changes when every row is repeated"
    )
    if metric.influence is not None:
        moves = metric.influence(truth, predictions)
        assert moves.shape == (len(truth),), f"the influence of '{metric.name}' must have one number for each row"
        assert abs(float(moves.sum())) < 1e-6, f"the influences of '{metric.name}' do not add up to 0"
    if metric.definition.range == "share":
        assert 0 <= values[0] <= 1, f"'{metric.name}' is {values[0]}, but it must be between 0 and 1"
