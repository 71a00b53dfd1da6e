"""`ci report`: reports a gate's result to GitHub. The file may come from a fork's run, so everything in it is checked."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from mlops_ci.core.ci_job import CiJob
from mlops_ci.core.errors import EnvironmentProblem, Findings, UsageProblem
from mlops_ci.core.notifications import Notification
from mlops_ci.core.plan import Outcome, Plan
from mlops_ci.core.results.notify import NotificationReport, ReportedResult
from mlops_ci.core.verbs import Option, TokenPermission, Verb
from mlops_ci.evaluation.notify import WHOLE_WORKFLOW, GateSubject, check_run_name, gate_notifications, subject_of
from mlops_ci.evaluation.report_file import read_gate_answer
from mlops_ci.integrations.github.queries import find_pull_requests
from mlops_ci.repository.context import Context

SPEC = Verb(
    "report",
    "Report a gate's result on the pull request and its commit.",
    (
        Option(
            "file",
            "The gate's result: the output of `gate --format json`, or the file in the output `record` of its Action; or a folder of"
            " downloaded artifacts `mlops-ci-gate-*`, whose results are reported one by one.",
            kind="path",
            positional=True,
            required=True,
            metavar="FILE",
        ),
    ),
    needs="nothing",
    writes=True,
    surfaces=("cli", "action"),
    permissions=(
        TokenPermission("pull-requests", "write", "comments on the pull request"),
        TokenPermission("checks", "write", "adds a check run to the commit"),
    ),
    icon="message-square",
    details="Runs in a job of GitHub Actions, with a token in GITHUB_TOKEN. Adds a comment and a check run. FILE is not trusted: an"
    " inconsistent result is refused and not reported. If another workflow's run started the job (the event workflow_run, which"
    " is how pull requests from forks get their comment), GitHub tells which pull request it is, and the comment says that the result is"
    " unverified.",
    group="ci",
)


MAX_RESULTS = 64  # each is a comment, and who opens a pull request from a fork chooses how many there are
_ARTIFACT = re.compile(r"mlops-ci-gate-(?P<call>[0-9a-f]{12})-(?P<project>[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)")


def report(context: Context, *, file: str) -> Outcome[NotificationReport]:
    """Plan the comment and the check run for the result in `file`, or for each result in a folder of downloaded artifacts.

    An event without a pull request gets only the check run. After another workflow's run (workflow_run) the results are untrusted,
    and GitHub names the pull request of the run's commit. Raises UsageProblem outside a job and for a file that is not a gate's
    result, Findings if there are more results than a run has (`report-many`) or not exactly one pull request, and HostProblem if
    GitHub does not answer.
    """
    job = context.job
    if job is None or not job.commit:
        raise UsageProblem.of(
            "report-outside-job",
            "there is no place to report the result to: this is not a GitHub Actions job"
            if job is None
            else f"the event '{job.event}' names no commit that the result could belong to",
            help="run it in a workflow of GitHub Actions; elsewhere, `mlops-ci gate --format markdown` shows the result",
        )
    place = context.start_folder / file
    answers = [(one, read_gate_answer(one)) for one in (_artifact_files(place) if place.is_dir() else [place])]
    untrusted = job.event == "workflow_run"
    if untrusted and answers:
        job = replace(job, pull=_require_pull_request(context, job))
    told: list[ReportedResult] = []
    notifications: list[Notification] = []
    for path, answer in answers:
        subject = subject_of(answer.record, _subject_of_artifact(path.parent.name))
        notifications += gate_notifications(
            job,
            answer.record,
            answer.diagnostics,
            context.trust,
            subject=subject,
            code=answer.exit_code,
            untrusted=untrusted,
        )
        verdict = answer.record.verdict if answer.record else None
        told.append(ReportedResult(verdict, check_run_name(job, subject, untrusted=untrusted)))
    return Outcome(
        NotificationReport(tuple(told), job.commit, job.pull, untrusted, job.run_url), plan=Plan(tuple(notifications))
    )


def _artifact_files(folder: Path) -> list[Path]:
    """Return the results in a folder of artifacts; raises Findings when there are more than a run of ours writes."""
    files = sorted(folder.glob("mlops-ci-gate-*/gate.json"))
    if len(files) > MAX_RESULTS:
        raise Findings.of(
            "report-many",
            f"the run has {len(files):,} results, and results of at most {MAX_RESULTS} projects are reported: nothing is",
            help="the files of the change decided what ran: read its workflows before you trust anything of this run",
        )
    return files


def _subject_of_artifact(name: str) -> GateSubject:
    """Return what the name of an artifact says of a result that says nothing: gate.yml names it by digest and project."""
    found = _ARTIFACT.fullmatch(name)
    return GateSubject(found["project"], found["call"]) if found else WHOLE_WORKFLOW


def _require_pull_request(context: Context, job: CiJob) -> int:
    """Return the one open pull request whose head is the run's commit; only GitHub names it, never an artifact."""
    if context.github is None:
        raise EnvironmentProblem.of(
            "report-pull-unknown",
            "cannot ask GitHub for the pull request of this commit: there is no token",
            help="give the step `env: GITHUB_TOKEN: ${{ github.token }}` and the job `pull-requests: write`",
        )
    found = find_pull_requests(context.github, job.commit)
    if len(found) == 1:
        return found[0]
    named = ", ".join(f"#{number}" for number in found[:10])
    raise Findings.of(
        "report-pull-unknown",
        f"commit {job.commit[:10]} is the head of {len(found)} open pull requests ({named}), so the result is not reported on any of them"
        if found
        else f"no open pull request has commit {job.commit[:10]} as its head",
        help="the pull request was closed, or has newer commits: its newest run reports the result"
        if not found
        else "push another commit to the pull request that you mean",
    )
