"""One door: built-ins first, then what one installed distribution offers, and what is wrong with it names the distribution."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from mlops_ci.core import plugins
from mlops_ci.core.errors import EnvironmentProblem, UsageProblem
from mlops_ci.core.plugins import LOCK_FILE, Plugin, list_offers, load, locked_plugins_only, translate_plugin_errors
from mlops_ci.data.sources.table import SOURCES
from mlops_ci.evaluation.stats.metric_table import METRICS
from mlops_ci.spec.metrics import find_metric

NONE: Mapping[str, Plugin[Any]] = {}


def a_distribution(folder: Path, name: str, points: str, module: str = "") -> None:
    info = folder / f"{name}-0.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text(points)
    (folder / f"{name}.py").write_text(module)


def refused(group: plugins.Group, name: str) -> tuple[str, str]:
    with pytest.raises(EnvironmentProblem) as caught:
        load(NONE, group, name)
    (found,) = caught.value.diagnostics
    return found.id, found.message


def test_a_built_in_is_found_without_asking_any_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "distributions", lambda **_: pytest.fail("entry points were scanned"))
    assert load(SOURCES, "mlops_ci.sources", "csv") is SOURCES["csv"]


@pytest.mark.usefixtures("acme")
def test_a_package_cannot_replace_a_built_in() -> None:
    assert "accuracy" in {offer.name for offer in list_offers("mlops_ci.metrics")}
    assert load(METRICS, "mlops_ci.metrics", "accuracy") is METRICS["accuracy"]


@pytest.mark.usefixtures("acme")
def test_another_type_is_that_of_the_distribution_that_offers_it() -> None:
    assert load(SOURCES, "mlops_ci.sources", "csv-gz").name == "csv-gz"
    assert plugins.distribution_of("mlops_ci.sources", "csv-gz") == "acme-plugins 1.2.0"


@pytest.mark.usefixtures("acme")
def test_a_type_that_nobody_offers_is_unknown_and_the_nearest_is_named() -> None:
    with pytest.raises(UsageProblem) as caught:
        load(SOURCES, "mlops_ci.sources", "csv-gzz")
    (found,) = caught.value.diagnostics
    assert (found.id, found.help) == ("plugin-unknown", "did you mean 'csv-gz'?")


@pytest.mark.usefixtures("acme")
def test_a_plugin_that_cannot_be_imported_names_its_distribution() -> None:
    id, message = refused("mlops_ci.checks", "absent")
    assert id == "plugin-broken"
    assert "'absent' of acme-plugins 1.2.0 (acme.absent:ABSENT) cannot be imported: ModuleNotFoundError" in message


@pytest.mark.usefixtures("acme")
def test_two_distributions_that_offer_one_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_distribution(tmp_path, "other", "[mlops_ci.sources]\ncsv-gz = other:X\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    id, message = refused("mlops_ci.sources", "csv-gz")
    assert id == "plugin-ambiguous"
    assert "acme-plugins 1.2.0 (acme.source:CSV_GZ), other 0.1 (other:X)" in message


@pytest.mark.parametrize("module", ["X = 1", "import sys\nsys.exit(0)", "raise RuntimeError('no')"])
def test_what_is_no_plugin_is_broken(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"odd{len(module)}"
    a_distribution(tmp_path, name, f"[mlops_ci.sources]\nodd = {name}:X\n", module)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    assert refused("mlops_ci.sources", "odd")[0] == "plugin-broken"


@pytest.mark.parametrize("points", [b"[mlops_ci.sources]\ncsv-xz\n", b"\xff[mlops_ci.sources]\ncsv-xz = odd:X\n"])
@pytest.mark.usefixtures("acme")
def test_a_damaged_distribution_is_named_where_a_plugin_is_missing_and_hides_no_other(
    points: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_distribution(tmp_path, "odd", "")
    (tmp_path / "odd-0.1.dist-info" / "entry_points.txt").write_bytes(points)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    id, message = refused("mlops_ci.sources", "csv-xz")
    assert (id, "the entry points of odd 0.1 are damaged" in message) == ("plugin-broken", True)
    assert load(SOURCES, "mlops_ci.sources", "csv-gz").name == "csv-gz"
    with pytest.raises(EnvironmentProblem, match=r"the entry points of odd 0\.1 are damaged"):
        find_metric("auk")


@pytest.mark.parametrize("parts", ["int, options=int", "int, schema=None", "None"])
def test_a_plugin_whose_parts_are_of_other_types_is_broken(
    parts: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"parts{len(parts)}"
    module = f"from mlops_ci.core.plugins import Plugin\nX = Plugin('odd', {parts})\n"
    a_distribution(tmp_path, name, f"[mlops_ci.sources]\nodd = {name}:X\n", module)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    id, message = refused("mlops_ci.sources", "odd")
    assert (id, "whose schema is a mapping and whose options are a dataclass" in message) == ("plugin-broken", True)


def test_a_failure_of_a_packages_code_names_the_distribution(acme: Path) -> None:
    with pytest.raises(EnvironmentProblem) as caught, translate_plugin_errors("mlops_ci.targets", "compose"):
        raise KeyError(acme.name)
    (found,) = caught.value.diagnostics
    assert (found.id, found.message) == (
        "plugin-failed",
        "the target 'compose' of acme-plugins 1.2.0 failed: KeyError: 'acme'",
    )


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(
    ("lock", "why"),
    [
        (None, "was not installed from a lock"),
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        ('{"packages": {}}', "the lock file has no version of this package"),
        ('{"packages": {"acme-plugins": "1.1.0"}}', "the lock file has 1.1.0 of this package"),
    ],
)
def test_a_judge_takes_no_plugin_that_its_lock_does_not_pin(
    lock: str | None, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if lock is not None:
        (tmp_path / LOCK_FILE).write_text(lock)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    with locked_plugins_only():
        id, message = refused("mlops_ci.sources", "csv-gz")
    assert id == "plugin-not-locked"
    assert why in message
    assert load(NONE, "mlops_ci.sources", "csv-gz").name == "csv-gz"  # of a process that does not judge


@pytest.mark.parametrize("lock", [None, '{"packages": {}}', '{"packages": {"unknown": "unknown"}}', "[" * 100_000])
@pytest.mark.parametrize("about", [None, "Metadata-Version: 2.1\nName: nobody\n"])
def test_a_judge_takes_no_plugin_of_a_distribution_without_a_version(
    lock: str | None, about: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given code of a change that lies on the path as a distribution without a version, then no lock file pins it."""
    info = tmp_path / "nobody.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_text("[mlops_ci.sources]\nmine = nobody_module:SOURCE\n")
    (tmp_path / "nobody_module.py").write_text("raise SystemExit('it ran')\n")
    if about is not None:
        (info / "METADATA").write_text(about)
    if lock is not None:
        (tmp_path / LOCK_FILE).write_text(lock)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    with locked_plugins_only():
        assert refused("mlops_ci.sources", "mine")[0] == "plugin-not-locked"


@pytest.mark.usefixtures("acme")
def test_a_judge_takes_the_plugin_that_its_lock_pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / LOCK_FILE).write_text(json.dumps({"packages": {"acme-plugins": "1.2.0"}}))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    with locked_plugins_only():
        assert load(NONE, "mlops_ci.sources", "csv-gz").name == "csv-gz"
