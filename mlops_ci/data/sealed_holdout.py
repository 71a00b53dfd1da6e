"""Reads a sealed holdout, which has its own source, into one relation with the training rows."""

# ruff: noqa: S608  SQL contains only quoted names and literals, and the connection can only read the data
from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from mlops_ci.core.diagnostics import Location
from mlops_ci.core.digest import digest_json
from mlops_ci.core.errors import Findings
from mlops_ci.core.records.base import FileDigest
from mlops_ci.data.column_types import column_sql, converted_value_sql
from mlops_ci.data.engines.duckdb import Table, read_table
from mlops_ci.data.engines.duckdb_errors import precision_refusal, translate_duckdb_errors
from mlops_ci.data.engines.parquet_table import common_sql_type
from mlops_ci.data.sources.protocol import ReadableFiles
from mlops_ci.spec.spec_types import ColumnSpec, ColumnType, SourceSpec

_HOLDOUT_COLUMN = "held_out"  # no column of the data: those have aliases


@dataclass(frozen=True)
class SealedHoldout:
    """A sealed holdout that can be read: its files below `root` and their source.

    `is_download`: the files are a downloaded copy.
    """

    root: Path
    files: tuple[FileDigest, ...]
    source: SourceSpec
    is_download: bool = False

    @property
    def paths(self) -> tuple[Path, ...]:
        """The paths of the files."""
        return tuple(self.root / file.path for file in self.files)

    @property
    def order_secret(self) -> str:
        """A text that only who can read the holdout can compute, and that no record has."""
        return digest_json(["order of rows", *(file.sha256 for file in self.files)])

    @property
    def readable(self) -> ReadableFiles:
        """The files with their source."""
        return ReadableFiles(self.root, self.files, self.source)


def attach_holdout(table: Table, held: ReadableFiles, where: Location) -> Table:
    """Return a table with the training rows and the holdout rows; `Table.holdout_condition` is true for the holdout.

    The training rows decide the type of each column, so that the same model is trained where the holdout cannot be read.
    Raises Findings `data-files-differ` when columns or types differ, and the Findings of `open_table`.
    """
    run, types, learned = table.connection.execute, table.types, table.sql_types()
    run(f"ALTER {table.relation_kind} cells RENAME TO learned")
    expected = {name: ColumnSpec(type=type) for name, type in types.items() if type in get_args(ColumnType)}  # type: ignore[arg-type] # the condition narrows it
    holdout = read_table(table.connection, held, expected)
    held_types = holdout.sql_types()
    run(f"ALTER {holdout.relation_kind} cells RENAME TO held")
    for name in [*types, *holdout.types]:
        training_type, holdout_type = types.get(name, "missing"), holdout.types.get(name, "missing")
        if training_type != holdout_type:
            raise Findings.of(
                "data-files-differ",
                f"column '{name}' is {training_type} in the training rows, but {holdout_type} in the sealed holdout",
                location=where,
                help="correct one of the two sources: they must have the same columns and types",
            )
    common = {name: common_sql_type(type, {learned[name], held_types[name]}) for name, type in types.items()}
    of_training, of_holdout = (
        ", ".join(
            f"{converted_value_sql(column_sql(name), own[name], common[name], precision_refusal(name))} AS {column_sql(name)}"
            for name in types
        )
        for own in (learned, held_types)
    )
    with translate_duckdb_errors("the data"):
        run(
            f"CREATE VIEW cells AS SELECT {of_training}, false AS {_HOLDOUT_COLUMN} FROM learned UNION ALL SELECT {of_holdout}, true FROM held"
        )
    return replace(table, holdout_condition=_HOLDOUT_COLUMN, narrow_views={})
