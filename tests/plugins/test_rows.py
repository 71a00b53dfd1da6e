"""One concept, one row: what a row of a table of built-ins lacks, these tests name."""

from __future__ import annotations

import json
from pathlib import Path

import mlops_ci
from mlops_ci.commands.plugins import BUILT_IN
from mlops_ci.core.plugins import Group
from mlops_ci.data.check_types import CHECK_TYPES
from mlops_ci.data.sources.table import SOURCES
from mlops_ci.deployment.targets.table import TARGETS
from mlops_ci.evaluation.stats.metric_table import METRICS
from mlops_ci.spec.metrics import METRIC_DEFINITIONS
from mlops_ci.spec.tagged_types import TAGGED_PLACES, built_in_types

SCHEMAS = Path(mlops_ci.__file__).parents[1] / "schemas" / "v1"


def test_each_built_in_type_has_a_row_and_a_file_of_its_fields_and_is_named_by_its_kinds_schema() -> None:
    tables: dict[Group, set[str]] = {
        "mlops_ci.sources": set(SOURCES),
        "mlops_ci.checks": set(CHECK_TYPES),
        "mlops_ci.targets": set(TARGETS),
    }
    named = {place.group: built_in_types(kind, place) for kind, places in TAGGED_PLACES.items() for place in places}
    assert named.keys() == tables.keys()
    for group, rows in tables.items():
        files = {file.name.removesuffix(".schema.json") for file in (SCHEMAS / group.partition(".")[2]).iterdir()}
        assert (group, files) == (group, rows)
        assert (group, set(named[group])) == (group, rows)
        assert (group, set(BUILT_IN[group])) == (group, rows)


def test_each_file_of_a_types_fields_is_closed_and_names_its_type() -> None:
    for file in (file for file in SCHEMAS.glob("*/*.schema.json") if file.parent.name != "output"):
        rules = json.loads(file.read_text(encoding="utf-8"))
        assert rules["additionalProperties"] is False, file
        assert rules["properties"]["type"]["const"] == file.name.removesuffix(".schema.json")
        assert rules["$id"].endswith(f"/schemas/v1/{file.parent.name}/{file.name}")
        assert all(field is True or field["description"].endswith(".") for field in rules["properties"].values()), file


def test_each_metric_of_rows_is_computed_in_one_way_and_each_other_is_measured_elsewhere() -> None:
    for name, row in METRICS.items():
        assert (name, row.definition) == (row.name, METRIC_DEFINITIONS[name])
        assert (row.rows is None) != (row.weighted is None), f"{name}: `rows` or `weighted`, and not both"
        assert row.rows is None or row.influence is None, f"{name}: the influence on a mean follows from its rows"
    missing = {
        name
        for name, one in METRIC_DEFINITIONS.items()
        if name not in METRICS and not one.is_operational and not one.compares_groups
    }
    assert missing == set(), "a metric that rows are measured by needs a row of METRICS"
    assert not [name for name in METRICS if METRIC_DEFINITIONS[name].is_operational]


def test_each_built_in_row_has_its_own_name() -> None:
    for table in (SOURCES, TARGETS, CHECK_TYPES, METRICS):
        assert [row.name for row in table.values()] == list(table)
