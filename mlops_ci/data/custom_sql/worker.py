"""The process that evaluates `custom-sql` checks: it reads the data itself, and its time and memory are limited."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlops_ci.core.codec import decode_json, encode
from mlops_ci.core.suggestions import quote
from mlops_ci.data.column_types import column_alias, quote_identifier
from mlops_ci.data.custom_sql.expression import ExpressionJudge
from mlops_ci.data.custom_sql.protocol import ANSWERS_FILE, CustomSqlAnswer, CustomSqlCheck, CustomSqlJob
from mlops_ci.data.engines.duckdb import ConnectionLimits, Table, indistinct_names, open_files, plain_files
from mlops_ci.data.engines.duckdb_errors import duckdb_error_text
from mlops_ci.data.profile import mentioned_columns, sample_failing_rows
from mlops_ci.data.row_rules import RowRule
from mlops_ci.data.sources.protocol import ReadableFiles

SPILL_LIMIT = "4GB"
_MEGABYTE = 1_000_000
_FAILS = "fails"  # no column of the data: those have aliases
_GRACE_SECONDS = 2.0  # after which a query that did not stop when it was told to is ended with its process


def main(path: str) -> None:
    """Evaluate the checks of a job file, and append each answer to a file beside it.

    Ends after the first check that exceeded a limit, since its memory may not come back: the rest is for another process. Ends
    also when the time of all checks is up.
    """
    job = decode_json(CustomSqlJob, Path(path).read_bytes())
    memory = max(check.max_megabytes for check in job.checks)
    limits = ConnectionLimits(job.spill, SPILL_LIMIT, f"{memory}MB")
    with plain_files(ReadableFiles(Path(job.root), job.files, job.source), Path(path).parent) as local:
        _answer_checks(open_files(local, job.columns, limits=limits), job, Path(path).with_name(ANSWERS_FILE))


def _answer_checks(table: Table, job: CustomSqlJob, answers: Path) -> None:
    """Append the answers; one that the time of all checks cut short has none, and whoever gave the job says so."""
    import duckdb

    judge, used = ExpressionJudge(table.connection, table.types), _address_space()
    ends = time.monotonic() + job.seconds
    with answers.open("a", encoding="utf-8") as stream:
        for check in job.checks:
            began = time.monotonic()
            left = max(round(ends - began, 1), 0.1)
            try:
                with _limits(table, replace(check, max_seconds=min(check.max_seconds, left)), used):
                    answer = _evaluate(table, check, judge, job)
            except duckdb.InterruptException:
                if left < check.max_seconds:
                    os._exit(0)
                answer = CustomSqlAnswer(check.index, exceeded=f"{check.max_seconds:g} s")
            answer = replace(answer, seconds=time.monotonic() - began)
            stream.write(json.dumps(encode(answer), allow_nan=False) + "\n")
            stream.flush()
            if answer.exceeded is not None or time.monotonic() >= ends:
                os._exit(0)  # without waiting for threads that are still at work


def _evaluate(table: Table, check: CustomSqlCheck, judge: ExpressionJudge, job: CustomSqlJob) -> CustomSqlAnswer:
    import duckdb

    try:
        if (refusal := judge.find_refusal(check.sql) or _find_wrong_type(table, check.sql)) is not None:
            return CustomSqlAnswer(check.index, refusal=refusal)
        return _count_failures(table, check, job)
    except duckdb.InterruptException:
        raise
    except (duckdb.OutOfMemoryException, MemoryError):
        return CustomSqlAnswer(check.index, exceeded=f"{check.max_megabytes:,} MB of memory")
    except duckdb.Error as error:
        # DuckDB's error messages quote values
        if alike := _find_indistinct_columns(table, check.sql):
            return CustomSqlAnswer(check.index, refusal=alike)
        hidden = f"{type(error).__name__} (details hidden: a column is personal data)"
        return CustomSqlAnswer(check.index, refusal=hidden if job.pii else duckdb_error_text(error))


def _rows(table: Table) -> Any:
    return table.named_relation().set_alias("data")  # so that a subquery can say `data.x` for the row at hand


def _find_wrong_type(table: Table, sql: str) -> str | None:
    """Return why the text is no condition. It is parsed alone, as one expression, never as a statement."""
    import duckdb

    (type,) = _rows(table).select(duckdb.SQLExpression(sql)).types
    return (
        None
        if str(type) == "BOOLEAN"
        else f"the result of the SQL expression is of type {str(type).lower()}, not boolean"
    )


def _count_failures(table: Table, check: CustomSqlCheck, job: CustomSqlJob) -> CustomSqlAnswer:
    import duckdb
    import narwhals as nw

    fails = duckdb.SQLExpression(f"NOT coalesce((\n{check.sql}\n), true)").alias(_FAILS)  # NULL passes
    names = table.names_in_sql()
    columns = [duckdb.SQLExpression(quote_identifier(shown)).alias(column_alias(name)) for name, shown in names]
    relation = _rows(table).select(*columns, fails)
    rows, failing = relation.aggregate(f'count(*), count(*) FILTER ("{_FAILS}")').fetchall()[0]
    samples: Any = ()
    if failing and failing / rows > check.max_failing_share:
        rule = RowRule("", "", "", (), nw.col(_FAILS), sample_columns=mentioned_columns(check.sql, table.types))
        key = tuple(name for name in job.key if name in table.types)
        samples = sample_failing_rows(table, relation, rule, key, frozenset(job.pii))
    return CustomSqlAnswer(check.index, int(rows), int(failing), samples)


def _find_indistinct_columns(table: Table, sql: str) -> str | None:
    """Return why an expression names no column, if it mentions some that differ only in case."""
    alike = sorted(set(mentioned_columns(sql, table.types)) & indistinct_names(table.types))
    return f"{' and '.join(map(quote, alike))} differ only in case, which SQL ignores: rename one" if alike else None


@contextmanager
def _limits(table: Table, check: CustomSqlCheck, used: int | None) -> Iterator[None]:
    """Limit the time of what runs here, and the memory that it takes beyond the `used` bytes."""
    timer = threading.Timer(check.max_seconds, table.connection.interrupt)
    timer.daemon = True
    if used is not None:
        import resource

        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        soft = used + check.max_megabytes * _MEGABYTE
        resource.setrlimit(resource.RLIMIT_AS, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))
    # the kernel ends the process by SIGALRM: one long step of a query hears of no interrupt
    signal.setitimer(signal.ITIMER_REAL, check.max_seconds + _GRACE_SECONDS)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        signal.setitimer(signal.ITIMER_REAL, 0)


def _address_space() -> int | None:
    """Return the bytes of address space in use, on Linux. Elsewhere DuckDB's own limit on memory is the only one."""
    if sys.platform != "linux":
        return None
    return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
