"""What a change may do with a holdout that its base branch has sealed: a label never leaves, whatever the change says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mlops_ci.core.ci_job import CiJob
from mlops_ci.core.errors import Findings
from mlops_ci.evaluation.base_branch_rules import effective_rules, find_base
from mlops_ci.evaluation.holdout.change_limits import ensure_sealed_labels
from tests.evaluation.conftest import DATASET, HEAD, MODEL, ROWS, open_project, write_project
from tests.support.git_calls import git_in

SEALED = "  split: {by: sealed, source: {type: csv, path: vault/held.csv}}\n"
# a second model of the base: its target is a label of the same file
HOURS = HEAD.format("Model", "hours") + (
    "  task: regression\n  dataset: flights\n  target: distance\n  features: [hour]\n"
    "  train: {estimator: sklearn.linear_model.LinearRegression}\n"
)
# a model of the change that is harmless: a new target, and no label among the features
SPY = HEAD.format("Model", "spy") + (
    "  task: regression\n  dataset: flights\n  target: hour\n  features: [origin]\n  train: {entrypoint: 'spy.py:build'}\n"
)
CODE = "from sklearn.linear_model import LinearRegression\n\ndef build():\n    return LinearRegression()\n"

Refusal = Callable[..., list[str]]


def commit(root: Path) -> None:
    run = git_in(root)
    run("add", "--all")
    run("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "--quiet", "-m", "Seal")


@pytest.fixture
def change(root: Path) -> Path:
    """Given a base with two models on a sealed holdout, a work tree with the same and one harmless model more."""
    write_project(root, MODEL, DATASET + SEALED)
    (root / "hours.yaml").write_text(HOURS)
    (root / "vault").mkdir()
    (root / "vault/held.csv").write_text(ROWS)
    git_in(root)("init", "--quiet", "--initial-branch=main")
    commit(root)
    (root / "spy.yaml").write_text(SPY)
    (root / "spy.py").write_text(CODE)
    return root


JOB = CiJob(
    "ada/ml",
    "https://api.git.example",
    "https://git.example",
    "pull_request",
    "gate",
    "0" * 40,
    "https://git.example/1",
)


def refusals(root: Path, name: str = "spy", *, hands_over: bool = True, job: CiJob | None = None) -> list[str]:
    project = open_project(root, in_git=True)
    project = replace(project, context=replace(project.context, job=job))
    try:
        ensure_sealed_labels(project, name, find_base(project, "main"), hands_over=hands_over)
    except Findings as found:
        return [one.id for one in found.diagnostics]
    return []


def test_a_new_model_may_have_a_new_target_and_any_column_that_is_no_label(change: Path) -> None:
    assert refusals(change) == refusals(change, "delay") == refusals(change, "hours") == []


@pytest.mark.parametrize(
    ("file", "old", "new", "id"),
    [
        # another model's target, of either model of the base, is a feature
        ("spy.yaml", "[origin]", "[origin, late]", "sealed-label"),
        ("spy.yaml", "[origin]", "[origin, distance]", "sealed-label"),
        # rules of its own choose rows, and are shown for them
        ("spy.yaml", "  train:", "  evaluate: {slices: [late]}\n  train:", "sealed-rules"),
        ("spy.yaml", "  train:", "  evaluate: {slices: [{name: one, where: 'id == 7'}]}\n  train:", "sealed-rules"),
        ("spy.yaml", "  train:", "  evaluate: {weights: late}\n  train:", "sealed-rules"),
        ("spy.yaml", "  train:", "  gate: {minRows: 2}\n  train:", "sealed-rules"),
        ("spy.yaml", "  train:", "  gate: {minSliceRows: 2}\n  train:", "sealed-rules"),
        # the dataset names rows, or sorts them, by a label
        ("flights.yaml", "key: [id]", "key: [late]", "sealed-rules"),
        ("flights.yaml", "key: [id]", "key: [id]\n  group: late", "sealed-rules"),
        ("flights.yaml", "key: [id]", "key: [id]\n  time: late", "sealed-rules"),
        # the holdout is what is learned from, checked and shown
        ("flights.yaml", "path: flights.csv", "path: vault/held.csv", "sealed-source"),
        ("flights.yaml", "path: flights.csv", "path: '**/held.csv'", "sealed-source"),
    ],
)
def test_a_change_cannot_show_a_label(change: Path, file: str, old: str, new: str, id: str) -> None:
    text = (change / file).read_text()
    assert old in text
    (change / file).write_text(text.replace(old, new))
    assert set(refusals(change)) == {id}


@pytest.mark.parametrize(
    ("source", "id"),
    [
        ("path: vault/held.csv", "sealed-label"),  # the same file under another name of the dataset
        ("path: ./vault//held.csv", "sealed-label"),  # the same file, spelled otherwise
        ("path: vault/held.csv, header: [id, hour, distance, harmless, origin], skipRows: 1", "sealed-source"),
        ("path: vault/other.csv", "sealed-source"),
        ("url: 's3://bucket/other.csv'", "sealed-source"),  # read with the job's credentials
    ],
)
def test_a_dataset_with_another_name_has_the_same_labels(change: Path, source: str, id: str) -> None:
    text = DATASET.replace("flights}", "renamed}") + SEALED.replace("path: vault/held.csv", source)
    (change / "renamed.yaml").write_text(text)
    (change / "spy.yaml").write_text(SPY.replace("flights", "renamed").replace("[origin]", "[origin, late]"))
    assert id in refusals(change)


def test_a_dataset_that_is_renamed_has_the_same_labels(change: Path) -> None:
    for file in ("flights.yaml", "delay.yaml", "hours.yaml", "spy.yaml"):
        text = (
            (change / file)
            .read_text()
            .replace("name: flights", "name: trips")
            .replace("dataset: flights", "dataset: trips")
        )
        (change / file).write_text(text)
    assert refusals(change) == []
    (change / "spy.yaml").write_text((change / "spy.yaml").read_text().replace("[origin]", "[late]"))
    assert refusals(change) == ["sealed-label"]


def test_a_second_project_with_the_same_file_has_the_same_labels(change: Path) -> None:
    """Given a url that both projects name, when the project is new in the change, then the labels are those of the first one."""
    url = f"url: 'file://{change}/vault/held.csv'"
    (change / "flights.yaml").write_text(DATASET + SEALED.replace("path: vault/held.csv", url))
    commit(change)
    second = change / "second"
    second.mkdir()
    write_project(second, MODEL, DATASET + SEALED.replace("path: vault/held.csv", url), project="  {}\n")
    (second / "mlops.yaml").write_text(HEAD.format("Project", "second") + "  {}\n")
    (second / "delay.yaml").write_text(MODEL.replace("target: late", "target: origin").replace("[hour,", "[late,"))
    assert "sealed-label" in refusals(second, "delay")


def test_a_model_of_the_base_keeps_its_features_while_it_runs_no_code_of_the_repository(change: Path) -> None:
    """Given a model of the base with another's target as a feature, when a change trains it by code, then that code gets no label."""
    assert refusals(change, "delay") == []
    own = MODEL.replace("{estimator: sklearn.linear_model.LogisticRegression, seed: 7}", "{entrypoint: 'spy.py:build'}")
    (change / "delay.yaml").write_text(own)
    assert refusals(change, "delay") == ["sealed-label"]


