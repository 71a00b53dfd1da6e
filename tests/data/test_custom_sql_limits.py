"""What a `custom-sql` expression may take and read: the author of a pull request writes it."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pytest

from mlops_ci.core import process
from mlops_ci.data.custom_sql import evaluation
from mlops_ci.data.engines.duckdb import ConnectionLimits, open_locked_connection
from mlops_ci.spec.spec_types import CheckSpec, ColumnSpec

HARMLESS = CheckSpec("custom-sql", name="low", sql="id < 2")


def limited(sql: str, seconds: float = 0.5, megabytes: int = 300) -> CheckSpec:
    return CheckSpec("custom-sql", name="greedy", sql=sql, max_seconds=seconds, max_megabytes=megabytes)


@pytest.mark.parametrize(
    "sql",
    [
        "(SELECT count(*) FROM range(1000000000000)) > id",
        # one step of a query, which hears of no interrupt
        "levenshtein(repeat('a', 200000 + id), repeat('b', 200000)) > 0",
    ],
)
def test_a_check_that_does_not_end_is_stopped_and_the_others_are_judged(bench: Any, sql: str) -> None:
    bench.csv("id\n1\n2\n")
    began = time.monotonic()
    record, found = bench.snapshot(checks=(limited(sql), HARMLESS))
    assert time.monotonic() - began < 15
    assert [(item.id, item.location.path) for item in found] == [
        ("check-custom-sql", "spec/checks/1"),
        ("check-sql-limit", "spec/checks/0/sql"),
    ]
    assert found[1].message == "the check 'greedy' was stopped: it took more than 0.5 s"
    assert "`maxSeconds`" in found[1].help
    assert record.rows == 2


@pytest.mark.parametrize(
    "sql",
    [
        "length(repeat('x', 3000000000)) > 0",  # while the query is planned
        "list_sum(range(1000000000 + id)) > 0",  # in a function
        "(SELECT list(a.range) FROM range(100000000) a, range(100) b) IS NULL",  # in an aggregate
    ],
)
def test_a_check_that_takes_much_memory_is_stopped(bench: Any, sql: str) -> None:
    bench.csv("id\n1\n2\n")
    record, found = bench.snapshot(checks=(limited(sql, seconds=20), HARMLESS))
    assert [item.id for item in found] == ["check-custom-sql", "check-sql-limit"]
    assert found[1].message == "the check 'greedy' was stopped: it took more than 300 MB of memory"
    assert [check.passed for check in record.checks] == [False, False]


def test_all_checks_of_a_dataset_share_a_time(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "TOTAL_LIMITS", 1)
    bench.csv("id\n1\n")
    endless = limited("(SELECT count(*) FROM range(1000000000000)) > id", 1)
    found = bench.snapshot(checks=(endless, endless, limited("id > 0", 1)))[1]
    assert [item.message.partition("than ")[2] for item in found] == [
        "1 s",
        "1 s together with the dataset's other custom-sql checks",
        "1 s together with the dataset's other custom-sql checks",
    ]


def test_checks_that_are_each_quick_enough_share_the_time_too(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change's author can write any number of checks that each end just in time."""
    monkeypatch.setattr(evaluation, "TOTAL_LIMITS", 0.05)
    bench.csv("id\n1\n")
    slow = limited(
        "(SELECT count(*) FROM range(20000000) t(i) WHERE hash(i + id) % 7 = 1) > 0", 20
    )  # a part of a second
    found = bench.snapshot(checks=(slow,) * 40)[1]
    assert {(item.id, item.message.partition("than ")[2]) for item in found} == {
        ("check-sql-limit", "1 s together with the dataset's other custom-sql checks")
    }


def test_a_result_that_a_limit_cut_short_is_not_stored(bench: Any, tmp_path: Path) -> None:
    bench.csv("id\n1\n")
    stored = type(bench)(bench.root, cache=tmp_path / "cache")
    assert stored.ids(checks=(limited("(SELECT count(*) FROM range(1000000000000)) > id"),)) == ["check-sql-limit"]
    assert not list((tmp_path / "cache").glob("*"))
    assert stored.ids(checks=(HARMLESS,)) == []
    assert len(list((tmp_path / "cache").glob("*"))) == 1


def test_a_warning_that_was_stopped_is_a_warning(bench: Any) -> None:
    bench.csv("id\n1\n")
    check = CheckSpec(
        "custom-sql", sql="(SELECT count(*) FROM range(1000000000000)) > id", severity="warn", max_seconds=0.5
    )
    (found,) = bench.snapshot(checks=(check,))[1]
    assert (found.id, found.severity) == ("check-sql-limit", "warning")


def test_a_crash_of_the_engine_is_the_fault_of_the_check_that_ran(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.csv("id\n1\n2\n")
    crash = "import os, signal, sys; os.kill(os.getpid(), signal.SIGSEGV)"
    real = process.module_command
    commands = iter([[sys.executable, "-c", crash]])
    monkeypatch.setattr(process, "module_command", lambda *args: next(commands, None) or real(*args))
    found = bench.snapshot(checks=(CheckSpec("custom-sql", name="odd", sql="id > 0"), HARMLESS))[1]
    assert [item.message for item in found] == [
        "check 'low': 1 of 2 rows (50 %) fails 'id < 2'",
        "the check 'odd' cannot be evaluated: DuckDB crashed (SIGSEGV)",
    ]


def test_a_process_that_fails_by_our_fault_is_a_bug(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.csv("id\n1\n")
    command = [sys.executable, "-c", "raise SystemExit('no such module')"]
    monkeypatch.setattr(process, "module_command", lambda *_: command)
    with pytest.raises(RuntimeError, match="no such module"):
        bench.snapshot(checks=(HARMLESS,))


def test_what_does_not_fit_into_memory_goes_to_a_folder_that_disappears(tmp_path: Path) -> None:
    spill = tmp_path / "spill"
    connection = open_locked_connection((), ConnectionLimits(str(spill), "1GB", "60MB"))
    # 120 MB that do not compress, sorted in 60 MB
    query = "SELECT hash(range) AS a, hash(range + 1) AS b, hash(range + 2) AS c FROM range(5000000) ORDER BY a"
    relation = connection.execute(query)
    relation.fetchone()
    assert list(spill.iterdir())
    connection.close()
    assert not spill.exists()


def test_a_spill_that_grows_too_large_is_an_error(tmp_path: Path) -> None:
    import duckdb

    connection = open_locked_connection((), ConnectionLimits(str(tmp_path / "spill"), "20MB", "60MB"))
    query = "SELECT hash(range) AS a, hash(range + 1) AS b, hash(range + 2) AS c FROM range(5000000) ORDER BY a"
    with pytest.raises(duckdb.OutOfMemoryException, match="max_temp_directory_size"):
        connection.execute(query).fetchone()
    connection.close()


def test_personal_data_stay_out_of_a_refusal(bench: Any) -> None:
    bench.csv("id,mail\n1,ann@example.org\n")
    columns = {"mail": ColumnSpec("string", tags=("pii",))}
    checks = (CheckSpec("custom-sql", sql="CAST(mail AS INTEGER) > 1"),)
    (found,) = bench.snapshot(columns=columns, checks=checks)[1]
    assert (found.id, "ann@" in found.message) == ("check-sql-invalid", False)
