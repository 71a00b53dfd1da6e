"""A project of one model and sixty rows, small enough to be identified in a moment."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlops_ci.core.records.base import Provenance
from mlops_ci.core.records.events import Release
from mlops_ci.evaluation.candidates.candidate import Candidate, identify_candidate, read_data
from mlops_ci.registry.events import Event
from mlops_ci.registry.state import ModelState
from mlops_ci.registry.statement import encode_release
from mlops_ci.registry.tag_message import format_tag_message
from mlops_ci.repository import git
from mlops_ci.repository.context import Context, Project
from mlops_ci.spec.load import load_specs
from tests.support.registry_samples import RELEASE

HEAD = "apiVersion: mlops-ci/v1\nkind: {}\nmetadata: {{name: {}}}\nspec:\n"
DATASET = HEAD.format("Dataset", "flights") + "  source: {type: csv, path: flights.csv}\n  key: [id]\n"
MODEL = (
    HEAD.format("Model", "delay")
    + "  task: binary-classification\n  dataset: flights\n  target: late\n  features: [hour, distance]\n"
    + "  train: {estimator: sklearn.linear_model.LogisticRegression, seed: 7}\n"
)
ROWS = "id,hour,distance,late,origin\n" + "".join(
    f"{id},{id % 24},{id * 7 % 100}.5,{id % 2},{'JFK' if id % 3 else 'EWR'}\n" for id in range(60)
)


def write_project(root: Path, model: str = MODEL, dataset: str = DATASET, project: str = "  {}\n") -> None:
    files = {"mlops.yaml": HEAD.format("Project", "air") + project, "delay.yaml": model, "flights.yaml": dataset}
    for name, text in {**files, "flights.csv": ROWS}.items():
        (root / name).write_text(text)


def open_project(root: Path, *, in_git: bool = False) -> Project:
    """Return the project of a folder; its scratch folder is beside it."""
    specs, found = load_specs(root)
    assert specs is not None, found
    scratch = root.parent / f"{root.name}-scratch"
    scratch.mkdir(exist_ok=True)
    repo = git.find_repository(root) if in_git else None
    maker = Provenance("Ada Lovelace", "0")
    context = Context(root, root, repo, scratch, None, lambda: datetime.now(UTC), maker, False, lambda _: None)
    return Project(specs, context)


def identify(root: Path) -> Candidate:
    """Return the candidate that the folder's model is now."""
    project = open_project(root)
    return identify_candidate(project, "delay", read_data(project, "delay")[0])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a project."""
    folder = tmp_path / "air"
    folder.mkdir()
    write_project(folder)
    return folder


def release_event(version: str, record: Release | None = RELEASE) -> Event:
    """A release of that version; without a record it is a tag that another tool wrote."""
    text = encode_release(replace(record, version=version)) if record else None
    contents = format_tag_message(f"delay v{version}", "", text) if text else "by hand"
    oid = version.replace(".", "").ljust(40, "0")
    return Event("release", f"delay@v{version}", oid, "delay", version, RELEASE.commit, "Ada", 0, None, 0, contents)


def assigned_event(version: str, environment: str, number: int) -> Event:
    """A tag that says which version an environment runs."""
    name = f"delay#{environment}#{number}"
    return Event("assignment", name, f"{number:040d}", "delay", version, "", "Ada", 0, environment, number, "")


def model_state(*events: Event) -> ModelState:
    """The state that these events, in this order, fold to."""
    return ModelState("delay", events)
