"""Takes a snapshot of a dataset: a record of its files, profile and check results."""

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
from mlops_ci.data.check_outcome import CheckOutcome
from mlops_ci.data.check_types import check_plugin_versions
from mlops_ci.data.checks import evaluate_checks, run_checks
from mlops_ci.data.engines.duckdb import open_table
from mlops_ci.data.sources.table import open_source, plugin_versions
from mlops_ci.spec.located_spec import LocatedSpec
from mlops_ci.spec.personal_data import is_personal_column
from mlops_ci.spec.spec_types import DatasetSpec


@dataclass(frozen=True)
class DatasetScan:
    """The results of reading the data once. They do not depend on the current time."""

    rows: int
    columns: tuple[ColumnProfile, ...]
    check_outcomes: tuple[CheckOutcome, ...]


def take_snapshot(
    root: Path, dataset: LocatedSpec[DatasetSpec], now: datetime, cache: Path | None, project: ProjectRef
) -> tuple[DatasetSnapshot, tuple[Diagnostic, ...]]:
    """Return the snapshot of a dataset of `project`, and the diagnostics of its failed checks.

    Reads the data only when the cache has no scan of the same files. `now` has a time zone; freshness is evaluated at
    this time. The diagnostics may include `split-without-key`. Raises Findings (`data-...`) when the data cannot be read.
    """
    spec = dataset.spec
    files = open_source(spec.source).resolve(root, dataset.locate("spec", "source", "path"))
    key = cache_key(dataset.digest, files, "snapshot", *plugin_versions(spec.source), *check_plugin_versions(spec))
    scan = read_cache_entry(cache, key, DatasetScan)
    if scan is None:
        scan = _scan_dataset(root, spec, files)
        if all(_is_cacheable(outcome, spec) for outcome in scan.check_outcomes):
            write_cache_entry(cache, key, scan)
    checks, findings = evaluate_checks(dataset, scan.check_outcomes, now)
    record = DatasetSnapshot(
        dataset=dataset.name,
        spec_digest=dataset.digest,
        rows=scan.rows,
        files=files,
        columns=scan.columns,
        schema_digest=schema_digest({column.name: column.type for column in scan.columns}),
        checks=checks,
        project=project,
    )
    return record, (*findings, *_missing_key_warning(dataset))


def schema_digest(types: Mapping[str, str]) -> str:
    """Return the digest of column names and logical types. It does not depend on their order."""
    return digest_json(dict(types))


def _missing_key_warning(dataset: LocatedSpec[DatasetSpec]) -> tuple[Diagnostic, ...]:
    if dataset.spec.key or dataset.spec.split.by != "key-hash":
        return ()
    message = "the dataset has no key: if a column is added or a value is corrected, a row can move between training and holdout"
    help = "name the columns that identify a row: `key: [...]`"
    return (Diagnostic("split-without-key", message, dataset.locate("spec", "key"), help, "warning"),)


def _is_cacheable(outcome: CheckOutcome, spec: DatasetSpec) -> bool:
    if outcome.id == "check-sql-limit":  # it is about this machine and this moment, not about the data
        return False
    return not (outcome.newest and is_personal_column(spec, outcome.result.column))  # the newest value is one person's


def _scan_dataset(root: Path, spec: DatasetSpec, files: tuple[FileDigest, ...]) -> DatasetScan:
    with open_table(root, files, spec) as table:
        measures, outcomes = run_checks(table, spec)
    columns = tuple(sorted(measures.columns, key=lambda column: column.name))
    return DatasetScan(measures.rows, columns, outcomes)
