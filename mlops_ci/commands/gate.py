"""`gate`: validates, checks, trains and compares in one step, with one report and one verdict."""

from __future__ import annotations

from dataclasses import replace

from mlops_ci.core.diagnostics import Diagnostic, has_errors
from mlops_ci.core.errors import Exit, Findings, UsageProblem
from mlops_ci.core.notifications import Notification
from mlops_ci.core.plan import Outcome, Plan, Stages
from mlops_ci.core.planned_writes import Push
from mlops_ci.core.records.base import ProjectRef
from mlops_ci.core.results.gate import GatedModel, GateReport, worst_verdict
from mlops_ci.core.results.power import PowerReport
from mlops_ci.core.verbs import (
    ALL_SURFACES,
    BASE_OPTION,
    DETERMINISM_OPTION,
    MODELS_OPTION,
    ActionOutput,
    Option,
    TokenPermission,
    Verb,
)
from mlops_ci.evaluation.base_branch_rules import BaseBranch, find_base
from mlops_ci.evaluation.candidates.candidate import Candidate
from mlops_ci.evaluation.external_runs import read_artifacts, runs_untrusted_code
from mlops_ci.evaluation.holdout.budget import plan_publish
from mlops_ci.evaluation.notify import WHOLE_WORKFLOW, gate_notifications, subject_of
from mlops_ci.evaluation.pipeline import ModelOutcome, Pipeline, gate_model, stopped_outcome, verdict_exit_code
from mlops_ci.evaluation.power_analysis import analyse_power
from mlops_ci.governance.revocations import revocation_warnings
from mlops_ci.governance.verified_registry import verify_project
from mlops_ci.registry.run_store import store_target
from mlops_ci.registry.run_transfer import BUNDLE_TARGET, plan_bundle
from mlops_ci.repository.context import Project
from mlops_ci.repository.git import Repository
from mlops_ci.repository.lookup import require_repository, select_models
from mlops_ci.repository.spec_names import name_findings, read_names, read_names_at

SPEC = Verb(
    "gate",
    "Validate, check, train and compare: one report, one verdict.",
    (
        MODELS_OPTION,
        Option(
            "power",
            "Train nothing; report the smallest difference that each gate can detect with this holdout.",
            kind="flag",
        ),
        DETERMINISM_OPTION,
        BASE_OPTION,
        Option(
            "runs",
            "Train nothing; evaluate the runs that other jobs wrote to DIR (`train --out`, `ci predict --out`), without executing the code of these runs.",
            kind="path",
            metavar="DIR",
        ),
        Option(
            "out",
            "Write evaluated runs to FILE for `ci keep`; their evaluations are counted in the holdout budget when `ci keep` stores them.",
            kind="path",
            metavar="FILE",
        ),
    ),
    writes=True,
    syncs="try",
    formats=("text", "json", "github", "markdown"),
    surfaces=ALL_SURFACES,
    outputs=(
        ActionOutput("verdict", "The worst verdict of the models: pass, fail, inconclusive or incomparable."),
        ActionOutput("passed", "A JSON list of the models that passed."),
        ActionOutput("fits", "The number of models that were fitted."),
        ActionOutput("digest", "The SHA-256 of the file that --out names; pass it to `ci keep`."),
    ),
    permissions=(
        TokenPermission(
            "contents",
            "write",
            "counts the evaluation in the holdout budget, if a dataset has a holdoutBudget; otherwise `contents: read` is enough",
        ),
        TokenPermission(
            "pull-requests", "write", "comments on the pull request; without it, the result is only in the job summary"
        ),
        TokenPermission("checks", "write", "adds a check run to the commit; without it, only the job has a status"),
    ),
    icon="shield",
    judges=True,
    trains=True,
    lists_requirements=True,
)


