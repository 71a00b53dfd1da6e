"""The notifications about a gate's result: one comment on the pull request, and one check of the commit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mlops_ci.core.choices import Trust
from mlops_ci.core.ci_job import MAX_CALL_LENGTH, CiJob
from mlops_ci.core.diagnostics import Diagnostic, has_errors, replace_control_characters
from mlops_ci.core.digest import digest_bytes
from mlops_ci.core.errors import Exit
from mlops_ci.core.notifications import CheckRun, Conclusion, Notification, StickyComment
from mlops_ci.core.results.gate import GateReport
from mlops_ci.reports.escaping import clip
from mlops_ci.reports.pull_request import render_comment
from mlops_ci.reports.verdict import gate_report_sentence

_PLAIN_NAME = re.compile(r"(?!.*--)[A-Za-z0-9][A-Za-z0-9._-]{0,59}")


@dataclass(frozen=True)
class GateSubject:
    """What a gate's result is about: a project, and the call of the workflow where a run has several for one project."""

    project: str = ""
    call: str = ""

    @property
    def text(self) -> str:
        """Both, on one line."""
        shown = [clip(replace_control_characters(one), MAX_CALL_LENGTH) for one in (self.project, self.call) if one]
        return ", ".join(shown)


WHOLE_WORKFLOW = GateSubject()


def subject_of(report: GateReport | None, otherwise: GateSubject) -> GateSubject:
    """Return what a report is about; `otherwise`, if an error stopped the gate before it could say so."""
    return GateSubject(report.project.name, report.call) if report and report.project else otherwise


def gate_notifications(
    job: CiJob,
    report: GateReport | None,
    diagnostics: Sequence[Diagnostic],
    trust: Trust,
    *,
    subject: GateSubject = WHOLE_WORKFLOW,
    code: Exit | int | None = None,
    untrusted: bool = False,
) -> tuple[Notification, ...]:
    """Return the notifications: a comment when the job belongs to a pull request, and a check when its commit is known.

    A comment and a check are those of one workflow, and of one `subject` in it: what is said of a project never replaces what is
    said of another. `report` is None when an error stopped the gate. `code` is the gate's exit code, if known; it also covers inconclusive
    verdicts that a spec treats as failures. `untrusted` means that the change itself could have forged the report: then
    the check has another name, so that no branch rule mistakes it for the gate's check, and its conclusion is never
    `success`.
    """
    body = render_comment(report, diagnostics, job=job, trust=trust, about=subject.text, untrusted=untrusted)
    notifications: list[Notification] = []
    if job.pull is not None:
        notifications.append(StickyComment(job.pull, comment_marker(job, subject), body))
    if job.commit:
        conclusion = _conclusion(report, diagnostics, code)
        if untrusted and conclusion == "success":
            conclusion = "neutral"
        title = clip(replace_control_characters(gate_report_sentence(report)), 200)
        notifications.append(
            CheckRun(check_run_name(job, subject, untrusted=untrusted), job.commit, conclusion, title, body)
        )
    return tuple(notifications)


def comment_marker(job: CiJob, subject: GateSubject = WHOLE_WORKFLOW) -> str:
    """Return the marker by which a workflow finds its comment on a subject again; unusual names get a digest."""
    parts = [_marker_part(name) for name in (subject.project, subject.call) if name]
    return "/".join(["gate", _marker_part(job.workflow), *parts])


def _marker_part(name: str) -> str:
    if _PLAIN_NAME.fullmatch(name):
        return name
    slug = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:40].rstrip("-")
    digest = digest_bytes(name.encode("utf-8", "surrogatepass"))[:8]
    return f"{slug}-{digest}" if slug else digest


def check_run_name(job: CiJob, subject: GateSubject = WHOLE_WORKFLOW, *, untrusted: bool = False) -> str:
    """Return the name of a workflow's check on a subject."""
    name = clip(replace_control_characters(job.workflow), 80) or "gate"
    about = f" ({subject.text})" if subject.text else ""
    return f"mlops-ci: {name}{about}{' (untrusted run)' if untrusted else ''}"


def _conclusion(report: GateReport | None, diagnostics: Sequence[Diagnostic], code: Exit | int | None) -> Conclusion:
    if report is None or report.verdict == "fail" or has_errors(tuple(diagnostics)) or code not in (None, 0):
        return "failure"
    return "success" if report.verdict == "pass" else "neutral"
