"""The connection to the data: it reaches nothing else, its lock cannot be opened, and it leaves nothing behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mlops_ci.data.engines.duckdb import open_locked_connection, open_table
from mlops_ci.data.sources.files import source_files
from mlops_ci.spec.spec_types import CheckSpec, DatasetSpec, SourceSpec

ATTACKS = [
    "(SELECT content FROM read_text('/etc/passwd')) = ''",
    "(SELECT count(*) FROM read_csv('/etc/passwd')) > 0",
    "(SELECT count(*) FROM '/etc/passwd') > 0",
    "(SELECT count(*) FROM glob('/etc/*')) > 0",
    "(SELECT count(*) FROM read_blob('{root}/secret.txt')) > 0",
    "getenv('HOME') = ''",
    "(SELECT count(*) FROM duckdb_secrets()) >= 0",
    "(COPY (SELECT 1) TO '{root}/written.csv')",
    "(ATTACH '{root}/written.db')",
    "(INSTALL httpfs)",
    "(SELECT count(*) FROM secret) > 0",
]


@pytest.mark.parametrize("sql", ATTACKS)
def test_custom_sql_reaches_nothing_but_the_data(bench: Any, sql: str) -> None:
    bench.csv("id\n1\n")
    (bench.root / "secret.txt").write_text("secret")
    before = sorted(bench.root.rglob("*"))
    assert bench.ids(checks=(CheckSpec("custom-sql", sql=sql.replace("{root}", str(bench.root))),)) == [
        "check-sql-invalid"
    ]
    assert sorted(bench.root.rglob("*")) == before


@pytest.mark.parametrize(
    "statement",
    [
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "SET allowed_paths = ['/etc/passwd']",
        "SET memory_limit = '1GB'",
        "COPY (SELECT 1) TO '{root}/out.csv'",
        "EXPORT DATABASE '{root}/out'",
        "ATTACH '{root}/out.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
    ],
)
def test_the_connection_is_locked(tmp_path: Path, statement: str) -> None:
    import duckdb

    connection = open_locked_connection(())
    with pytest.raises(duckdb.Error, match=r"locked|disabled"):
        connection.execute(statement.replace("{root}", str(tmp_path)))
    assert list(tmp_path.iterdir()) == []
    connection.close()


def test_variables_of_this_process_are_no_tables() -> None:
    import duckdb

    frame = pd.DataFrame({"z": [1]})
    connection = open_locked_connection(())
    with pytest.raises(duckdb.CatalogException, match="frame does not exist"):
        connection.execute("SELECT * FROM frame")
    assert len(frame) == 1
    connection.close()


def test_the_connection_is_closed(bench: Any) -> None:
    import duckdb

    bench.csv("id\n1\n")
    source = SourceSpec("csv", "data/rows.csv")
    with open_table(bench.root, source_files(bench.root, source), DatasetSpec(source)) as table:
        pass
    with pytest.raises(duckdb.ConnectionException):
        table.connection.execute("SELECT 1")


@pytest.mark.parametrize("first", ["", "import numpy", "import pandas", "import pyarrow.parquet"])
def test_a_process_that_used_the_data_layer_ends_quietly(bench: Any, first: str) -> None:
    bench.csv("id,when\n1,2026-01-01\n")
    program = f"""
{first}
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from conftest import Bench
from mlops_ci.spec.spec_types import CheckSpec
bench = Bench(Path({str(bench.root)!r}))
record, found = bench.snapshot(key=("id",), checks=(CheckSpec("custom-sql", sql="id > 1"),))
assert len(found) == 1, found
import numpy
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
