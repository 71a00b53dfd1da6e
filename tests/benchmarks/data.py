"""What `check` takes beside one raw DuckDB query of the same checks and the hash of the file, and what wide tables take beside pandas."""

from __future__ import annotations

import shutil
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.ratio import NO_PROMISE, Limit, Ratio, run
from tests.benchmarks.usage import Usage, usage

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
LONG_TABLES = tuple((kind, rows) for rows in (3_000_000, 5_000_000, 10_000_000) for kind in ("parquet", "csv"))
SMALL_TABLE = 50_000
LONGEST_TABLE = 100_000_000  # parquet: 1.7 GB
PROMISED_COLUMNS = 2_000
WIDE_TABLES = (500, 2_000, 5_000, 10_000)


def of_a_check(rounds: int, scratch: Path) -> Iterator[Ratio]:
    """Compare the CPU time of whole processes on tables of four columns; nothing is cached."""
    for kind in ("parquet", "csv"):
        pairs = _check_and_query(rounds, scratch, kind, SMALL_TABLE)
        more = tuple(check - query for check, query in pairs)
        yield Ratio(f"check of {SMALL_TABLE:,} rows ({kind}) - raw DuckDB and the hash, s", more, Limit(at_most=0.5))
    for kind, rows in LONG_TABLES:
        pairs = _check_and_query(rounds, scratch, kind, rows)
        ratios = tuple(check / query for check, query in pairs)
        # nothing is promised of 3 million rows but what was before
        limit = Limit(at_most=1.5) if rows >= 5_000_000 else NO_PROMISE
        yield Ratio(f"check of {rows:,} rows ({kind}) / raw DuckDB and the hash", ratios, limit)
        if kind == "parquet":
            parquet = rows, statistics.median(check for check, _ in pairs)
    pairs = _check_and_query(1, scratch, "parquet", LONGEST_TABLE)
    a_row = tuple(check / LONGEST_TABLE / (parquet[1] / parquet[0]) for check, _ in pairs)
    yield Ratio(f"a row of {LONGEST_TABLE:,} (parquet) / a row of {parquet[0]:,}", a_row, Limit(at_most=1.2))
    ratios = tuple(check / query for check, query in pairs)
    yield Ratio(f"check of {LONGEST_TABLE:,} rows (parquet) / raw DuckDB and the hash", ratios, NO_PROMISE)


def _check_and_query(rounds: int, scratch: Path, kind: str, rows: int) -> list[tuple[float, float]]:
    """Return the CPU seconds of `check` and of the raw query, alternated."""
    root = scratch / f"{kind}-{rows}"
    table = _write_project(root, kind, rows)
    pairs = []
    for _ in range(rounds):
        shutil.rmtree(root / ".git" / "mlops-ci", ignore_errors=True)
        check, query = usage([*TOOL, "check", "-C", str(root)]), usage([sys.executable, "-c", RAW, str(table)])
        pairs.append((check.cpu, query.cpu))
    shutil.rmtree(root)
    return pairs


def of_wide_tables(rounds: int, scratch: Path) -> Iterator[Ratio]:
    """Compare the CPU time of `init --from` and `check` with that of `pandas.read_csv` on 2,000 rows, and print the memory.

    Memory is that of all processes of a verb at one moment.
    """
    a_column: dict[str, float] = {}
    for columns in WIDE_TABLES:
        root = scratch / f"wide-{columns}"
        root.mkdir()
        table, project = root / "wide.csv", root / "project"
        run([sys.executable, "-c", WIDE, str(columns), str(table)])
        read = [sys.executable, "-c", f"import pandas; pandas.read_csv({str(table)!r})"]
        verbs = {
            "init --from": ["init", str(project), "--from", str(table), "--target", "y"],
            "check": ["check", "-C", str(project)],
        }
        promise = columns == PROMISED_COLUMNS
        used: dict[str, list[Usage]] = {verb: [] for verb in (*verbs, "pandas")}
        # the widest ones take minutes
        for _ in range(rounds if columns <= PROMISED_COLUMNS else 1):
            shutil.rmtree(project, ignore_errors=True)
            used["pandas"].append(usage(read))
            for verb, arguments in verbs.items():
                used[verb].append(usage([*TOOL, *arguments]))
                shutil.rmtree(project / ".git" / "mlops-ci", ignore_errors=True)
        shutil.rmtree(root)
        for verb in verbs:
            what = f"2,000 rows x {columns:,} columns: {verb}"
            pairs = zip(used[verb], used["pandas"], strict=True)
            ratios = tuple(mine.cpu / pandas.cpu for mine, pandas in pairs)
            yield Ratio(f"{what} / pandas, CPU", ratios, Limit(at_most=20) if promise else NO_PROMISE)
            memory = tuple(one.megabytes for one in used[verb])
            yield Ratio(f"{what}, MB", memory, Limit(at_most=600) if promise else NO_PROMISE)
            cpu = statistics.median(one.cpu for one in used[verb])
            yield Ratio(f"{what}, CPU seconds", tuple(one.cpu for one in used[verb]), NO_PROMISE)
            if columns > PROMISED_COLUMNS:
                share = cpu / columns / a_column[verb]
                yield Ratio(f"{what}: a column / one of {PROMISED_COLUMNS:,}", (share,), Limit(at_most=1.2))
            else:
                a_column[verb] = cpu / columns


def _write_project(root: Path, kind: str, rows: int) -> Path:
    root.mkdir()
    run(["git", "init", "--quiet", str(root)])
    (root / "mlops.yaml").write_text("apiVersion: mlops-ci/v1\nkind: Project\nmetadata: {name: speed}\nspec: {}\n")
    (root / "rows.yaml").write_text(SPEC.format(kind=kind))
    run([sys.executable, "-c", MAKE, str(rows), str(root / f"rows.{kind}")])
    return root / f"rows.{kind}"
