"""`fetch`: a released model's files, verified, and the lines that load it."""

from __future__ import annotations

from pathlib import Path

from mlops_ci.core.plan import Outcome, Plan
from mlops_ci.core.planned_writes import WriteFile
from mlops_ci.core.records.events import Release
from mlops_ci.core.records.training_run import TrainingRun
from mlops_ci.core.results.lifecycle import FetchReport
from mlops_ci.core.verbs import ALL_SURFACES, FETCH_PERMISSION, MODEL_OPTION, Option, Verb
from mlops_ci.governance.revocations import usage_warnings
from mlops_ci.governance.verified_registry import verify_project
from mlops_ci.registry import run_store
from mlops_ci.registry.lookup import require_model, require_release, require_release_record
from mlops_ci.repository.context import Project
from mlops_ci.repository.lookup import require_repository
from mlops_ci.training.packaging.package_files import GOLDEN_FILE
from mlops_ci.training.packaging.table import load_packager
from mlops_ci.training.user_code import entrypoint_folders

SPEC = Verb(
    "fetch",
    "Verify a release's files, and write them to a folder.",
    (
        MODEL_OPTION,
        Option(
            "directory",
            "The folder; created if it does not exist.",
            kind="path",
            positional=True,
            required=True,
            metavar="DIR",
        ),
    ),
    writes=True,
    syncs="try",
    surfaces=ALL_SURFACES,
    permissions=(FETCH_PERMISSION,),
    icon="download",
)


def fetch(project: Project, *, model: str, directory: str) -> Outcome[FetchReport]:
    """Plan the files of MODEL or MODEL@VERSION (default: the newest release), after verifying the digests of the release.

    Raises UsageProblem for an unknown version, and EnvironmentProblem when a stored file is missing or has another digest.
    """
    name, _, version = model.partition("@")
    verified = verify_project(project, name)
    state = require_model(project, verified.state, name)
    event = require_release(state, version or None)
    release = require_release_record(event)
    repo = require_repository(project.context.repo)
    run = run_store.released_run(repo, release)
    scratch = project.context.scratch / "fetch"
    run_store.write_model_files(repo, run, release.model_files, scratch)
    target = (project.context.start_folder / directory).resolve()
    writes = tuple(
        WriteFile(str(target / file.path), (scratch / file.path).read_bytes())
        for file in release.model_files
        if not _has_same_bytes(target / file.path, scratch / file.path)
    )
    record = run_store.read_record(repo, run, "run.json", TrainingRun)
    # the folders, among the fetched files, from which a model with its own code imports that code
    paths = entrypoint_folders(record.estimator, target / run_store.CODE_FOLDER) if release.code else ()
    packager = load_packager(release.model_format.name)
    module, load = packager.loading_code(str(target / release.model_format.entry_file), release.trusted)
    lines = (
        f"import sys; sys.path[:0] = {list(paths)!r}; import pandas, {module}" if paths else f"import pandas, {module}",
        f"model = {load}",
        _use_code(release, target, [field.name for field in record.signature.inputs]),
    )
    report = FetchReport(name, release.version, str(target), release.model_files, lines)
    return Outcome(report, (*verified.warnings(name), *usage_warnings(state, release.model_digest)), Plan(writes))


def _use_code(release: Release, target: Path, inputs: list[str]) -> str:
    """Return a line that predicts the golden rows, or else names the columns that the model reads, in order."""
    if not any(file.path == GOLDEN_FILE for file in release.model_files):
        return f"print('the model predicts a pandas.DataFrame with the columns', {inputs!r})"
    return f"print(model.predict(pandas.read_parquet({str(target / GOLDEN_FILE)!r})))"


def _has_same_bytes(existing: Path, wanted: Path) -> bool:
    return existing.is_file() and existing.read_bytes() == wanted.read_bytes()
