"""A wide table's columns are summarised as those of a narrow one."""

from __future__ import annotations

from pathlib import Path

from mlops_ci.commands.scaffold.column_summaries import ColumnSummary, summarise_columns
from mlops_ci.data.column_types import COLUMNS_PER_QUERY
from mlops_ci.data.engines.duckdb import open_table
from mlops_ci.data.sources.files import source_files
from mlops_ci.spec.spec_types import DatasetSpec, SourceSpec

FIELDS = (
    ("7", "8", "8", ""),
    ("0", "1", "0.0", "1"),
    ("0.5", "", "1e3", "0.5"),
    ("0.12345678901234567891", "3.5", "3.50", "1"),
    ("12345678901234567890123", "1", "1", "2"),
    ("true", "false", "", ""),
    ("2026-01-31", "2026-02-01", "2026-02-01", ""),
    ("2026-01-31 12:00:00.123456789", "2026-02-01 00:00:00", "", ""),
    ("a word", "word", '""', ""),
    ("1,5", "2,5", "n/a", "2,5"),
    ("", "", "", ""),
)


def summaries(root: Path, columns: int) -> list[ColumnSummary]:
    kinds = [FIELDS[place % len(FIELDS)] for place in range(columns)]
    lines = [";".join(f"c{place}" for place in range(columns)), *(";".join(row) for row in zip(*kinds, strict=True))]
    (root / "rows.csv").write_text("\n".join(lines) + "\n")
    source = SourceSpec("csv", "rows.csv", delimiter=";")
    with open_table(root, source_files(root, source), DatasetSpec(source)) as table:
        return summarise_columns(table)


def test_each_column_of_a_wide_table_is_summarised_as_in_a_narrow_one(tmp_path: Path) -> None:
    """Given the same kinds of columns again and again, in more columns than one query takes, then the facts repeat."""
    wide, narrow = summaries(tmp_path, 2 * COLUMNS_PER_QUERY + 5), summaries(tmp_path, len(FIELDS))
    assert [one.name for one in wide] == [f"c{place}" for place in range(len(wide))]
    for place, one in enumerate(wide):
        assert vars(one) | {"name": ""} == vars(narrow[place % len(FIELDS)]) | {"name": ""}
    assert len({repr(vars(one) | {"name": ""}) for one in narrow}) == len(FIELDS)
