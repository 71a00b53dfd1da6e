"""Runs a command line whose first table answers no query: `python stuck.py KIND STARTED ARGV...`.

KIND is `query`, which DuckDB can interrupt, or `step`: one call of a function that hears of nothing. STARTED is a file that is
made when the query begins.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mlops_ci import __main__
from mlops_ci.data.engines import duckdb

QUERIES = {
    "query": "SELECT count(*) FROM range(1000000) a, range(1000000) b, range(1000000) c WHERE a.range < b.range",
    "step": "SELECT levenshtein(repeat('a', 1000000), repeat(chr(98 + range::INTEGER), 1000000)) FROM range(1)",
}


def main() -> None:
    kind, started, *sys.argv[1:] = sys.argv[1:]
    read = duckdb.read_table

    def read_and_stick(connection: Any, *args: Any) -> Any:
        found = read(connection, *args)
        Path(started).touch()
        connection.execute(QUERIES[kind]).fetchall()
        return found

    setattr(duckdb, "read_table", read_and_stick)  # noqa: B010 a replacement, which the type checker takes for a mistake
    __main__.main()


if __name__ == "__main__":
    main()
