"""`predict`: a released model's predictions for a table of the user's own."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from mlops_ci.core.errors import EnvironmentProblem, UsageProblem
from mlops_ci.core.plan import Outcome, Plan
from mlops_ci.core.planned_writes import ExportFile
from mlops_ci.core.records.events import Release
from mlops_ci.core.results.lifecycle import TablePredictionsReport
from mlops_ci.core.verbs import MODEL_OPTION, Option, Verb
from mlops_ci.evaluation.baselines import packaged_model
from mlops_ci.evaluation.candidates.release_checkout import load_recorded_release
from mlops_ci.evaluation.table_predictions import (
    PredictionPlace,
    predict_table,
    require_out_ending,
    require_table_type,
)
from mlops_ci.governance.revocations import usage_warnings
from mlops_ci.governance.verified_registry import verify_project
from mlops_ci.registry.lookup import require_model, require_release, require_release_record
from mlops_ci.repository.branch_specs import BranchTip, read_projects
from mlops_ci.repository.context import Project
from mlops_ci.repository.git import Repository
from mlops_ci.repository.lookup import require_repository
from mlops_ci.spec.located_spec import LocatedSpec
from mlops_ci.spec.spec_types import DatasetSpec

SPEC = Verb(
    "predict",
    "Predict a table of your own with a released model.",
    (
        MODEL_OPTION,
        Option(
            "table",
            "The table: a CSV, parquet or JSON Lines file with the model's columns, anywhere on this machine.",
            kind="path",
            positional=True,
            required=True,
            metavar="TABLE",
        ),
        Option(
            "out",
            "The file for the predictions; its ending (.csv or .parquet) says how it is written.",
            kind="path",
            required=True,
            metavar="FILE",
        ),
        Option("replace", "Replace FILE if it exists.", kind="flag"),
    ),
    writes=True,
    syncs="try",
    details="Without a version, the newest release is used that is not revoked, as in `fetch`. The table is read as the release's Dataset spec says, and its columns"
    " are checked by that spec. FILE gets the key columns that the table has (else the number of each row), `prediction`, and `probability.CLASS` for each class. The model"
    " runs in a process of its own.",
)


def predict(
    project: Project, *, model: str, table: str, out: str, replace: bool = False
) -> Outcome[TablePredictionsReport]:
    """Plan a file with the predictions of MODEL or MODEL@VERSION (default: the newest release) for a table.

    Raises UsageProblem for an unknown version, a file that is no table, or an `out` that exists already (unless `replace`);
    Findings when the table lacks columns, has values that the spec does not allow, or cannot be predicted; and
    EnvironmentProblem when a stored file is missing or has another digest.
    """
    context = project.context
    source, target = (context.start_folder / table).resolve(), _place(context.start_folder, out)
    shown, shown_out = (_shorten(context.start_folder, path) for path in (table, out))
    require_table_type(source)
    ending = require_out_ending(target)
    if target.exists() and not replace:
        raise UsageProblem.of(
            "file-exists",
            f"{shown_out} exists already and is not overwritten",
            help="name another file, or add --replace",
        )
    name, _, version = model.partition("@")
    verified = verify_project(project, name)
    state = require_model(project, verified.state, name)
    release = require_release_record(require_release(state, version or None))
    repo = require_repository(context.repo)
    recorded = load_recorded_release(project, repo, release)  # every file is verified
    dataset = _require_dataset(project, repo, release, recorded.run.dataset)
    packaged = packaged_model(name, recorded.run, recorded.folder, release)
    scratch = Path(tempfile.mkdtemp(prefix="predict-", dir=context.scratch))
    place = PredictionPlace(scratch, context.clock(), context.progress)
    made = predict_table(packaged, dataset, source, ending, place)
    report = TablePredictionsReport(name, release.version, shown, shown_out, made.rows, made.columns)
    warnings = (*verified.warnings(name), *usage_warnings(state, release.model_digest))
    return Outcome(report, (*warnings, *made.diagnostics), Plan((ExportFile(target, made.path),)))


def _place(start: Path, given: str) -> Path:
    """Return a path without `..`, and without links but for its own."""
    path = start / given
    return path.parent.resolve() / path.name


def _shorten(start: Path, given: str) -> str:
    """Return a path as reports show it: from the folder of the command, unless it was given as an absolute path."""
    place = _place(start, given)
    return str(place) if Path(given).is_absolute() else os.path.relpath(place, start.resolve())


def _require_dataset(project: Project, repo: Repository, release: Release, dataset: str) -> LocatedSpec[DatasetSpec]:
    """Return the Dataset spec in the release's commit; raises EnvironmentProblem `release-specs-unreadable` without one."""
    commit = release.commit
    folder = "" if release.project.path in ("", ".") else release.project.path
    tip = BranchTip(commit[:10], commit, repo.list_files(commit))
    copy = Path(tempfile.mkdtemp(prefix="specs-", dir=project.context.scratch))
    projects, _ = read_projects(repo, tip, folder or ".", copy)
    found = next((one.specs.datasets.get(dataset) for one in projects if one.folder == folder), None)
    if found is None:
        raise EnvironmentProblem.of(
            "release-specs-unreadable",
            f"the spec of '{dataset}' in commit {commit[:10]} of {release.model}@v{release.version} cannot be read",
            help=f"mlops-ci {release.made_by.toolkit} made this release: try that version",
        )
    return found