def gate(
    project: Project,
    *,
    models: tuple[str, ...] = (),
    power: bool = False,
    check_determinism: bool = False,
    base: str | None = None,
    runs: str | None = None,
    out: str | None = None,
) -> Stages[Outcome[GateReport] | Outcome[PowerReport]]:
    """Evaluate the named models, or all, and return their verdicts; with `power`, return the detectable differences instead.

    The rules are those of `base` (see `find_base`). With `check_determinism`, each candidate is fitted twice and fails if the
    two models differ. With `runs`, a folder, the candidates come from other jobs and none of their code runs here (see
    `external_runs`). `out` is a file for the evaluated runs; `keep` stores them and charges the holdout budget.

    The specs are already valid: a project with invalid specs is not opened. A problem with one model or its data becomes
    that model's verdict; the other models are still evaluated, and the exit code is the most severe one. Raises
    UsageProblem outside a repository.
    """
    if power and (runs or out or check_determinism):
        raise UsageProblem.of(
            "options-conflict",
            "--power trains and evaluates nothing, so it cannot be used with --runs, --out or --check-determinism",
            help="leave out --power, or the other options",
        )
    names = select_models(project, models)
    if power:  # the rules of the checkout are enough: nothing is decided by them
        base_branch = find_base(project, base) if base else None
        verified = verify_project(project, *names)
        powers = (analyse_power(project, name, verified.state, base_branch) for name in names)
        return Outcome(PowerReport(tuple(powers)), verified.warnings(*names))
    if runs and check_determinism:
        raise UsageProblem.of(
            "options-conflict",
            "--runs trains nothing, so it cannot be used with --check-determinism",
            help="pass --check-determinism to `train`",
        )
    context = project.context
    repo = require_repository(context.repo)  # fails before anything is trained
    base_branch = find_base(project, base)
    twins = _name_findings(project, repo, base_branch)
    verified = verify_project(project, *names)
    pipeline = Pipeline(
        project,
        repo,
        verified.state,
        BUNDLE_TARGET if out else store_target(project.specs.project.spec),
        # this job runs no code of a candidate, so its verdict has a higher trust
        "separated" if runs and context.job else context.trust,
        base=base_branch,
        artifacts=read_artifacts(repo, context.start_folder / runs) if runs else None,
    )
    outcomes: list[ModelOutcome] = []
    for name in names:
        pending = [question for one in outcomes for question in one.questions]
        try:
            outcome = yield from gate_model(pipeline, name, pending, check_determinism=check_determinism)
        except (Findings, UsageProblem) as stopped:
            outcome = stopped_outcome(name, stopped)
        outcomes.append(_with_gate_warnings(pipeline, outcome))
    gated = tuple(_gated_model(one) for one in outcomes)
    report = GateReport(
        worst_verdict(one.verdict for one in gated),
        gated,
        sum(one.fitted for one in gated),
        project=_reported_project(project, base_branch),
        call=context.job.call if context.job else "",
    )
    findings = tuple(
        dict.fromkeys((*twins, *verified.warnings(*names), *(item for one in outcomes for item in one.findings)))
    )
    code = max(
        Exit.FINDINGS if has_errors(findings) else verdict_exit_code(outcomes), *(one.stopped_by for one in outcomes)
    )
    plan = Plan(tuple(write for one in outcomes for write in one.plan.writes))
    if out:
        refs = [one.ref for one in outcomes if one.ref]
        file = context.start_folder / out
        plan = plan_bundle(plan, refs, file) if refs else Plan()
        return Outcome(replace(report, bundle=str(file) if refs else None), findings, plan, code)
    notifications = () if runs else _plan_notifications(project, report, findings, code)
    writes = plan_publish(project, plan, [question for one in outcomes for question in one.questions]).writes
    local_push = (
        (Push(None),) if notifications and writes and not isinstance(writes[-1], Push) else ()
    )  # the runs are stored before GitHub is notified
    return Outcome(report, findings, Plan((*writes, *local_push, *notifications)), code)


def _name_findings(project: Project, repo: Repository, base: BaseBranch | None) -> tuple[Diagnostic, ...]:
    """Return a warning for each name that another project of the repository has, too.

    Raises Findings when the base has the other spec of that name and not this one: the change must use another name.
    """
    names, folder = read_names(repo), project.reference.path
    if not any(names.twins(folder)):
        return ()
    known = read_names_at(repo, base.commit) if base else None
    found = tuple(name_findings(names, folder, known, "warning"))
    if has_errors(found):
        raise Findings([one for one in found if one.severity == "error"])
    return found


def _reported_project(project: Project, base: BaseBranch | None) -> ProjectRef:
    """Return the project by the name that it has on the base branch: a change must not report under another project's name."""
    own = project.reference
    return replace(own, name=base.project.specs.project.name) if base and base.project else own


def _plan_notifications(
    project: Project, report: GateReport, findings: tuple[Diagnostic, ...], code: Exit
) -> tuple[Notification, ...]:
    """Return the notifications of a job that both trains and evaluates; none for a fork, whose token can only read."""
    job = project.context.job
    if job is None or job.pull is None or job.has_read_only_token:
        return ()
    subject = subject_of(report, WHOLE_WORKFLOW)
    return gate_notifications(job, report, findings, project.context.trust, subject=subject, code=code)


def _gated_model(outcome: ModelOutcome) -> GatedModel:
    trained = outcome.trained
    return GatedModel(
        outcome.model,
        outcome.verdict,
        outcome.sentence,
        outcome.snapshot,
        trained.run if trained else None,
        outcome.fitted,
        outcome.comparison,
        outcome.ref,
    )


def _with_gate_warnings(pipeline: Pipeline, outcome: ModelOutcome) -> ModelOutcome:
    """Add the warnings that a reviewer needs: the model was revoked before, or its code could read the holdout."""
    if outcome.candidate is None or outcome.trained is None or outcome.comparison is None:
        return outcome
    place = outcome.candidate.model.locate("metadata", "name")
    state, digest = pipeline.registry.model(outcome.model), outcome.trained.run.model_digest
    more = (
        *revocation_warnings(state, digest, place),
        *_readable_holdout_warnings(pipeline.project, outcome.candidate),
    )
    return replace(outcome, findings=(*outcome.findings, *more))


def _readable_holdout_warnings(project: Project, candidate: Candidate) -> tuple[Diagnostic, ...]:
    """Return a warning, in a CI job, if the candidate's own code could have read its holdout rows."""
    if project.context.job is None or not runs_untrusted_code(candidate) or candidate.rules.split.by == "sealed":
        return ()
    return (
        Diagnostic(
            "holdout-readable",
            f"code of this repository trains '{candidate.model.name}', and the repository also contains the holdout rows: the training"
            " code could have read them",
            candidate.model.locate("spec", "train", key=True),
            "review that code for reads of the holdout, or use a sealed holdout (`split: {by: sealed}`), which the code cannot read",
            "warning",
        ),
    )
