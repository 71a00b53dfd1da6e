"""A holdout that has a source of its own: its rows beside those to learn from, in one relation."""

# ruff: noqa: S608  SQL is made of quoted names and literals only, and the connection reaches nothing but the data
from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from mlops_ci.core.diagnostics import Location
from mlops_ci.core.errors import Findings
from mlops_ci.core.records.base import FileDigest
from mlops_ci.data.column_types import quote_identifier
from mlops_ci.data.engines.duckdb import Table, read_table, translate_duckdb_errors
from mlops_ci.data.sources.protocol import ReadableFiles
from mlops_ci.spec.spec_types import ColumnSpec, ColumnType, SourceSpec

_HOLDOUT_COLUMN = '"mlops-ci held out"'


@dataclass(frozen=True)
class SealedHoldout:
    """A sealed holdout that is at hand: files below `root`, and how they are read. `copied`: they are a download."""

    root: Path
    files: tuple[FileDigest, ...]
    source: SourceSpec
    is_download: bool = False

    @property
    def paths(self) -> tuple[Path, ...]:
        """Where the files are."""
        return tuple(self.root / file.path for file in self.files)


def attach_holdout(table: Table, held: SealedHoldout, where: Location) -> Table:
    """Return a table of the open rows and the holdout's; `Table.holdout_condition` tells them apart.

    The rows to learn from decide each column's type, so that the same model is trained where the holdout is out of reach.
    Raises Findings `data-files-differ` for other columns or types, and those of `open_table`.
    """
    run, types = table.connection.execute, table.types
    run(f"ALTER {table.relation_kind} data RENAME TO learned")
    expected = {name: ColumnSpec(type=type) for name, type in types.items() if type in get_args(ColumnType)}  # type: ignore[arg-type] # looked up just now
    theirs = read_table(table.connection, ReadableFiles(held.root, held.files, held.source), expected)
    run(f"ALTER {theirs.relation_kind} data RENAME TO held")
    for name in [*types, *theirs.types]:
        one, other = types.get(name, "missing"), theirs.types.get(name, "missing")
        if one != other:
            raise Findings.of(
                "data-files-differ",
                f"column '{name}' is {one} in the rows to learn from, and {other} in the sealed holdout",
                location=where,
                help="both sources have the same columns and types",
            )
    columns = ", ".join(map(quote_identifier, types))
    with translate_duckdb_errors("the data"):
        run(
            f"CREATE VIEW data AS SELECT {columns}, false AS {_HOLDOUT_COLUMN} FROM learned UNION ALL SELECT {columns}, true FROM held"
        )
    return replace(table, holdout_condition=_HOLDOUT_COLUMN)
