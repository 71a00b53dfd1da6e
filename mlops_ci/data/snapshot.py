"""A dataset as it is now: its files, content digest, profile and checks, as one record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.digest import digest_json
from mlops_ci.core.records.base import FileDigest, ProjectRef
from mlops_ci.core.records.training_run import ColumnProfile, DatasetSnapshot
from mlops_ci.data.cache import cache_key, read_cache_entry, write_cache_entry
from mlops_ci.data.check_types import check_plugin_versions
from mlops_ci.data.checks import CheckOutcome, evaluate_checks, run_checks
from mlops_ci.data.content_digest import content_digests
from mlops_ci.data.engines.duckdb import open_table, translate_duckdb_errors
from mlops_ci.data.sources.table import open_source, plugin_versions
from mlops_ci.spec.located_spec import LocatedSpec
from mlops_ci.spec.spec_types import DatasetSpec


@dataclass(frozen=True)
class DatasetScan:
    """What reading the data once told; nothing of it depends on the clock."""

    digest: str
    rows: int
    columns: tuple[ColumnProfile, ...]
    check_outcomes: tuple[CheckOutcome, ...]


def take_snapshot(
    root: Path, dataset: LocatedSpec[DatasetSpec], now: datetime, cache: Path | None, project: ProjectRef
) -> tuple[DatasetSnapshot, tuple[Diagnostic, ...]]:
    """Read a dataset of `project`, or what is known of these very files, and judge its checks at the time `now` (aware of its zone).

    Failed checks are diagnostics, and so is `split-without-key`; Findings are raised (`data-...`) when the data cannot be
    read at all.
    """
    spec = dataset.spec
    files = open_source(spec.source).resolve(root, dataset.locate("spec", "source", "path"))
    key = cache_key(dataset.digest, files, "snapshot", *plugin_versions(spec.source), *check_plugin_versions(spec))
    reading = read_cache_entry(cache, key, DatasetScan)
    if reading is None:
        reading = _scan_dataset(root, spec, files)
        write_cache_entry(cache, key, reading)
    checks, findings = evaluate_checks(dataset, reading.check_outcomes, now)
    record = DatasetSnapshot(
        dataset=dataset.name,
        spec_digest=dataset.digest,
        digest=reading.digest,
        rows=reading.rows,
        files=files,
        columns=reading.columns,
        schema_digest=schema_digest({column.name: column.type for column in reading.columns}),
        checks=checks,
        project=project,
    )
    return record, (*findings, *_missing_key_warning(dataset))


def schema_digest(types: Mapping[str, str]) -> str:
    """Return the digest of column names and logical types, whatever their order."""
    return digest_json(dict(types))


def _missing_key_warning(dataset: LocatedSpec[DatasetSpec]) -> tuple[Diagnostic, ...]:
    if dataset.spec.key or dataset.spec.split.by != "key-hash":
        return ()
    message = "no key: a new column or a corrected value moves rows between training and holdout"
    help = "name the columns that identify a row: key: [...]"
    return (Diagnostic("split-without-key", message, dataset.locate("spec", "key"), help, "warning"),)


def _scan_dataset(root: Path, spec: DatasetSpec, files: tuple[FileDigest, ...]) -> DatasetScan:
    with open_table(root, files, spec) as table:
        measures, given = run_checks(table, spec)
        with translate_duckdb_errors("the data"):
            rows, digest = content_digests(table.connection, "data", table.types)[""]
    columns = tuple(sorted(measures.columns, key=lambda column: column.name))
    return DatasetScan(digest, rows, columns, given)
