"""What `check` takes beside one raw DuckDB query of the same checks and the hash of the file, and what wide tables take beside pandas."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.ratio import Ratio, alternated, run

TOOL = [str(Path(sys.executable).with_name("mlops-ci"))]  # as users start it
MAKE = """
import duckdb, sys
connection = duckdb.connect(config={"threads": 2})
connection.execute("SELECT setseed(0.5)")
connection.execute(f"COPY (SELECT i AS id, round(random() * 100, 3) AS a, random() * 2 - 1 AS b, (random() < 0.3)::INT AS y "
                   f"FROM range({sys.argv[1]}) AS numbers(i)) TO '{sys.argv[2]}'")
"""
# the checks of SPEC and the profile, as somebody would ask them by hand; a CSV file is read once, with declared types
RAW = """
import duckdb, hashlib, sys
path = sys.argv[1]
connection = duckdb.connect(config={"threads": 2})
if path.endswith(".csv"):
    connection.execute(f"CREATE TABLE rows AS FROM read_csv('{path}', columns = "
                       "{'id': 'BIGINT', 'a': 'DOUBLE', 'b': 'DOUBLE', 'y': 'BIGINT'}, auto_detect = false, header = true, delim = ',')")
else:
    connection.execute(f"CREATE VIEW rows AS FROM read_parquet('{path}')")
profile = ", ".join(f"count(*) FILTER (WHERE {c} IS NULL), min({c}), max({c}), avg({c}), stddev_samp({c})" for c in ("id", "a", "b", "y"))
failing = ("a < 0", "a > 100", "b < -1", "b > 1", "y NOT IN (0, 1)", "NOT isfinite(a)", "NOT isfinite(b)")
checks = ", ".join(f"count(*) FILTER (WHERE {rule})" for rule in failing)
connection.execute(f"SELECT count(*), {profile}, {checks} FROM rows").fetchall()
connection.execute("SELECT count(*) FROM (SELECT id FROM rows GROUP BY id HAVING count(*) > 1)").fetchall()
state = hashlib.sha256()
with open(path, "rb") as stream:
    while chunk := stream.read(1 << 20):
        state.update(chunk)
"""
SPEC = """
apiVersion: mlops-ci/v1
kind: Dataset
metadata: {{name: rows}}
spec:
  source: {{type: {kind}, path: rows.{kind}}}
  key: [id]
  columns:
    id: {{type: integer, nulls: {{max: 0}}, unique: true}}
    a: {{type: number, nulls: {{max: 0}}, min: 0, max: 100}}
    b: {{type: number, nulls: {{max: 0}}, min: -1, max: 1}}
    y: {{type: integer, nulls: {{max: 0}}, values: [0, 1]}}
"""
WIDE = """
import sys
import numpy, pandas
columns = int(sys.argv[1])
values = numpy.random.default_rng(1).normal(size=(2000, columns)).round(4)
table = pandas.DataFrame(values, columns=[f"f{index}" for index in range(columns)]).assign(y=(values[:, 0] > 0).astype(int))
table.to_csv(sys.argv[2], index=False)
"""
LONG_TABLES = (("parquet", 3_000_000), ("parquet", 5_000_000), ("parquet", 10_000_000), ("csv", 5_000_000))


def of_a_check(rounds: int, scratch: Path) -> Iterator[Ratio]:
    """Compare whole processes on tables of four columns; nothing is cached."""
    for kind, rows in LONG_TABLES:
        root = scratch / f"{kind}-{rows}"
        table = _write_project(root, kind, rows)

        def check(root: Path = root) -> None:
            shutil.rmtree(root / ".git" / "mlops-ci", ignore_errors=True)
            run([*TOOL, "check", "-C", str(root)])

        ratios = alternated(check, lambda table=table: run([sys.executable, "-c", RAW, str(table)]), rounds)  # type: ignore[misc]  # the default binds the table of this round
        yield Ratio(f"check of {rows:,} rows ({kind}) / raw DuckDB and the hash", ratios, "at most 1.5")
        shutil.rmtree(root)


def of_wide_tables(rounds: int, scratch: Path) -> Iterator[Ratio]:
    """Compare the CPU time of `init --from` and `check` with that of `pandas.read_csv` on 2,000 rows, and print the memory."""
    for columns in (500, 2_000):
        root = scratch / f"wide-{columns}"
        root.mkdir()
        table = root / "wide.csv"
        run([sys.executable, "-c", WIDE, str(columns), str(table)])
        read = [sys.executable, "-c", f"import pandas; pandas.read_csv({str(table)!r})"]
        project = root / "project"
        init: list[float] = []
        checked: list[float] = []
        memory = 0
        for _ in range(rounds):
            shutil.rmtree(project, ignore_errors=True)
            alone = _usage(read)[0]
            for ratios, verb in (
                (init, ["init", str(project), "--from", str(table), "--target", "y"]),
                (checked, ["check", "-C", str(project)]),
            ):
                shutil.rmtree(project / ".git" / "mlops-ci", ignore_errors=True)
                seconds, peak = _usage([*TOOL, *verb])
                ratios.append(seconds / alone)
                memory = max(memory, peak)
        yield Ratio(f"2,000 rows x {columns:,} columns: CPU of init --from / pandas", tuple(init), "at most 20")
        yield Ratio(f"2,000 rows x {columns:,} columns: CPU of check / pandas", tuple(checked), "at most 20")
        yield Ratio(f"2,000 rows x {columns:,} columns: memory (MB)", (memory / 1e6,), "at most 600")


def _write_project(root: Path, kind: str, rows: int) -> Path:
    root.mkdir()
    run(["git", "init", "--quiet", str(root)])
    (root / "mlops.yaml").write_text("apiVersion: mlops-ci/v1\nkind: Project\nmetadata: {name: speed}\nspec: {}\n")
    (root / "rows.yaml").write_text(SPEC.format(kind=kind))
    run([sys.executable, "-c", MAKE, str(rows), str(root / f"rows.{kind}")])
    return root / f"rows.{kind}"


def _usage(command: list[str]) -> tuple[float, int]:
    """Return the CPU seconds and the peak memory in bytes of a command with its child processes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, _, usage = os.wait4(child.pid, 0)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime), usage.ru_maxrss * 1024
