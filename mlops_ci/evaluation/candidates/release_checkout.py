"""Loads a release for a reproduction: its verified run, and its commit with specs, code and data in a scratch folder."""

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
    """A release with the recorded run and data snapshot; the model's files are in `folder`."""

    release: Release
    run: TrainingRun
    snapshot: DatasetSnapshot
    folder: Path


@dataclass(frozen=True)
class ReleaseCheckout:
    """A release's commit in a folder of its own; `missing_files` are files of the commit whose content git does not have."""

    project: Project
    missing_files: tuple[str, ...]


def load_recorded_release(project: Project, repo: Repository, release: Release) -> RecordedRelease:
    """Return the run, snapshot and files that a release names, fetched if necessary, and verified against its record.

    Raises EnvironmentProblem `store-missing` when they cannot be fetched, and `store-corrupt` when the pinned ref holds
    another run or other files.
    """
    stored = run_store.released_run(repo, release)
    run = run_store.read_record(repo, stored, "run.json", TrainingRun)
    data = run_store.read_record(repo, stored, "snapshot.json", DatasetSnapshot)
    # the run's own spec may be an earlier one: a spec whose gate has changed since finds the run that was trained before
    expected = (release.model, release.run_key, release.model_digest, release.model_files, release.model_format,
                release.environment_digest, release.data[0].train_digest, release.data[0].files_digest)  # fmt: skip
    stored_values = (run.model, run.key, run.model_digest, run.files, run.model_format,
                     digest_json(run.environment.identity), run.split.train_digest, data.files_digest)  # fmt: skip
    if expected != stored_values:
        raise _corrupt_store_problem(stored.ref, "its run does not match the release's record")
    folder = Path(tempfile.mkdtemp(prefix="recorded-", dir=project.context.scratch))
    run_store.write_model_files(repo, stored, release.model_files, folder)
    return RecordedRelease(release, run, data, folder)


def checkout_release(project: Project, repo: Repository, release: Release) -> ReleaseCheckout:
    """Return the release's commit, checked out into a scratch folder, with its specs; work tree and index stay unchanged.

    Raises EnvironmentProblem `release-specs-unreadable` when this toolkit cannot read the specs, or when they do not have
    the release's model.
    """
    context, name = project.context, f"{release.model}@v{release.version}"
    scratch = Path(tempfile.mkdtemp(prefix="commit-", dir=context.scratch)).resolve()
    tree = scratch / "tree"
    tree.mkdir()
    missing = repo.check_out(release.commit, tree, scratch / "index")
    inside = PurePosixPath(release.project.path)
    root = tree / inside
    has_folder = root.is_dir() and root.resolve() == root  # a symbolic link could lead anywhere
    specs, findings = load_specs(root) if has_folder else (None, ())
    if specs is None or release.model not in specs.models:
        reason = next(
            (one.message for one in findings if one.severity == "error"), f"there is no model '{release.model}'"
        )
        lost = f"; the content of these files is missing: {', '.join(missing[:5])}" if missing else ""
        raise EnvironmentProblem.of(
            "release-specs-unreadable",
            f"the specs of {name} in commit {release.commit[:10]} cannot be used: {reason}{lost}",
            help=f"mlops-ci {release.made_by.toolkit} made this release: try that version",
        )
    context = replace(
        context, root=root, start_folder=root, cache=None, whole_specs=None
    )  # read everything anew, without the cache
    prefix = "" if inside == PurePosixPath() else f"{inside}/"
    return ReleaseCheckout(
        Project(specs, context), tuple(path.removeprefix(prefix) for path in missing if path.startswith(prefix))
    )


def recover_candidate(checkout: ReleaseCheckout, record: RecordedRelease) -> tuple[Candidate | None, tuple[Cause, ...]]:
    """Return the candidate that became the release; or None and the causes why the commit does not have it any more."""
    project, model = checkout.project, record.run.model
    if lost := _missing_data_files(project.context.root, record.snapshot.files, checkout.missing_files):
        return None, (_missing_data_cause(lost, f"{len(lost)} of the training files"),)
    try:
        data, _ = read_data(project, model)
    except Findings as error:
        return None, (Cause("data", f"data not available: {error}", ()),)
    before, now = ({file.path: file.sha256 for file in one.files} for one in (record.snapshot, data))
    other_files = find_changed_values(before, now)  # the same rows may lie in other files
    data_differ = "the data differ from the data that the model was trained on"
    try:
        candidate = identify_candidate(project, model, data, record.run.environment, allow_leaks=True)
    except Findings as error:
        if other_files:
            return None, (_missing_data_cause(other_files, f"{data_differ}: {error}"),)
        return None, (Cause("commit", f"the commit does not match the record: {error}"),)
    if other_files and (other_rows := _row_differences(candidate, record)):
        return None, (_missing_data_cause((*other_files, *other_rows), data_differ),)
    if differs := _identity_differences(candidate, record):
        shown = ", ".join(one.what for one in differs[:5])
        return None, (Cause("commit", f"the commit does not match the record: {shown} differ", differs),)
    return candidate, ()


def _missing_data_files(
    root: Path, files: tuple[FileDigest, ...], gone: tuple[str, ...]
) -> tuple[RecordedDifference, ...]:
    """Return the data files without content: absent, outside of the project, or a Git LFS pointer."""
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
    return Cause("data", f"data not available: {what}: {shown}", evidence)


def _identity_differences(candidate: Candidate, record: RecordedRelease) -> tuple[RecordedDifference, ...]:
    run = record.run
    before = {
        "spec": record.release.spec_digest,
        "dataset spec": record.snapshot.spec_digest,
        "interface": run.interface_digest,
        **{file.path: file.sha256 for file in run.code},
    }
    now = {
        "spec": candidate.model.digest,
        "dataset spec": candidate.dataset.digest,
        "interface": candidate.interface_digest,
        **{file.path: file.sha256 for file in candidate.code},
    }
    return (*find_changed_values(before, now), *_row_differences(candidate, record))


def _row_differences(candidate: Candidate, record: RecordedRelease) -> tuple[RecordedDifference, ...]:
    """Return which side's rows differ from the release's; a sealed holdout is not read for a reproduction."""
    sides = candidate.sides.split
    before = {"training rows": record.release.data[0].train_digest}
    now = {"training rows": sides.train_digest}
    if sides.by != "sealed":
        before["holdout rows"], now["holdout rows"] = record.release.evidence.holdout_digest, sides.holdout_digest
    return find_changed_values(before, now)


def _corrupt_store_problem(ref: str, why: str) -> EnvironmentProblem:
    return EnvironmentProblem.of(
        "store-corrupt",
        f"{ref} cannot be used: {why}",
        help="the store was changed or is damaged: compare with another clone (git ls-remote), and fetch the ref again",
    )