def test_a_model_of_the_base_answers_the_same_question(change: Path) -> None:
    (change / "delay.yaml").write_text(MODEL.replace("target: late", "target: origin"))
    assert refusals(change, "delay") == ["sealed-rules"]


def test_a_link_to_the_holdout_is_the_holdout(change: Path) -> None:
    (change / "flights.csv").unlink()
    (change / "flights.csv").symlink_to("vault/held.csv")
    assert refusals(change) == ["sealed-source"]


def test_a_change_cannot_open_what_the_base_seals_by_another_split(change: Path) -> None:
    """Given a new model, when the change unseals its dataset, then the holdout is the base's all the same."""
    (change / "flights.yaml").write_text(DATASET + "  split: {by: key-hash}\n")
    project = open_project(change, in_git=True)
    rules = effective_rules(
        find_base(project, "main"), project, project.specs.models["spy"], project.specs.datasets["flights"]
    )
    assert (rules.split.by, "split.by" in rules.differences) == ("sealed", True)


def test_a_change_cannot_untag_a_personal_column(change: Path) -> None:
    tagged = DATASET + "  columns: {origin: {type: string, tags: [pii]}}\n" + SEALED
    (change / "flights.yaml").write_text(tagged)
    commit(change)
    (change / "flights.yaml").write_text(tagged.replace(", tags: [pii]", ""))
    assert refusals(change, "delay") == ["sealed-rules"]
    (change / "flights.yaml").write_text(tagged)
    (change / "delay.yaml").write_text(MODEL + "  release: {personal: [origin]}\n")
    assert refusals(change, "delay") == ["sealed-rules"]


def test_the_first_sealed_holdout_is_evaluated_where_the_change_runs_and_handed_to_no_other_job(root: Path) -> None:
    write_project(root, MODEL, DATASET)
    git_in(root)("init", "--quiet", "--initial-branch=main")
    commit(root)
    (root / "flights.yaml").write_text(DATASET + SEALED)
    assert refusals(root, "delay", hands_over=False) == []
    assert refusals(root, "delay") == ["sealed-source"]


def test_the_first_sealed_url_is_opened_in_no_job_before_it_is_merged(root: Path) -> None:
    """Given a base that seals nothing, when a change names a URL that a job's credentials open, then the job does not read it.

    Its author may have no such credentials, and slices of a new model would show the values. On the author's own machine, they do.
    """
    write_project(root, MODEL, DATASET)
    git_in(root)("init", "--quiet", "--initial-branch=main")
    commit(root)
    sealed = DATASET + SEALED.replace("path: vault/held.csv", "url: 's3://payroll/2026.csv'")
    (root / "flights.yaml").write_text(sealed)
    assert refusals(root, "delay", hands_over=False, job=JOB) == ["sealed-source"]
    assert refusals(root, "delay", hands_over=False) == []
    commit(root)
    assert refusals(root, "delay", hands_over=False, job=JOB) == []


def test_a_base_that_nobody_can_read_seals_everything(change: Path) -> None:
    (change / "hours.yaml").write_text(HOURS.replace("task:", "tusk:"))
    commit(change)
    (change / "hours.yaml").write_text(HOURS)
    assert refusals(change) == ["gate-base-invalid"]
