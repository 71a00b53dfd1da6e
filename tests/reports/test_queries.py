"""The registry's longer answers: what runs and why, experiments side by side, two versions side by side."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlops_ci.core.records.base import EventRef
from mlops_ci.core.records.comparison import MetricValue
from mlops_ci.core.records.events import Approval
from mlops_ci.core.results.queries import (
    DiffReport,
    DiffSide,
    FieldChange,
    FileChange,
    MetricChange,
    ModelRuns,
    RunningVersion,
    RunRow,
    RunsReport,
)
from mlops_ci.core.results.registry import Actor, ModelRow, ShowReport
from mlops_ci.reports.queries import diff_lines, diff_markdown, running_lines, runs_lines

ON = "2026-11-22T20:00:00+00:00"
RUNNING = RunningVersion(
    "prod",
    "1.0.0",
    ON,
    ON,
    "assignment",
    "Ada Lovelace",
    Actor("Ada Lovelace", "ada@example.org"),
    EventRef("delay#prod#1", "1" * 40),
    "c" * 40,
)
BEFORE = DiffSide("delay@v1.0.0", "delay", "a" * 32, "7" * 64, ON, "1.0.0", "c" * 40)
AFTER = DiffSide("run b", "delay", "b" * 32, "8" * 64, ON)
SAME = DiffReport(BEFORE, AFTER, False, True, (), (), (), (), (), (), (FileChange("model.skops", 1000, 2000, False),))


def running(**changes: object) -> list[str]:
    row = ModelRow("delay", "1.0.0", {"prod": "1.0.0"}, ("1.0.0",), {})
    report = ShowReport(("prod",), (row,), running=(replace(RUNNING, **changes),))  # type: ignore[arg-type]  # a test's own names and values
    return "\n".join(running_lines(report)).splitlines()[1:]


def diff(**changes: object) -> list[str]:
    return "\n".join(diff_lines(replace(SAME, **changes))).splitlines()  # type: ignore[arg-type]  # a test's own names and values


def test_what_another_tool_has_put_there_is_told_as_far_as_its_tag_tells() -> None:
    assert running() == [
        "prod: delay@v1.0.0",
        "  since     2026-11-22 20:00 UTC, by Ada Lovelace",
        "  why       assignment, no reason given",
        "  approved  by nobody (none required)",
        f"  commit    {'c' * 40}",
        f"  tag       delay#prod#1 ({'1' * 40})",
    ]


def test_a_version_that_was_assigned_again_has_both_dates_and_the_reason_of_a_rollback() -> None:
    said = running(
        assigned_on="2026-11-23T08:30:59+00:00", rollback_of="2.0.0", reason="late arrivals", run_url="https://ci/9"
    )
    assert said[1:3] == [
        "  since     2026-11-22 20:00 UTC (assigned again 2026-11-23 08:30 UTC), by Ada Lovelace in https://ci/9",
        "  why       rollback of v2.0.0: late arrivals",
    ]


def test_each_approval_says_who_how_and_when() -> None:
    both = (Approval("signature", "bob", ON), Approval("review", "eve", ON, url="https://host/1"))
    assert running(approvals=both, approvals_required=2)[3] == (
        "  approved  bob (signature, 2026-11-22 20:00 UTC), eve (review, 2026-11-22 20:00 UTC, https://host/1) (2 required)"
    )


@pytest.mark.parametrize("on", ["yesterday", "2026-11-22T20:00:00+01:00", "2026-11-22"])
def test_a_time_of_another_form_stands_as_it_is(on: str) -> None:
    assert running(since=on, assigned_on=on)[1] == f"  since     {on}, by Ada Lovelace"


def test_a_clone_without_runs_says_so_and_how_to_get_them() -> None:
    assert list(runs_lines(RunsReport(()))) == ["this clone has no runs"]
    assert list(runs_lines(RunsReport((), "git fetch origin")))[1] == (
        "\nthe runs of others are not fetched by default; to fetch them: git fetch origin"
    )


def test_experiments_stand_side_by_side_by_what_differs() -> None:
    gated = RunRow("a" * 32, "k", "r", ON, "sklearn.svm.SVC", {"C": "1"}, {"auc": 0.7512}, "pass", "1.0.0")
    new = RunRow("b" * 32, "k", "r", ON, "train.py:make", {}, {}, None, None)
    models = (ModelRuns("delay", ("C",), ("auc",), (gated, new)), ModelRuns("late", (), (), (new,)))
    assert "\n".join(runs_lines(RunsReport(models))).splitlines() == [
        "delay: 2 runs",
        "  key           on (UTC)          estimator      C  auc    verdict    release",
        "  aaaaaaaaaaaa  2026-11-22 20:00  SVC            1  0.751  pass       v1.0.0",
        "  bbbbbbbbbbbb  2026-11-22 20:00  train.py:make  -  -      not gated",
        "",
        "late: 1 run",
        "  key           on (UTC)          estimator      verdict",
        "  bbbbbbbbbbbb  2026-11-22 20:00  train.py:make  not gated",
    ]


def test_two_sides_of_the_same_parts_differ_in_their_files_alone() -> None:
    assert diff() == [
        "delay@v1.0.0 -> run b",
        "  made: 2026-11-22 20:00 UTC on commit cccccccccc -> 2026-11-22 20:00 UTC",
        "  run: aaaaaaaaaaaa -> bbbbbbbbbbbb",
        "  model: sha256:777777777777 -> sha256:888888888888",
        "",
        "files",
        "  file         bytes before  bytes after",
        "  model.skops  1,000         2,000        differs",
        "",
        "unchanged: spec, data, environment, code, gate",
    ]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (None, "x", "(none) -> x"),
        (0.1 + 0.2, 1, "0.3 -> 1"),
        (True, {"a": "ü"}, 'true -> {"a": "ü"}'),
        ("sha256 " + "0123456789ab" * 5 + "0123", None, "sha256 0123456789ab -> (none)"),
        ("x" * 101, "x" * 100, f"{'x' * 100}... -> {'x' * 100}"),
        (["a", "b"], ["b", "c"], '["a", "b"] -> ["b", "c"] (-a +c)'),
        (["a", "b"], ["b", "a"], '["a", "b"] -> ["b", "a"] (another order)'),
    ],
)
def test_a_change_is_written_in_a_line(before: object, after: object, said: str) -> None:
    lines = diff(spec=(FieldChange("train", before, after),))
    assert lines[lines.index("spec") + 1] == f"  train: {said}"
    assert lines[-1] == "unchanged: data, environment, code, gate"


def test_metrics_of_other_rows_are_not_passed_off_as_a_difference() -> None:
    value = MetricValue("auc", 0.75, 0.74, 0.76, None, 100)
    one = MetricChange("auc", value, replace(value, value=0.8), 0.05, True)
    gone = MetricChange("f1", value, None, None, None)
    lines = diff(metrics=(one, gone), same_holdout=False)
    at = lines.index("metrics (on different holdout rows)")
    assert lines[at + 2].split() == [
        "auc",
        "0.750",
        "[0.740,",
        "0.760]",
        "0.800",
        "[0.740,",
        "0.760]",
        "+0.0500",
        "better",
    ]
    assert lines[at + 3].split() == ["f1", "0.750", "[0.740,", "0.760]"]
    assert "metrics" in diff(metrics=(one,), same_holdout=None)


def test_markdown_has_the_same_sections_in_the_same_order() -> None:
    changes = (FieldChange("rows", 1, 2),)
    page = diff_markdown(replace(SAME, data=changes, gate=changes))
    assert [line for line in page.splitlines() if line.startswith("#")] == [
        "## `delay@v1.0.0` and run b",
        "### data",
        "### gate",
        "### files",
    ]
