"""A release as it was made: the run that it names, verified, and its commit with specs, code and data in a scratch folder."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from mlops_ci.core.digest import digest_file, digest_json
from mlops_ci.core.errors import EnvironmentProblem, Findings
from mlops_ci.core.records import DatasetSnapshot, FileDigest, Release, TrainingRun
from mlops_ci.core.results.queries import Cause, Moved
from mlops_ci.evaluation.candidates.candidate import Candidate, identify, read_data
from mlops_ci.registry import run_store as store
from mlops_ci.repository.context import Project
from mlops_ci.repository.git import Repository
from mlops_ci.spec.load import load
from mlops_ci.training.reproduction_differences import moved

_POINTER = b"version https://git-lfs.github.com/spec/"


@dataclass(frozen=True)
class Recorded:
    """What a release says of its making: the run and its data as recorded, and the model's files in `folder`."""

    release: Release
    run: TrainingRun
    snapshot: DatasetSnapshot
    folder: Path


@dataclass(frozen=True)
class Restored:
    """A release's commit, checked out where nobody else works; `gone` are files of it whose content could not be had."""

    project: Project
    gone: tuple[str, ...]


def recorded(project: Project, repo: Repository, release: Release) -> Recorded:
    """Return what the release names, fetching it where need be, once it is what the release says.

    Raises EnvironmentProblem: `store-missing`, or `store-corrupt` when the pin holds another run, or other files.
    """
    stored = store.pinned(repo, release)
    run = store.read_record(repo, stored, "run.json", TrainingRun)
    data = store.read_record(repo, stored, "snapshot.json", DatasetSnapshot)
    told = (release.model, release.run_key, release.model_digest, release.model_files, release.spec_digest,
            release.environment_digest, release.data[0].digest, release.data[0].digest)  # fmt: skip
    says = (run.model, run.key, run.model_digest, run.files, run.spec_digest,
            digest_json(run.environment.identity), run.data_digest, data.digest)  # fmt: skip
    if told != says:
        raise _corrupt(stored.ref, "its run is not the one that the release was made of")
    folder = Path(tempfile.mkdtemp(prefix="recorded-", dir=project.context.scratch))
    store.materialise(repo, stored, release.model_files, folder)
    return Recorded(release, run, data, folder)


def restore(project: Project, repo: Repository, release: Release) -> Restored:
    """Check the release's commit out into scratch and read its specs; the work tree and the index are not touched.

    Raises EnvironmentProblem `release-specs-unreadable` when its specs are not valid for this toolkit, or have no such
    model.
    """
    context, name = project.context, f"{release.model}@v{release.version}"
    scratch = Path(tempfile.mkdtemp(prefix="commit-", dir=context.scratch)).resolve()
    tree = scratch / "tree"
    tree.mkdir()
    gone = repo.check_out(release.commit, tree, scratch / "index")
    inside = context.root.resolve().relative_to(repo.root.resolve())
    root = tree / inside
    there = root.is_dir() and root.resolve() == root  # a link could lead anywhere
    specs, findings = load(root) if there else (None, ())
    if specs is None or release.model not in specs.models:
        said = next(
            (one.message for one in findings if one.severity == "error"), f"there is no model '{release.model}'"
        )
        lost = f"; these files could not be had: {', '.join(gone[:5])}" if gone else ""
        raise EnvironmentProblem.of(
            "release-specs-unreadable",
            f"the specs of {name} in commit {release.commit[:10]} cannot be used: {said}{lost}",
            help=f"it was made by mlops-ci {release.made_by.toolkit}: try that version"
            + (f"; the project's folder was another than '{inside.as_posix()}'?" if not there else ""),
        )
    context = replace(context, root=root, here=root, cache=None)  # what is compared is read, not remembered
    prefix = "" if inside == Path() else f"{inside.as_posix()}/"
    return Restored(
        Project(specs, context), tuple(path.removeprefix(prefix) for path in gone if path.startswith(prefix))
    )


def candidate_of(restored: Restored, record: Recorded) -> tuple[Candidate | None, tuple[Cause, ...]]:
    """Return the candidate that the release was, or why the commit does not hold it any more."""
    project, model = restored.project, record.run.model
    if lost := _lost(project.context.root, record.snapshot.files, restored.gone):
        return None, (_data_gone(lost, "of the files that the model learned from"),)
    try:
        data, _ = read_data(project, model)
    except Findings as error:
        return None, (Cause("data", f"data gone: {error}", ()),)
    if (data.digest, data.schema_digest) != (record.run.data_digest, record.run.schema_digest):
        before, now = ({file.path: file.sha256 for file in one.files} for one in (record.snapshot, data))
        evidence = (*moved(before, now), Moved("content", record.run.data_digest, data.digest))
        return None, (_data_gone(evidence, "of the data are not those that the model learned from"),)
    try:
        candidate = identify(project, model, data, record.run.environment, again=True)
    except Findings as error:
        return None, (Cause("commit", f"the commit does not hold what was recorded: {error}"),)
    if differs := _differs(candidate, record):
        shown = ", ".join(one.what for one in differs[:5])
        return None, (Cause("commit", f"the commit does not hold what was recorded: {shown} differ", differs),)
    return candidate, ()


def _lost(root: Path, files: tuple[FileDigest, ...], gone: tuple[str, ...]) -> tuple[Moved, ...]:
    """Return those data files whose content is not here at all: absent, leading out, or a pointer to where it was kept."""
    lost = []
    for file in files:
        path = root / file.path
        inside = path.is_file() and path.resolve().is_relative_to(root.resolve())
        if file.path in gone or not inside:
            lost.append(Moved(file.path, file.sha256, None))
        elif path.stat().st_size < 1024 and path.read_bytes().startswith(_POINTER) and digest_file(path) != file.sha256:
            lost.append(Moved(file.path, file.sha256, "a Git LFS pointer"))
    return tuple(lost)


def _data_gone(evidence: tuple[Moved, ...], what: str) -> Cause:
    names = [one.what for one in evidence]
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return Cause("data", f"data gone: {len(names)} {what}: {shown}", evidence)


def _differs(candidate: Candidate, record: Recorded) -> tuple[Moved, ...]:
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
    return moved(before, now)


def _corrupt(ref: str, why: str) -> EnvironmentProblem:
    return EnvironmentProblem.of(
        "store-corrupt",
        f"{ref} cannot be used: {why}",
        help="somebody changed the store, or it is damaged: compare with another clone (git ls-remote), and fetch again",
    )
