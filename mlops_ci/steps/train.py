"""`train`: a fitted, packaged candidate; or the stored one, when nothing that decides the result has changed."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mlops_ci import store
from mlops_ci.assignment import needed_repository
from mlops_ci.candidate import Candidate, chosen, identify, read_data
from mlops_ci.codec import encode
from mlops_ci.data.split import split_key
from mlops_ci.diagnostics import Diagnostic, has_errors
from mlops_ci.digest import canonical_json, digest_bytes
from mlops_ci.errors import Findings
from mlops_ci.outcomes.gate import Trained, TrainReport
from mlops_ci.plan import Outcome, Plan
from mlops_ci.project import Project
from mlops_ci.records import FileDigest, TrainingRun
from mlops_ci.training import fitted
from mlops_ci.writes import Content


@dataclass(frozen=True)
class Training:
    """A candidate's run and its files (paths as in the run's tree); `plan` stores them where they are new."""

    trained: Trained
    files: Mapping[str, Content]
    diagnostics: tuple[Diagnostic, ...] = ()
    plan: Plan = Plan()


def train(
    project: Project, *, models: tuple[str, ...] = (), explain: bool = False, check_determinism: bool = False
) -> Outcome[TrainReport]:
    """Train the models named, or all, where the store does not have them already; `explain` says why in full.

    With `check_determinism` each is fitted once more, and one that becomes another model is a finding, and is not stored.

    Raises UsageProblem for a model without a spec, Findings when its data are refused or training fails.
    """
    needed_repository(project)  # found out before anything is trained
    trainings: list[Training] = []
    found: list[Diagnostic] = []
    for name in chosen(project, models):
        data, findings = read_data(project, name)
        if has_errors(findings):
            raise Findings(findings)
        candidate = identify(project, name, data)
        found.extend(candidate.findings)
        trainings.append(train_candidate(project, candidate, explain=explain, check_determinism=check_determinism))
    return Outcome(
        TrainReport(tuple(training.trained for training in trainings)),
        (*dict.fromkeys(found), *(one for training in trainings for one in training.diagnostics)),
        Plan(tuple(write for training in trainings for write in training.plan.writes)),
    )


def train_candidate(
    project: Project, candidate: Candidate, *, explain: bool = False, check_determinism: bool = False
) -> Training:
    """Return the candidate's stored run, or fit it in a process that is handed the training rows only."""
    training = _once(project, candidate, explain=explain)
    if not check_determinism:
        return training
    project.context.progress(f"training {candidate.model.name} once more")
    digests = (training.trained.run.model_digest, fitted(project, candidate).model_digest)
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


def _once(project: Project, candidate: Candidate, *, explain: bool) -> Training:
    context, name = project.context, candidate.model.name
    ref = store.run_ref(name, candidate.key)
    stored = store.find(context.repo, ref)
    if stored is not None and context.repo is not None:
        run = store.read_record(context.repo, stored, "run.json", TrainingRun)
        folder = Path(tempfile.mkdtemp(dir=context.scratch))
        store.materialise(context.repo, stored, run.files, folder)
        why = f"nothing that decides the result has changed: {ref}" if explain else "nothing has changed"
        return Training(Trained(run, False, why), _files(run, folder))
    context.progress(f"training {name} on {candidate.sides.split.train_rows:,} rows")
    spec = candidate.model.spec
    started = context.clock()
    made = fitted(project, candidate)
    run = TrainingRun(
        key=candidate.key,
        model=name,
        task=spec.task,
        dataset=spec.dataset,
        spec_path=candidate.model.path,
        spec_digest=candidate.model.digest,
        interface_digest=candidate.interface_digest,
        code=candidate.code,
        data_digest=candidate.snapshot.digest,
        schema_digest=candidate.snapshot.schema_digest,
        split=candidate.sides.split,
        row_key=split_key(candidate.dataset.spec),
        environment=made.environment,
        seed=spec.train.seed,
        estimator=spec.train.estimator or spec.train.entrypoint or "",
        trusted=made.trusted,
        signature=made.signature,
        model_digest=made.model_digest,
        files=(*made.files, *_with_code(context.root, candidate, made.folder)),
        started_on=started.isoformat(timespec="seconds"),
        seconds=round(made.seconds, 3),
        params=spec.train.params,
    )
    records: dict[str, Content] = {"run.json": canonical_json(encode(run)).encode(), "log.txt": made.log}
    title = f"{name}: run {run.key}"
    plan = store.storing(ref, title, records, run.files, made.folder, project.specs.project.spec)
    why = f"the store has no {ref}" if explain else "not trained before"
    return Training(Trained(run, True, why), {**_files(run, made.folder), **records}, made.diagnostics, plan)


def _with_code(root: Path, candidate: Candidate, folder: Path) -> tuple[FileDigest, ...]:
    """Put the code that the model is made of beside it: whoever fetches or serves the model needs it too.

    Raises Findings when a file has changed since the candidate was identified.
    """
    for file in candidate.code:
        content = (root / file.path).read_bytes()
        if digest_bytes(content) != file.sha256:
            raise Findings.of(
                "code-changed", f"{file.path} changed while the model was trained", help="run the command again"
            )
        path = folder / store.CODE / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tuple(replace(file, path=f"{store.CODE}/{file.path}") for file in candidate.code)


def _files(run: TrainingRun, folder: Path) -> dict[str, Content]:
    packaged: dict[str, Content] = {f"{store.MODEL}{file.path}": folder / file.path for file in run.files}
    return {**packaged, "run.json": canonical_json(encode(run)).encode()}
