"""What GitHub is told of a gate's answer: one comment by a name that cannot be made up, and a check that says no more than is known."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from mlops_ci.core.ci_job import CiJob
from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.notifications import CheckRun, StickyComment
from mlops_ci.core.records.base import ProjectRef
from mlops_ci.core.records.comparison import Verdict
from mlops_ci.core.results.gate import GateReport
from mlops_ci.evaluation.notify import GateSubject, check_run_name, comment_marker, gate_notifications, subject_of
from tests.support.hostile import ANY
from tests.support.report_samples import JOB, judged


def check_of(verdict: Verdict, job: CiJob = JOB, found: tuple[Diagnostic, ...] = (), **given: Any) -> CheckRun:
    *_, check = gate_notifications(job, GateReport(verdict, (judged(verdict),), 1), found, "separated", **given)
    assert isinstance(check, CheckRun)
    return check


def test_a_pull_request_gets_the_comment_and_its_head_the_check() -> None:
    comment, check = gate_notifications(JOB, GateReport("pass", (judged(),), 1), (), "separated")
    assert isinstance(comment, StickyComment)
    assert isinstance(check, CheckRun)
    assert (comment.pull, comment.marker) == (12, "gate/gate")
    assert (check.name, check.commit) == ("mlops-ci: gate", "d" * 40)
    assert check.title.startswith("delay meets every requirement")
    assert check.summary == comment.body


@pytest.mark.parametrize("event", ["merge_group", "push", "schedule"])
def test_other_events_get_the_check_alone(event: str) -> None:
    (check,) = gate_notifications(
        replace(JOB, event=event, pull=None), GateReport("pass", (judged(),), 1), (), "separated"
    )
    assert isinstance(check, CheckRun)


@pytest.mark.parametrize(
    ("verdict", "code", "conclusion"),
    [
        ("pass", 0, "success"),
        ("fail", 1, "failure"),
        ("inconclusive", 0, "neutral"),
        ("incomparable", 0, "neutral"),
        ("inconclusive", 1, "failure"),  # where the spec says that this fails
        ("pass", None, "success"),
    ],
)
def test_the_check_says_what_the_gate_said(verdict: Verdict, code: int | None, conclusion: str) -> None:
    assert check_of(verdict, code=code).conclusion == conclusion


def test_an_error_beside_a_pass_is_no_success() -> None:
    assert check_of("pass", found=(Diagnostic("check-nulls", "hour has nulls"),)).conclusion == "failure"
    assert check_of("pass", found=(Diagnostic("gate-changed", "x", severity="warning"),)).conclusion == "success"


def test_no_answer_is_a_failure() -> None:
    comment, check = gate_notifications(JOB, None, (Diagnostic("spec-value", "unknown field"),), "separated", code=2)
    assert isinstance(comment, StickyComment)
    assert isinstance(check, CheckRun)
    assert check.conclusion == "failure"
    assert "`spec-value`" in comment.body


def test_an_untrusted_answer_never_succeeds_nor_takes_the_name_of_a_trusted_one() -> None:
    """Given a rule of the branch that asks for the gate's check, then no answer that a fork made up can satisfy it."""
    trusted, untrusted = check_of("pass"), check_of("pass", untrusted=True)
    assert untrusted.conclusion == "neutral"
    assert untrusted.name == "mlops-ci: gate (untrusted run)" != trusted.name
    assert check_of("fail", untrusted=True).conclusion == "failure"


@given(ANY)
def test_a_workflow_s_name_makes_a_marker_that_ends_nothing(name: str) -> None:
    job = replace(JOB, workflow=name)
    assert re.fullmatch(r"gate/[A-Za-z0-9._-]{1,60}", comment_marker(job))
    assert "--" not in comment_marker(job)
    assert all(char.isprintable() for char in check_run_name(job))
    assert len(check_run_name(job)) < 120


def test_no_project_and_no_call_replaces_what_is_said_of_another() -> None:
    subjects = [
        GateSubject(),
        *(GateSubject(name, call) for name in ("a", "b", "a-b") for call in ("", "b", "x y", '["x"]')),
    ]
    assert len({comment_marker(JOB, one) for one in subjects}) == len(subjects)
    assert len({check_run_name(JOB, one) for one in subjects}) == len(subjects)
    assert comment_marker(JOB, GateSubject("a", "b")) == "gate/gate/a/b"
    assert check_run_name(JOB, GateSubject("a", "b")) == "mlops-ci: gate (a, b)"


def test_a_report_is_about_its_project_and_otherwise_about_what_is_known() -> None:
    known = GateSubject("from the artifact")
    report = GateReport("pass", (judged(),), 1, project=ProjectRef("shop", "team"), call="again")
    assert subject_of(report, known) == GateSubject("shop", "again")
    assert subject_of(None, known) == known
    comment, _ = gate_notifications(JOB, report, (), "separated", subject=subject_of(report, known))
    assert isinstance(comment, StickyComment)
    assert comment.body.startswith("## ✅ mlops-ci gate: pass (shop, again)\n")
    assert "mlops-ci gate -C team delay" in comment.body


def test_two_workflows_do_not_share_a_comment() -> None:
    names = ("gate", "the gate", "the-gate", "the/gate", "Gate", "the--gate", "")
    assert len({comment_marker(replace(JOB, workflow=name)) for name in names}) == len(names)
    assert comment_marker(replace(JOB, workflow="the gate")) == "gate/the-gate-4602373b"
