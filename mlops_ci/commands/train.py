"""`train`: a fitted, packaged candidate; or the stored one, when nothing that decides the result has changed."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mlops_ci.core.codec import encode
from mlops_ci.core.diagnostics import Diagnostic, has_errors
from mlops_ci.core.digest import canonical_json
from mlops_ci.core.errors import Findings
from mlops_ci.core.plan import Outcome, Plan
from mlops_ci.core.planned_writes import FileContent
from mlops_ci.core.records import TrainingRun
from mlops_ci.core.results.gate import TrainedCandidate, TrainReport
from mlops_ci.core.verbs import ALL_SURFACES, DETERMINISM_OPTION, MODELS_OPTION, Option, Verb
from mlops_ci.evaluation.candidates.candidate import Candidate, identify_candidate, read_data
from mlops_ci.evaluation.candidates.training import copy_source, fit_candidate, training_record
from mlops_ci.registry import run_store
from mlops_ci.registry.run_transfer import plan_bundle, without_size_limit
from mlops_ci.repository.context import Project
from mlops_ci.repository.lookup import require_repository, select_models

SPEC = Verb(
    "train",
    "Fit, package and store a candidate.",
    (
        MODELS_OPTION,
        Option("explain", "Explain why a stored run was used or not.", kind="flag"),
        DETERMINISM_OPTION,
        Option(
            "out",
            "Also write the runs to FILE (a git bundle), for another job.",
            kind="path",
            metavar="FILE",
        ),
    ),
    writes=True,
    surfaces=ALL_SURFACES,
    icon="cpu",
)


@dataclass(frozen=True)
class CandidateTraining:
    """A candidate's run and its files (paths as in the run's tree); `plan` stores them where they are new."""

    trained: TrainedCandidate
    files: Mapping[str, FileContent]
    diagnostics: tuple[Diagnostic, ...] = ()
    plan: Plan = Plan()


def train(
    project: Project,
    *,
    models: tuple[str, ...] = (),
    explain: bool = False,
    check_determinism: bool = False,
    out: str | None = None,
) -> Outcome[TrainReport]:
    """Train the models named, or all, where the store does not have them already; `explain` says why in full.

    `out` is a file that takes the runs to another job.

    With `check_determinism` each is fitted once more, and one that becomes another model is a finding, and is not stored.

    Raises UsageProblem for a model without a spec, Findings when its data are refused or training fails.
    """
    require_repository(project.context.repo)  # found out before anything is trained
    project = without_size_limit(project) if out else project
    trainings: list[CandidateTraining] = []
    found: list[Diagnostic] = []
    for name in select_models(project, models):
        data, findings = read_data(project, name)
        if has_errors(findings):
            raise Findings(findings)
        candidate = identify_candidate(project, name, data)
        found.extend(candidate.findings)
        trainings.append(train_candidate(project, candidate, explain=explain, check_determinism=check_determinism))
    found.extend(one for training in trainings for one in training.diagnostics)
    plan = Plan(tuple(write for training in trainings for write in training.plan.writes))
    if out and not has_errors(found):
        runs = [training.trained.run for training in trainings]
        plan = plan_bundle(
            plan, [run_store.run_ref(run.model, run.key) for run in runs], project.context.start_folder / out
        )
    report = TrainReport(tuple(training.trained for training in trainings))
    return Outcome(report, tuple(dict.fromkeys(found)), plan)


def train_candidate(
    project: Project, candidate: Candidate, *, explain: bool = False, check_determinism: bool = False
) -> CandidateTraining:
    """Return the candidate's stored run, or fit it in a process that is handed the training rows only."""
    training = _train_once(project, candidate, explain=explain)
    if not check_determinism:
        return training
    project.context.progress(f"training {candidate.model.name} once more")
    digests = (training.trained.run.model_digest, fit_candidate(project, candidate).model_digest)
    if len(set(digests)) == 1:
        return training
    flaky = Diagnostic(
        "train-not-deterministic",
        f"{candidate.model.name}: the same code, data, environment and seed gave two models,"
        f" {' and '.join(digest[:16] for digest in digests)}",
        candidate.model.locate("spec", "train", key=True),
        "let everything be drawn from random_state or numpy's global generator, which the spec's seed decides; a verdict on one"
        " of these models says nothing about the next",
    )
    return replace(training, diagnostics=(*training.diagnostics, flaky), plan=Plan())


def _train_once(project: Project, candidate: Candidate, *, explain: bool) -> CandidateTraining:
    context, name = project.context, candidate.model.name
    ref = run_store.run_ref(name, candidate.key)
    stored = run_store.find_run(context.repo, ref)
    if stored is not None and context.repo is not None:
        run = run_store.read_record(context.repo, stored, "run.json", TrainingRun)
        folder = Path(tempfile.mkdtemp(dir=context.scratch))
        run_store.write_model_files(context.repo, stored, run.files, folder)
        why = f"nothing that decides the result has changed: {ref}" if explain else "nothing has changed"
        return CandidateTraining(TrainedCandidate(run, False, why), _run_files(run, folder))
    context.progress(f"training {name} on {candidate.sides.split.train_rows:,} rows")
    started = context.clock()
    made = fit_candidate(project, candidate)
    files = (*made.files, *copy_source(context.root, candidate, made.folder))
    run = training_record(candidate, made, files, started.isoformat(timespec="seconds"))
    records: dict[str, FileContent] = {"run.json": canonical_json(encode(run)).encode(), "log.txt": made.log}
    title = f"{name}: run {run.key}"
    plan = run_store.plan_store(ref, title, records, run.files, made.folder, project.specs.project.spec)
    why = f"the store has no {ref}" if explain else "not trained before"
    return CandidateTraining(
        TrainedCandidate(run, True, why), {**_run_files(run, made.folder), **records}, made.diagnostics, plan
    )


def _run_files(run: TrainingRun, folder: Path) -> dict[str, FileContent]:
    packaged: dict[str, FileContent] = {
        f"{run_store.MODEL_FOLDER}{file.path}": folder / file.path for file in run.files
    }
    return {**packaged, "run.json": canonical_json(encode(run)).encode()}
