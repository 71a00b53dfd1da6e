"""`doctor`: finds problems in a repository's set-up, and tells which policies GitHub enforces."""

from __future__ import annotations

from collections.abc import Iterable

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.plan import Outcome
from mlops_ci.core.results.doctor import DoctorCheckResult, DoctorReport
from mlops_ci.core.verbs import ActionOutput, TokenPermission, Verb
from mlops_ci.governance.doctor.branch_rules import check_branch_rules
from mlops_ci.governance.doctor.clone import check_clone
from mlops_ci.governance.doctor.context import DoctorContext
from mlops_ci.governance.doctor.environments import check_environments, check_workflow_permissions
from mlops_ci.governance.doctor.gate_cost import check_gate_cost
from mlops_ci.governance.doctor.guarded_files import check_code_owners, check_project_owners
from mlops_ci.governance.doctor.host import HostReader, join_names
from mlops_ci.governance.doctor.tag_rules import check_tag_rules
from mlops_ci.governance.doctor.trust import check_verdict_trust
from mlops_ci.governance.doctor.workflows import check_workflows
from mlops_ci.repository.context import Project
from mlops_ci.repository.lookup import require_repository

SPEC = Verb(
    "doctor",
    "Check the set-up, and whether GitHub enforces each policy.",
    (),
    asks=True,
    formats=("text", "json", "github", "markdown"),
    surfaces=("cli", "nox", "action"),
    permissions=(
        TokenPermission("contents", "read", "reads the rules of branches and tags"),
        TokenPermission("actions", "read", "reads the environments; without it, their protection is unknown"),
    ),
    details="enforced: GitHub prevents a violation; advisory: nothing prevents it; unknown: this token is not allowed to see the"
    " setting; unknown never counts as enforced. GitHub is asked if GITHUB_TOKEN is set. Exit code 1 if something would make commands fail.",
    outputs=(
        ActionOutput("problems", "The number of problems that would make commands fail."),
        ActionOutput("advisory", "The number of policies that nothing enforces."),
    ),
)


def doctor(project: Project) -> Outcome[DoctorReport]:
    """Check the clone, its files and, if there is a token, GitHub's settings. An unknown setting never counts as enforced.

    A problem that would make commands fail is an error, a policy that nothing enforces a warning. Raises UsageProblem
    outside a repository.
    """
    repo = require_repository(project.context.repo)
    context = DoctorContext(project, repo, HostReader(project.context.github))
    checks = (
        check_clone,
        check_verdict_trust,
        check_code_owners,
        check_project_owners,
        check_workflows,
        check_gate_cost,
        check_workflow_permissions,
        check_branch_rules,
        check_tag_rules,
        check_environments,
    )
    rows = tuple(row for check in checks for row in check(context))
    job = project.context.job
    report = DoctorReport(rows, job.repository if job else None, context.branch)
    return Outcome(report, tuple(_findings(rows)))


def _findings(rows: Iterable[DoctorCheckResult]) -> Iterable[Diagnostic]:
    unknown: dict[str, list[str]] = {}
    for row in rows:
        message = f"{row.what}: {row.evidence}"
        if row.state == "problem":
            yield Diagnostic("doctor-problem", message, help=row.next)
        elif row.state == "advisory":
            yield Diagnostic("doctor-advisory", message, help=row.next, severity="note" if row.minor else "warning")
        elif row.state == "unknown":
            unknown.setdefault(row.evidence, []).append(row.what)
    for why, what in unknown.items():
        yield Diagnostic(
            "doctor-unknown",
            f"unknown: {join_names(what)}: {why}",
            help="run in a job, or with GITHUB_TOKEN set to a token that may read the repository's administration",
            severity="note",
        )
