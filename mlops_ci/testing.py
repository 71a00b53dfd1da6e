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
    assert isinstance(plugin, Plugin), f"{plugin!r} is no mlops_ci.core.plugins.Plugin"
    assert plugin.name not in _BUILT_IN.get(group, ()), f"'{plugin.name}' is built in, so that yours is never used"
    assert dataclasses.is_dataclass(plugin.options), f"the options of '{plugin.name}' are no dataclass"
    frozen = plugin.options.__dataclass_params__.frozen  # type: ignore[attr-defined] # every dataclass has them
    assert frozen, f"the options of '{plugin.name}' are not frozen"
    fields = {to_camel_case(field.name): field for field in dataclasses.fields(plugin.options)}
    described = plugin.schema.get("properties", {})
    assert set(described) == set(fields), (
        f"the schema of '{plugin.name}' has {sorted(described)}, its options {sorted(fields)}"
    )
    needed = {
        name
        for name, field in fields.items()
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    required = set(plugin.schema.get("required", ()))
    assert needed <= required, f"options without a default are not required: {sorted(needed - required)}"
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
    assert isinstance(source, Source), f"'{plugin.name}' makes no Source"
    files = source.resolve(root)
    assert files, "resolve names no files"
    assert files == source.resolve(root), "resolve does not give the same files twice"
    assert [file.path for file in files] == sorted(file.path for file in files), "the files are not sorted by path"
    for file in files:
        path = root / file.path
        assert path.resolve().is_relative_to(root.resolve()), f"'{file.path}' leads out of the repository"
        assert path.is_file(), f"'{file.path}' is no file of the repository"
        assert digest_file(path) == file.sha256, f"the digest of '{file.path}' is not that of its content"
        assert source.touches(file.path), f"touches says no to '{file.path}', which resolve names"
    contents = []
    for _ in range(2):
        with tempfile.TemporaryDirectory() as folder:
            local = source.fetch(root, files, Path(folder))
            assert local.files, "fetch gives no files"
            places = [(local.root / file.path).resolve() for file in local.files]
            inside = [
                path.is_relative_to(Path(folder).resolve()) or path.is_relative_to(root.resolve()) for path in places
            ]
            assert all(inside), "fetch gives files outside of its folder and the repository"
            contents.append([digest_file(path) for path in places])
    assert contents[0] == contents[1], "fetch does not give the same bytes twice"


def check_data_check(plugin: Plugin[DataCheck], fields: Mapping[str, Any], rows: Any, *, passes: bool) -> None:
    """Check a data check with the option `fields` of a spec, on a lazy Narwhals frame; `passes` is the expected result."""
    check_options(plugin, "mlops_ci.checks")
    made = plugin.make(decode(plugin.options, fields))
    assert isinstance(made, DataCheck), f"'{plugin.name}' makes no DataCheck"
    assert made.expectation, f"'{plugin.name}' does not say what it wants"
    answer = made.evaluate(rows)
    assert isinstance(answer, CheckAnswer), f"'{plugin.name}' gives no CheckAnswer"
    assert answer == made.evaluate(rows), f"'{plugin.name}' does not give the same answer twice"
    assert type(answer.passed) is bool, f"'{plugin.name}' answers {answer.passed!r}, not True or False"
    assert answer.passed is passes, f"'{plugin.name}' says {answer.passed}: {answer.observed}"


def check_target(plugin: Plugin[Target], request: DeploymentRequest) -> None:
    """Check a target with a deployment request that has the target's options."""
    check_options(plugin, "mlops_ci.targets")
    unknown = set(plugin.reads) - {"replicas", "resources", "rollout"}
    assert not unknown, f"'{plugin.name}' reads fields that no Deployment has: {sorted(unknown)}"
    target = plugin.make(getattr(request.deployment.target, "options", None))
    assert isinstance(target, Target), f"'{plugin.name}' makes no Target"
    target.validate(request)
    files = target.plan(request)
    assert files, f"'{plugin.name}' plans no files"
    assert dict(files) == dict(target.plan(request)), f"'{plugin.name}' does not plan the same bytes twice"
    for path, content in files.items():
        assert isinstance(content, bytes), f"'{path}' is no bytes"
        assert not path.startswith(("/", ".")), f"'{path}' leads out of the deployment's folder"
        assert ".." not in path.split("/"), f"'{path}' leads out of the deployment's folder"


def check_metric(metric: Metric, truth: Truth, predictions: Predictions) -> None:
    """Check a metric on rows for which it is defined: a weight counts like a repeated row, and the influences add up to 0."""
    assert isinstance(metric, Metric), f"{metric!r} is no Metric"
    assert metric.name not in METRICS, f"'{metric.name}' is built in, so that yours is never used"
    assert metric.definition.tasks, f"'{metric.name}' is of no task"
    assert (metric.rows is None) != (metric.weighted is None), (
        f"'{metric.name}' has neither or both of `rows` and `weighted`"
    )
    weighted = metric.factory()(truth, predictions)
    assert weighted is not None, f"'{metric.name}' has no value on these rows"
    ones = np.ones((2, len(truth)))
    values = weighted(ones)
    assert values.shape == (2,), f"'{metric.name}' gives {values.shape} for two weight vectors, not (2,)"
    assert np.isfinite(values).all(), f"'{metric.name}' is not finite on these rows"
    assert values[0] == values[1], f"'{metric.name}' does not give the same value twice"
    assert np.allclose(weighted(3 * ones), values), f"'{metric.name}' depends on the sum of the weights"
    both = np.tile(np.arange(len(truth)), 2)
    repeated = metric.factory()(truth.select_rows(both), predictions.select_rows(both))
    assert repeated is not None, f"'{metric.name}' has no value on rows that stand twice"
    assert np.allclose(repeated(np.ones((1, len(both)))), values[0]), (
        f"'{metric.name}' changes when every row stands twice"
    )
    if metric.influence is not None:
        moves = metric.influence(truth, predictions)
        assert moves.shape == (len(truth),), f"the influence of '{metric.name}' is not one number a row"
        assert abs(float(moves.sum())) < 1e-6, f"the influences of '{metric.name}' do not add up to 0"
    if metric.definition.range == "share":
        assert 0 <= values[0] <= 1, f"'{metric.name}' is {values[0]}, and is to lie within 0 and 1"
