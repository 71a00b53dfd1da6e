"""Evaluates the `custom-sql` checks of a dataset in processes with limits, since a change's author writes the expressions."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlops_ci.core import process
from mlops_ci.core.codec import DecodeError, decode_json, encode
from mlops_ci.core.leftovers import scratch_folder
from mlops_ci.core.process import ProcessResult
from mlops_ci.data.check_types import built_in_checks
from mlops_ci.data.custom_sql.protocol import ANSWERS_FILE, CustomSqlAnswer, CustomSqlCheck, CustomSqlJob
from mlops_ci.data.engines.duckdb import Table
from mlops_ci.spec.personal_data import personal_columns
from mlops_ci.spec.spec_types import DatasetSpec

TOTAL_LIMITS = 4  # all checks of a dataset together may take this many times the longest limit of one
_JOB_FILE = "job.json"
_MAX_ANSWER_BYTES = 64 << 20


def evaluate_custom_sql(table: Table, spec: DatasetSpec) -> tuple[CustomSqlAnswer, ...]:
    """Return the answer of each `custom-sql` check, in the order of the spec.

    Assumes that the files of `table` are as they were read. Raises EnvironmentProblem when no process can be started.
    """
    checks = [
        CustomSqlCheck(index, check.sql, float(check.max or 0), float(check.max_seconds), check.max_megabytes)
        for index, check in built_in_checks(spec)
        if check.sql is not None
    ]
    if not checks:
        return ()
    answers: dict[int, CustomSqlAnswer] = {}
    seconds = left = TOTAL_LIMITS * max(check.max_seconds for check in checks)
    with scratch_folder("sql") as folder:
        while pending := [check for check in checks if check.index not in answers]:
            if left <= 0:
                why = f"{seconds:g} s together with the dataset's other custom-sql checks"
                answers |= {check.index: CustomSqlAnswer(check.index, exceeded=why) for check in pending}
                break
            began = time.monotonic()
            answers |= _run_worker(table, spec, pending, folder, left)
            left -= time.monotonic() - began
    return tuple(answers[check.index] for check in checks)


def _run_worker(
    table: Table, spec: DatasetSpec, checks: Sequence[CustomSqlCheck], folder: Path, seconds: float
) -> Mapping[int, CustomSqlAnswer]:
    """Return the answers of one process: at least one, unless it took the `seconds` that are left for all checks."""
    if table.files is None:
        raise ValueError("the table was not read from files")
    job = CustomSqlJob(
        root=str(table.files.root.resolve()),
        files=table.files.files,
        source=table.files.source,
        columns={name: column for name, column in spec.columns.items() if name in table.types},
        key=spec.key,
        pii=tuple(sorted(personal_columns(spec))),
        checks=tuple(checks),
        seconds=seconds,
        spill=str(folder / "spill"),
    )
    (folder / _JOB_FILE).write_text(json.dumps(encode(job)), encoding="utf-8")
    (folder / ANSWERS_FILE).unlink(missing_ok=True)
    command = process.module_command("mlops_ci.data.custom_sql.worker", str(folder / _JOB_FILE))
    ended = process.run_guarded(command, cwd=folder)
    found = {answer.index: answer for answer in _read_answers(folder / ANSWERS_FILE)}
    unanswered = next((check for check in checks if check.index not in found), None)
    if unanswered is None or any(answer.exceeded for answer in found.values()):
        return found
    is_cut_short = unanswered.max_seconds > seconds - sum(answer.seconds for answer in found.values())
    if is_cut_short and ended.returncode in (0, -signal.SIGALRM):
        return found
    return {**found, unanswered.index: _answer_for_dead(unanswered, ended)}


def _answer_for_dead(check: CustomSqlCheck, ended: ProcessResult) -> CustomSqlAnswer:
    """Return the answer of the check that a process died of."""
    if ended.returncode >= 0:
        raise RuntimeError(f"the process that evaluates custom-sql failed:\n{ended.tail}")
    if ended.returncode == -signal.SIGALRM:
        return CustomSqlAnswer(check.index, exceeded=f"{check.max_seconds:g} s")
    if ended.returncode in (
        -signal.SIGABRT,
        -signal.SIGKILL,
    ):  # no memory where a failure cannot be told; the kernel's killer
        return CustomSqlAnswer(check.index, exceeded=f"{check.max_megabytes:,} MB of memory")
    return CustomSqlAnswer(check.index, refusal=f"DuckDB crashed ({signal.Signals(-ended.returncode).name})")


def _read_answers(path: Path) -> list[CustomSqlAnswer]:
    try:
        with path.open("rb") as stream:
            lines = stream.read(_MAX_ANSWER_BYTES).split(b"\n")
    except FileNotFoundError:
        return []
    answers = []
    for line in lines[:-1]:  # what follows the last line's end was not finished
        try:
            answers.append(decode_json(CustomSqlAnswer, line))
        except DecodeError:
            break
    return answers
