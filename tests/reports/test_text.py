"""Plain text: what a reader of a log is shown, and that nothing in it drives the log."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import replace

import pytest

from mlops_ci.core import results
from mlops_ci.core.records.base import FileDigest
from mlops_ci.core.records.comparison import HoldoutQuestion, MetricValue
from mlops_ci.core.records.training_run import TrainingEnvironment
from mlops_ci.core.results.gate import CheckReport, CompareReport, ValidateReport
from mlops_ci.core.results.lifecycle import DeployReport, FetchReport, RetireReport
from mlops_ci.core.results.queries import Cause, RecordedDifference, ReproduceReport, ReproductionEnvironment
from mlops_ci.reports import text
from mlops_ci.reports.text import render_text
from tests.support.report_samples import DIGEST, check, comparison, snapshot


def test_checks_that_passed_are_counted_and_those_that_failed_are_shown() -> None:
    report = CheckReport((snapshot(*[check(True)] * 97, check(False), files=2),))
    assert render_text(report).splitlines() == [
        "flights: 1,200 rows in 2 files, 1 of 98 checks failed",
        "  column  check  wanted     observed",
        "  hour    nulls  at most 0  3 missing  error",
        "  97 checks passed",
        f"  files sha256:{report.datasets[0].files_digest}",
    ]


def test_one_thing_is_not_called_several() -> None:
    assert (
        render_text(CheckReport((snapshot(check(True), rows=1),))).splitlines()[0]
        == "flights: 1 row in 1 file, 1 check passed"
    )
    assert "1 of 1 check failed" in render_text(CheckReport((snapshot(check(False)),)))
    assert (
        render_text(ValidateReport(("a.yaml",), {"Project": 1, "Model": 0, "Deployment": 2}))
        == "specs: 1 Project, 2 Deployments"
    )
    fetched = FetchReport("delay", "1.0.0", "model", (FileDigest("model.skops", DIGEST, 1),), ())
    assert "(1 file, verified)" in render_text(fetched)


def sliced(metric: str, **values: float) -> tuple[MetricValue, ...]:
    """Slices `c=NAME` of a metric; those with an upper-case name are too small for an interval."""
    return tuple(
        MetricValue(
            metric,
            value,
            None if name.isupper() else value - 0.1,
            None if name.isupper() else value + 0.1,
            f"c={name}",
            100,
        )
        for name, value in values.items()
    )


def test_the_worst_three_slices_of_the_first_metric_are_shown() -> None:
    metrics = (
        MetricValue("auc", 0.7),
        *sliced("auc", a=0.9, b=0.5, c=0.7, d=0.6, TINY=0.1),
        *sliced("accuracy", a=0.1),
    )
    shown = render_text(CompareReport((comparison(metrics=metrics),)))
    assert shown.splitlines()[-5:] == [
        "  auc by slice, the worst of 5 slices:",
        "    slice  value  interval        rows",
        "    c=b    0.500  [0.400, 0.600]  100",
        "    c=d    0.600  [0.500, 0.700]  100",
        "    c=c    0.700  [0.600, 0.800]  100",
    ]


def test_of_an_error_the_greatest_is_the_worst_and_small_slices_are_better_than_none() -> None:
    shown = render_text(CompareReport((comparison(metric="mae", metrics=sliced("mae", A=1.0, B=3.0)),)))
    assert [line.split()[0] for line in shown.splitlines()[-3:]] == ["slice", "c=B", "c=A"]
    assert shown.splitlines()[-4] == "  mae by slice:"


def test_what_a_question_to_a_holdout_cost_stands_under_the_sentence() -> None:
    asked = HoldoutQuestion("flights", 1, 50, 3)
    judged = replace(comparison(), confidence=0.999, holdout_question=asked)
    assert render_text(CompareReport((judged,))).splitlines()[1:3] == [
        "  auc 0.71",
        "  evaluation 3 of 50 on the holdout of flights, epoch 1: each test at significance level 0.001",
    ]
    kept = replace(judged, holdout_question=replace(asked, number=None))
    assert (
        "  one of 50 evaluations on the holdout of flights, epoch 1: each test at significance level 0.001"
        in render_text(CompareReport((kept,))).splitlines()
    )
    assert "evaluation" not in render_text(CompareReport((comparison(),)))


def test_without_slices_there_is_no_word_of_them() -> None:
    assert "slice" not in render_text(CompareReport((comparison(metrics=(MetricValue("auc", 0.7),)),)))


def test_the_command_after_a_merge_is_printed_as_the_step_gives_it() -> None:
    report = DeployReport(
        "delay",
        "1.0.0",
        "prod",
        "requested",
        "deploy/prod",
        branch="b",
        follow_up_command="mlops-ci rollback delay --env prod",
    )
    assert render_text(report).splitlines()[-1] == "  merge that branch, then run `mlops-ci rollback delay --env prod`"


def test_what_is_retired_is_named_with_its_tags_and_what_went() -> None:
    report = RetireReport(
        "delay", "unassignment", "retired", "nobody asks", "2.0.0", "prod", ("delay#prod!#5",), "deploy/prod/delay"
    )
    assert render_text(report).splitlines() == [
        "delay@v2.0.0 is retired from prod: delay#prod!#5",
        "  removed: deploy/prod/delay/",
        "  reason: nobody asks",
    ]
    whole = RetireReport("delay", "deprecation", "unchanged", "no funds")
    assert render_text(whole).splitlines()[0] == "delay is already retired; nothing to do"


HOSTILE = [
    "::error::x",
    "  ::add-mask::x",
    "a\n::stop-commands::x",
    "##[error]x",
    "a\u2028b",
    "\x1b[2J",
    "\ud800",
    "a\r\nb\x00",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_shown_and_obeyed_by_nothing(name: str) -> None:
    metrics = (MetricValue("auc", 0.5, 0.4, 0.6, name, 100),)
    reports = (
        CheckReport((snapshot(check(False, column=name, wanted=name, observed=name)),)),
        CompareReport((comparison(sentence=name, reason=name, metrics=metrics),)),
    )
    for report in reports:
        shown = render_text(report)
        shown.encode()
        assert not [line for line in shown.splitlines() if line.strip().startswith("::") or "##[" in line]
        assert all(char.isprintable() or char == "\n" for char in shown)


def test_a_release_made_again_is_shown_with_what_was_compared_and_what_has_moved() -> None:
    environment = TrainingEnvironment("3.11.7", {"numpy": "2.0"})
    cause = Cause("cpu", "another CPU kernel", (RecordedDifference("kernels", "Haswell", "Zen"),))
    report = ReproduceReport(
        "delay@v1.0.0", "c" * 40, "a" * 32, "equivalent", "predictions", "r" * 64, environment, ("m" * 64, "m" * 64),
        500, 0, 1.5e-15, 1e-9, (cause,), ReproductionEnvironment(environment, "uv"), 12.34,
    )  # fmt: skip
    assert render_text(report).splitlines() == [
        "delay@v1.0.0: equivalent",
        f"  commit       {'c' * 10}",
        f"  recorded     {'r' * 64}",
        f"  reproduced   {'m' * 64}",
        f"  reproduced   {'m' * 64}",
        "  predictions  500 golden rows: 0 changed; the other predictions differ by at most 1.5e-15 (tolerance 1e-09)",
        "  environment  built by uv: Python 3.11.7, 1 recorded package",
        "  cpu: another CPU kernel",
        "             recorded  found",
        "    kernels  Haswell   Zen",
        "  12.3 s",
    ]


def test_every_report_has_a_writer() -> None:
    names = [module.name for module in pkgutil.iter_modules(results.__path__)]
    modules = [importlib.import_module(f"mlops_ci.core.results.{name}") for name in names]
    reports = {name for module in modules for name in vars(module) if name.endswith("Report")}
    assert reports == set(text._WRITERS)
    places = [place.split(".") for place in text._WRITERS.values()]
    assert all(callable(vars(importlib.import_module(f"mlops_ci.reports.{module}"))[name]) for module, name in places)
