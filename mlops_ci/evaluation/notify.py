"""The notifications about a gate's result: one comment on the pull request, and one check of the commit."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mlops_ci.core.choices import Trust
from mlops_ci.core.ci_job import CiJob
from mlops_ci.core.diagnostics import Diagnostic, has_errors, replace_control_characters
from mlops_ci.core.digest import digest_bytes
from mlops_ci.core.errors import Exit
from mlops_ci.core.notifications import CheckRun, Conclusion, Notification, StickyComment
from mlops_ci.core.results.gate import GateReport
from mlops_ci.reports.escaping import clip
from mlops_ci.reports.pull_request import render_comment
from mlops_ci.reports.verdict import gate_report_sentence

_PLAIN_NAME = re.compile(r"(?!.*--)[A-Za-z0-9][A-Za-z0-9._-]{0,59}")


def gate_notifications(
    job: CiJob,
    report: GateReport | None,
    diagnostics: Sequence[Diagnostic],
    trust: Trust,
    *,
    code: Exit | int | None = None,
    untrusted: bool = False,
) -> tuple[Notification, ...]:
    """Return the notifications: a comment when the job belongs to a pull request, and a check when its commit is known.

    `report` is None when an error stopped the gate. `code` is the gate's exit code, if known; it also covers inconclusive
    verdicts that a spec treats as failures. `untrusted` means that the change itself could have forged the report: then
    the check has another name, so that no branch rule mistakes it for the gate's check, and its conclusion is never
    `success`.
    """
    body = render_comment(report, diagnostics, job=job, trust=trust, untrusted=untrusted)
    notifications: list[Notification] = []
    if job.pull is not None:
        notifications.append(StickyComment(job.pull, comment_marker(job), body))
    if job.commit:
        conclusion = _conclusion(report, diagnostics, code)
        if untrusted and conclusion == "success":
            conclusion = "neutral"
        title = clip(replace_control_characters(gate_report_sentence(report)), 200)
        notifications.append(CheckRun(check_run_name(job, untrusted=untrusted), job.commit, conclusion, title, body))
    return tuple(notifications)


def comment_marker(job: CiJob) -> str:
    """Return the marker by which a workflow finds its own comment again; unusual workflow names get a digest."""
    name = job.workflow
    if _PLAIN_NAME.fullmatch(name):
        return f"gate/{name}"
    slug = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:40]
    digest = digest_bytes(name.encode("utf-8", "surrogatepass"))[:8]
    return f"gate/{f'{slug}-' if slug else ''}{digest}"


def check_run_name(job: CiJob, *, untrusted: bool = False) -> str:
    """Return the name of a workflow's check."""
    name = clip(replace_control_characters(job.workflow), 80) or "gate"
    return f"mlops-ci: {name}{' (untrusted run)' if untrusted else ''}"


def _conclusion(report: GateReport | None, diagnostics: Sequence[Diagnostic], code: Exit | int | None) -> Conclusion:
    if report is None or report.verdict == "fail" or has_errors(tuple(diagnostics)) or code not in (None, 0):
        return "failure"
    return "success" if report.verdict == "pass" else "neutral"
