"""Loads the baselines of a candidate, champion and anchor: ready to be scored, or with the reason why they cannot be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.core.records.events import Release
from mlops_ci.core.records.training_run import TrainingRun
from mlops_ci.data.earlier_splits import EarlierSplit, has_same_holdout, untraceable_reason
from mlops_ci.evaluation.candidates.candidate import Candidate
from mlops_ci.evaluation.verdict.alignment import NO_ANCHOR, NO_CHAMPION, NoBaseline
from mlops_ci.registry import run_store
from mlops_ci.registry.events import Event
from mlops_ci.repository.context import Project
from mlops_ci.repository.git import Repository
from mlops_ci.spec.spec_types import BaselineRole, ChangeKind
from mlops_ci.training.frame import incompatible_inputs
from mlops_ci.training.inference.scoring import PackagedModel, missing_inputs
from mlops_ci.training.user_code import entrypoint_folders


@dataclass(frozen=True)
class Baseline:
    """A released version that a candidate is tested against.

    `model` is ready to be scored. `earlier_split` is the split that the version was trained on, when it differs from
    today's. `is_candidate` means that the candidate is this version itself, so it is scored only once.
    """

    event: Event
    release: Release
    model: PackagedModel | None = None
    earlier_split: EarlierSplit | None = None
    is_candidate: bool = False


def load_baseline(
    project: Project, candidate: Candidate, run: TrainingRun, event: Event | None, against: BaselineRole, scratch: Path
) -> Baseline | NoBaseline:
    """Return a baseline with its files in `scratch`, or the reason why it cannot be scored on today's rows.

    Raises EnvironmentProblem when its files cannot be fetched; that is a problem of the environment, not a verdict.
    """
    repo = project.context.repo
    if event is None or repo is None:
        return NO_CHAMPION if against == "champion" else NO_ANCHOR
    release = event.record
    if not isinstance(release, Release):
        return _incomparable_baseline(f"the tag {event.ref.name} was made by another tool and has no record")
    if release.run_key == run.key:
        return Baseline(event, release, is_candidate=True)
    stored = _require_pinned_run(repo, event, release)
    theirs = run_store.read_record(repo, stored, "run.json", TrainingRun)
    if theirs.task != candidate.model.spec.task or theirs.signature.output != candidate.output:
        return _incomparable_baseline(
            f"{event.ref.name} has another task or target ({theirs.task} of {theirs.signature.output.name})"
        )
    types = {column.name: column.type for column in candidate.snapshot.columns}
    if missing := missing_inputs(theirs.signature, types):
        return _incomparable_baseline(
            f"{event.ref.name} needs columns that today's data do not have: {', '.join(missing)}"
        )
    if changed := incompatible_inputs(theirs.signature.inputs, types):
        return _incomparable_baseline(f"{event.ref.name} was trained on other column types: {', '.join(changed)}")
    earlier: EarlierSplit | None = EarlierSplit(theirs.split, theirs.row_key)
    dataset, today = candidate.dataset.spec, candidate.sides.split
    if earlier and has_same_holdout(dataset, today, earlier):
        earlier = None
    elif earlier and (
        why := untraceable_reason(types, earlier, same_columns=theirs.schema_digest == candidate.snapshot.schema_digest)
    ):
        return _incomparable_baseline(
            f"it is not known which rows of the current holdout were used to train {event.ref.name}: {why}"
        )
    folder = scratch / against
    run_store.write_model_files(repo, stored, release.model_files, folder)
    model = packaged_model(event.ref.name, theirs, folder, release)
    return Baseline(event, release, model, earlier)


def _incomparable_baseline(why: str) -> NoBaseline:
    return NoBaseline(why, "incomparable")


def change_kind(run: TrainingRun, champion: TrainingRun | None) -> ChangeKind:
    """Return `retrained` when a candidate has the champion's spec and code, and only data or packages are new.

    Else, and without a champion, return `changed`.
    """
    if champion is None or champion.params is None:  # runs of earlier toolkit versions do not record their parameters
        return "changed"
    mine, theirs = (
        (one.interface_digest, one.estimator, one.params, one.text, one.seed, one.code, one.trusted)
        for one in (run, champion)
    )
    return "retrained" if mine == theirs else "changed"


def read_release_run(repo: Repository | None, event: Event | None) -> TrainingRun | None:
    """Return the training run that a release pins, fetched from the remote if necessary; None when its tag has no record.

    Raises EnvironmentProblem `store-missing` when neither this clone nor the remote has the run.
    """
    if repo is None or event is None or not isinstance(event.record, Release):
        return None
    stored = _require_pinned_run(repo, event, event.record)
    return run_store.read_record(repo, stored, "run.json", TrainingRun)


def _require_pinned_run(repo: Repository, event: Event, release: Release) -> run_store.StoredRun:
    ref = run_store.release_ref(release.model, release.version)
    stored = run_store.find_run(repo, ref, fetch=True)
    if stored is None:
        raise EnvironmentProblem.of(
            "store-missing",
            f"neither this clone nor its remote has the files of {event.ref.name}",
            help=f"git fetch origin {ref}; if the remote has lost that ref, fetch it from another clone that has it",
        )
    return stored


def packaged_model(name: str, run: TrainingRun, folder: Path, release: Release | None = None) -> PackagedModel:
    """Return a description of the model files in a folder, from the release's record if given, else from the run's.

    A model with its own code has that code in the same folder, and is scored in its own process.
    """
    model_format, files, trusted = (
        (run.model_format, run.files, run.trusted)
        if release is None
        else (release.model_format, release.model_files, release.trusted)
    )
    model = model_format.find_entry(files)
    paths = entrypoint_folders(run.estimator, folder / run_store.CODE_FOLDER) if run.code else ()
    return PackagedModel(
        name=name,
        packager=model_format.name,
        model=folder / model.path,
        sha256=model.sha256,
        trusted=trusted,
        signature=run.signature,
        task=run.task,
        paths=paths,
        seconds=run.seconds,
        is_personal=bool(run.personal),
    )
