"""A release as it was made: the run that it names, verified, and its commit with specs, code and data in a scratch folder."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from mlops_ci.core.digest import digest_file, digest_json
from mlops_ci.core.errors import EnvironmentProblem, Findings
from mlops_ci.core.records.base import FileDigest
from mlops_ci.core.records.events import Release
from mlops_ci.core.records.training_run import DatasetSnapshot, TrainingRun
from mlops_ci.core.results.queries import Cause, RecordedDifference
from mlops_ci.evaluation.candidates.candidate import Candidate, identify_candidate, read_data
from mlops_ci.registry import run_store
from mlops_ci.repository.context import Project
from mlops_ci.repository.git import Repository
from mlops_ci.spec.load import load_specs
from mlops_ci.training.reproduction_differences import find_changed_values

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"


@dataclass(frozen=True)
class RecordedRelease:
    """What a release says of its making: the run and its data as recorded, and the model's files in `folder`."""

    release: Release
    run: TrainingRun
    snapshot: DatasetSnapshot
    folder: Path


@dataclass(frozen=True)
class ReleaseCheckout:
    """A release's commit, checked out where nobody else works; `gone` are files of it whose content could not be had."""

    project: Project
    missing_files: tuple[str, ...]


def load_recorded_release(project: Project, repo: Repository, release: Release) -> RecordedRelease:
    """Return what the release names, fetching it where need be, once it is what the release says.

    Raises EnvironmentProblem: `store-missing`, or `store-corrupt` when the pin holds another run, or other files.
    """
    stored = run_store.released_run(repo, release)
    run = run_store.read_record(repo, stored, "run.json", TrainingRun)
    data = run_store.read_record(repo, stored, "snapshot.json", DatasetSnapshot)
    told = (release.model, release.run_key, release.model_digest, release.model_files, release.model_format,
            release.spec_digest, release.environment_digest, release.data[0].digest, release.data[0].digest)  # fmt: skip
    says = (run.model, run.key, run.model_digest, run.files, run.model_format,
            run.spec_digest, digest_json(run.environment.identity), run.data_digest, data.digest)  # fmt: skip
    if told != says:
        raise _corrupt_store_problem(stored.ref, "its run is not the one that the release was made of")
    folder = Path(tempfile.mkdtemp(prefix="recorded-", dir=project.context.scratch))
    run_store.write_model_files(repo, stored, release.model_files, folder)
    return RecordedRelease(release, run, data, folder)


def checkout_release(project: Project, repo: Repository, release: Release) -> ReleaseCheckout:
    """Check the release's commit out into scratch and read its specs; the work tree and the index are not touched.

    Raises EnvironmentProblem `release-specs-unreadable` when its specs are not valid for this toolkit, or have no such
    model.
    """
    context, name = project.context, f"{release.model}@v{release.version}"
    scratch = Path(tempfile.mkdtemp(prefix="commit-", dir=context.scratch)).resolve()
    tree = scratch / "tree"
    tree.mkdir()
    gone = repo.check_out(release.commit, tree, scratch / "index")
    inside = PurePosixPath(release.project.path)
    root = tree / inside
    there = root.is_dir() and root.resolve() == root  # a link could lead anywhere
    specs, findings = load_specs(root) if there else (None, ())
    if specs is None or release.model not in specs.models:
        said = next(
            (one.message for one in findings if one.severity == "error"), f"there is no model '{release.model}'"
        )
        lost = f"; these files could not be had: {', '.join(gone[:5])}" if gone else ""
        raise EnvironmentProblem.of(
            "release-specs-unreadable",
            f"the specs of {name} in commit {release.commit[:10]} cannot be used: {said}{lost}",
            help=f"it was made by mlops-ci {release.made_by.toolkit}: try that version",
        )
    context = replace(context, root=root, start_folder=root, cache=None)  # what is compared is read, not remembered
    prefix = "" if inside == PurePosixPath() else f"{inside}/"
    return ReleaseCheckout(
        Project(specs, context), tuple(path.removeprefix(prefix) for path in gone if path.startswith(prefix))
    )


def recover_candidate(checkout: ReleaseCheckout, record: RecordedRelease) -> tuple[Candidate | None, tuple[Cause, ...]]:
    """Return the candidate that the release was, or why the commit does not hold it any more."""
    project, model = checkout.project, record.run.model
    if lost := _missing_data_files(project.context.root, record.snapshot.files, checkout.missing_files):
        return None, (_missing_data_cause(lost, "of the files that the model learned from"),)
    try:
        data, _ = read_data(project, model)
    except Findings as error:
        return None, (Cause("data", f"data gone: {error}", ()),)
    if (data.digest, data.schema_digest) != (record.run.data_digest, record.run.schema_digest):
        before, now = ({file.path: file.sha256 for file in one.files} for one in (record.snapshot, data))
        evidence = (
            *find_changed_values(before, now),
            RecordedDifference("content", record.run.data_digest, data.digest),
        )
        return None, (_missing_data_cause(evidence, "of the data are not those that the model learned from"),)
    try:
        candidate = identify_candidate(project, model, data, record.run.environment, allow_leaks=True)
    except Findings as error:
        return None, (Cause("commit", f"the commit does not hold what was recorded: {error}"),)
    if differs := _identity_differences(candidate, record):
        shown = ", ".join(one.what for one in differs[:5])
        return None, (Cause("commit", f"the commit does not hold what was recorded: {shown} differ", differs),)
    return candidate, ()


def _missing_data_files(
    root: Path, files: tuple[FileDigest, ...], gone: tuple[str, ...]
) -> tuple[RecordedDifference, ...]:
    """Return those data files whose content is not here at all: absent, leading out, or a pointer to where it was kept."""
    lost = []
    for file in files:
        path = root / file.path
        inside = path.is_file() and path.resolve().is_relative_to(root.resolve())
        if file.path in gone or not inside:
            lost.append(RecordedDifference(file.path, file.sha256, None))
        elif (
            path.stat().st_size < 1024
            and path.read_bytes().startswith(_LFS_POINTER)
            and digest_file(path) != file.sha256
        ):
            lost.append(RecordedDifference(file.path, file.sha256, "a Git LFS pointer"))
    return tuple(lost)


def _missing_data_cause(evidence: tuple[RecordedDifference, ...], what: str) -> Cause:
    names = [one.what for one in evidence]
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return Cause("data", f"data gone: {len(names)} {what}: {shown}", evidence)


def _identity_differences(candidate: Candidate, record: RecordedRelease) -> tuple[RecordedDifference, ...]:
    run, sides = record.run, candidate.sides.split
    before = {
        "spec": run.spec_digest,
        "dataset spec": record.snapshot.spec_digest,
        "interface": run.interface_digest,
        "training rows": run.split.train_digest,
        **{file.path: file.sha256 for file in run.code},
    }
    now = {
        "spec": candidate.model.digest,
        "dataset spec": candidate.dataset.digest,
        "interface": candidate.interface_digest,
        "training rows": sides.train_digest,
        **{file.path: file.sha256 for file in candidate.code},
    }
    return find_changed_values(before, now)


def _corrupt_store_problem(ref: str, why: str) -> EnvironmentProblem:
    return EnvironmentProblem.of(
        "store-corrupt",
        f"{ref} cannot be used: {why}",
        help="somebody changed the store, or it is damaged: compare with another clone (git ls-remote), and fetch again",
    )
