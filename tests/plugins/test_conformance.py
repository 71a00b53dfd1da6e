"""The functions of mlops_ci.testing pass the package's plugins, and say what is wrong with others."""

from __future__ import annotations

import dataclasses
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import pytest

from mlops_ci.core.plugins import Plugin, load
from mlops_ci.core.records.base import FileDigest
from mlops_ci.deployment.targets.protocol import DeploymentRequest
from mlops_ci.spec.spec_types import DeploymentSpec, PluginTarget
from mlops_ci.testing import check_data_check, check_metric, check_source, check_target
from mlops_ci.training.predictions import Predictions, Truth
from tests.deployment.conftest import make_release

ROWS = nw.from_native(pd.DataFrame({"x": [1, 1, 1, 2]})).lazy()
TRUTH = Truth(labels=np.array([0, 1, 1, 0]), classes=(0, 1))
PREDICTIONS = Predictions(labels=np.array([0, 1, 0, 0]))


@pytest.fixture
def source(acme: Path, tmp_path: Path) -> Plugin[Any]:
    assert acme.is_dir()
    (tmp_path / "rows.csv.gz").write_bytes(gzip.compress(b"x\n1\n", mtime=0))
    table: dict[str, Plugin[Any]] = {}
    return load(table, "mlops_ci.sources", "csv-gz")


@pytest.fixture
def target(acme: Path) -> Plugin[Any]:
    assert acme.is_dir()
    table: dict[str, Plugin[Any]] = {}
    return load(table, "mlops_ci.targets", "compose")


@pytest.fixture
def check(acme: Path) -> Plugin[Any]:
    assert acme.is_dir()
    table: dict[str, Plugin[Any]] = {}
    return load(table, "mlops_ci.checks", "max-share")


@pytest.fixture
def metric(acme: Path) -> Any:
    assert acme.is_dir()
    table: dict[str, Any] = {}
    return load(table, "mlops_ci.metrics", "error-rate")


def request_of(plugin: Plugin[Any]) -> DeploymentRequest:
    deployment = DeploymentSpec("delay", "prod", PluginTarget("compose", plugin.options()))
    return DeploymentRequest(make_release(model="delay"), deployment, "delay-prod", "https://example.org/r.git")


def test_what_another_author_wrote_conforms(
    source: Plugin[Any], target: Plugin[Any], check: Plugin[Any], metric: Any, tmp_path: Path
) -> None:
    check_source(source, {"file": "rows.csv.gz"}, tmp_path)
    check_target(target, request_of(target))
    check_data_check(check, {"column": "x", "share": 0.8}, ROWS, passes=True)
    check_data_check(check, {"column": "x"}, ROWS, passes=False)
    check_metric(metric, TRUTH, PREDICTIONS)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "csv"}, "has a built-in type 'csv'"),
        ({"schema": {}}, "but its options have \\['file'\\]"),
        ({"schema": {"properties": {"file": {"type": "string"}}}}, "but they have no default"),
        ({"schema": {"required": ["file"], "properties": {"file": {"format": "x"}}}}, "cannot be merged"),
        ({"schema": {"required": ["file"], "properties": {"file": {}}, "$ref": "x"}}, "cannot be merged"),
    ],
)
def test_a_schema_that_does_not_fit_is_said(
    source: Plugin[Any], tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(AssertionError, match=said):
        check_source(dataclasses.replace(source, **change), {"file": "rows.csv.gz"}, tmp_path)


def test_a_source_that_names_no_content_is_said(source: Plugin[Any], tmp_path: Path) -> None:
    class Careless(source.options):  # type: ignore[misc, name-defined] # the plugin's own class
        def resolve(self, _root: Path, _location: Any = None) -> tuple[FileDigest, ...]:
            return (FileDigest(self.file, "0" * 64, 1),)

    with pytest.raises(AssertionError, match="does not match its content"):
        check_source(dataclasses.replace(source, make=lambda it: Careless(it.file)), {"file": "rows.csv.gz"}, tmp_path)


@pytest.mark.parametrize(
    ("files", "said"),
    [({}, "returns no files"), ({"../x": b""}, "must not start with"), ({"x": "text"}, "is not of type bytes")],
)
def test_a_target_that_plans_what_cannot_be_written_is_said(target: Plugin[Any], files: Any, said: str) -> None:
    class Careless(target.options):  # type: ignore[misc, name-defined] # the plugin's own class
        def plan(self, _request: Any) -> Any:
            return files

    with pytest.raises(AssertionError, match=said):
        check_target(dataclasses.replace(target, make=lambda _: Careless()), request_of(target))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "auc"}, "has a built-in metric 'auc'"),
        ({"rows": None}, "exactly one of `rows` and `weighted`"),
        ({"rows": lambda truth, _: np.full(len(truth), 2.0)}, "between 0 and 1"),
        (
            {"rows": None, "weighted": lambda _t, _p: lambda w: w.sum(axis=1)},
            "weights are multiplied by the same number",
        ),
    ],
)
def test_a_metric_that_breaks_the_rules_of_weights_is_said(metric: Any, change: Any, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        check_metric(dataclasses.replace(metric, **change), TRUTH, PREDICTIONS)


def test_a_check_that_answers_otherwise_is_said(check: Plugin[Any]) -> None:
    answer: Callable[..., None] = check_data_check
    with pytest.raises(AssertionError, match="is False, which was not expected: 75%"):
        answer(check, {"column": "x"}, ROWS, passes=True)
