"""`ci keep`: stores the runs that another job evaluated, and charges the holdout budget. Nothing is evaluated here."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.digest import digest_file
from mlops_ci.core.errors import Exit, Findings, UsageProblem
from mlops_ci.core.notifications import Notification
from mlops_ci.core.plan import Outcome, Plan
from mlops_ci.core.planned_writes import AppendLedger, FileContent, PlannedWrite, Push
from mlops_ci.core.records.comparison import Comparison
from mlops_ci.core.records.training_run import TrainingRun
from mlops_ci.core.results.ci_jobs import KeepReport, KeptRun
from mlops_ci.core.results.gate import worst_verdict
from mlops_ci.core.verbs import Option, TokenPermission, Verb
from mlops_ci.evaluation.base_branch_rules import find_base
from mlops_ci.evaluation.holdout.budget import settle_question
from mlops_ci.evaluation.notify import GateSubject, gate_notifications, subject_of
from mlops_ci.evaluation.record import plan_gate_run
from mlops_ci.evaluation.report_file import GateAnswer, read_gate_answer
from mlops_ci.registry import run_store, run_transfer
from mlops_ci.registry.lookup import ensure_own_run
from mlops_ci.registry.run_store import store_target
from mlops_ci.registry.state import read_registry
from mlops_ci.repository.context import Project
from mlops_ci.repository.git import Repository
from mlops_ci.repository.lookup import require_repository

SPEC = Verb(
    "keep",
    "Store runs that another job evaluated.",
    (
        Option(
            "bundle",
            "The file that `gate --out` wrote; without it, the result is only reported to GitHub.",
            kind="path",
            positional=True,
            metavar="FILE",
        ),
        Option("digest", "The bundle's SHA-256, from the outputs of the job that evaluated.", metavar="SHA256"),
        Option("record", "The gate's result as JSON, to report to GitHub.", kind="path", metavar="FILE"),
        Option("record_digest", "The result's SHA-256, from the same outputs.", metavar="SHA256"),
    ),
    writes=True,
    syncs="must",
    surfaces=("cli", "action"),
    permissions=(
        TokenPermission("contents", "write", "stores the run and counts its evaluation in the holdout budget"),
        TokenPermission("pull-requests", "write", "comments on the pull request"),
        TokenPermission("checks", "write", "adds a check run to the commit"),
    ),
    icon="archive",
    details="Also counts the evaluations in the holdout budget, and reports the result on the pull request. Nothing is evaluated here.",
    group="ci",
    judges=True,
)


def keep(
    project: Project,
    *,
    bundle: str | None = None,
    digest: str | None = None,
    record: str | None = None,
    record_digest: str | None = None,
) -> Outcome[KeepReport]:
    """Plan one push that stores the runs of a bundle and charges the holdout budget, and the notifications to GitHub.

    `digest` is the bundle's SHA-256 from the job that evaluated, and `record_digest` the SHA-256 of its result `record`:
    anyone with a token of the same workflow run can replace an artifact. Without a bundle, the result is only reported.
    Raises Findings `bundle-changed` when a file has another digest, and `bundle-invalid` when a run does not match its name.
    """
    repo = require_repository(project.context.repo)
    if bundle is None and record is None:
        raise UsageProblem.of(
            "keep-nothing", "neither a bundle nor a result was given", help="mlops-ci ci keep FILE --digest SHA256"
        )
    file = _require_digest(project.context.start_folder / bundle, digest or "") if bundle else None
    result = (
        read_gate_answer(_require_digest(project.context.start_folder / record, record_digest or ""))
        if record
        else None
    )
    base = find_base(project)  # the change must not decide where models, and the credentials for the store, are sent
    store = store_target(base.project.specs.project.spec if base and base.project else project.specs.project.spec)
    kept: list[KeptRun] = []
    findings: list[Diagnostic] = []
    writes: list[PlannedWrite] = []
    questions: list[AppendLedger] = []
    for run in run_transfer.read_bundle(repo, file) if file else ():
        try:
            one = _keep_run(project, repo, run, store, questions)
        except Findings as spent:
            if spent.diagnostics[0].id != "holdout-exhausted":
                raise
            findings.extend(spent.diagnostics)
            kept.append(KeptRun(run_transfer.run_model_name(run), "fail", run.ref, "refused"))
            continue
        kept.append(one.kept)
        writes.extend(
            write for write in one.plan.writes if not isinstance(write, Push)
        )  # one push at the end sends everything
        questions.extend(one.questions)
    writes.extend(questions)
    code = Exit.FINDINGS if findings else Exit.OK
    pushed = (*writes, Push(repo.default_remote())) if writes else ()
    notifications = _plan_notifications(project, result, kept, findings) if result else ()
    return Outcome(KeepReport(tuple(kept)), tuple(findings), Plan((*pushed, *notifications)), code)


def _require_digest(file: Path, digest: str) -> Path:
    if file.is_file() and digest_file(file) == digest.strip().lower():
        return file
    raise Findings.of(
        "bundle-changed",
        f"{file.name} does not have the digest ({digest[:12] or 'none'}) that the evaluating job reported",
        help="somebody replaced the file, or the file is from another workflow run: run the whole workflow again",
    )


def _plan_notifications(
    project: Project, answer: GateAnswer, kept: Sequence[KeptRun], findings: Sequence[Diagnostic]
) -> tuple[Notification, ...]:
    """Return the notifications of the result; models whose evaluation exceeds the holdout budget have failed in it."""
    context, report = project.context, answer.record
    if context.job is None:
        return ()
    late = {one.model for one in kept if one.state == "refused"}
    if report is not None and late:
        why = findings[0].message
        models = tuple(
            replace(one, verdict="fail", sentence=why) if one.model in late else one for one in report.models
        )
        report = replace(report, models=models, verdict=worst_verdict(one.verdict for one in models))
    code = max(answer.exit_code, int(Exit.FINDINGS if late else Exit.OK))
    subject = subject_of(report, GateSubject(project.specs.project.name, context.job.call))
    told = (*answer.diagnostics, *findings)
    return gate_notifications(context.job, report, told, "separated", subject=subject, code=code)


@dataclass(frozen=True)
class _PlannedRun:
    """A stored run, the plan that stores it if it is new, and the ledger entries that are not in the ledger yet."""

    kept: KeptRun
    plan: Plan
    questions: tuple[AppendLedger, ...]


def _keep_run(
    project: Project,
    repo: Repository,
    run: run_store.StoredRun,
    store: run_store.StoreTarget,
    questions: Sequence[AppendLedger],
) -> _PlannedRun:
    """Plan one run of the bundle; raises Findings `bundle-invalid` when the run does not match its name."""
    comparison = run_store.read_record(repo, run, "comparison.json", Comparison)
    trained = run_store.read_record(repo, run, "run.json", TrainingRun)
    model = run_transfer.run_model_name(run)
    identity = (
        comparison.model,
        trained.model,
        run_store.run_ref(model, comparison.key),
        trained.key,
        trained.model_digest,
    )
    if identity != (model, model, run.ref, comparison.run, comparison.model_digest):
        raise Findings.of(
            "bundle-invalid",
            f"the name of {run.ref} does not match the run that is stored there",
            help="read the log of the job that evaluated, and run the whole workflow again",
        )
    read_registry(repo, project.identity).model(model)
    ensure_own_run(project, trained, run.ref)
    number, entries = settle_question(project, comparison, repo, questions)
    one = KeptRun(model, comparison.verdict, run.ref, "kept", number)
    remote = repo.default_remote()
    is_stored = run.ref in repo.remote_ref_names(remote, run.ref) if remote else repo.resolve(run.ref) is not None
    if is_stored:
        return _PlannedRun(replace(one, state="unchanged"), Plan(), entries)
    folder = Path(tempfile.mkdtemp(dir=project.context.scratch))
    run_store.write_model_files(repo, run, trained.files, folder)  # verifies every byte
    records: dict[str, FileContent] = {
        path: repo.read_blob(oid) or b""
        for path, oid in run.files.items()
        if not path.startswith(run_store.MODEL_FOLDER)
    }
    return _PlannedRun(one, plan_gate_run(comparison, trained, records, folder, store), entries)
