"""A project for a table ends green: it was validated and checked before it is written, and what can be mended is mended."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from mlops_ci.commands import scaffold
from mlops_ci.commands.scaffold.table_project import TableProject
from mlops_ci.spec.load import Specs, load_specs
from mlops_ci.spec.yaml import compose

NOW = datetime(2026, 3, 1, tzinfo=UTC)
CHANCE = random.Random(9)  # noqa: S311  test data, no secrets


def frame(rows: int, **more: object) -> pd.DataFrame:
    x = [CHANCE.gauss(0, 1) for _ in range(rows)]
    return pd.DataFrame(
        {"x": x, "z": [CHANCE.gauss(0, 1) for _ in x], "y": [int(v + CHANCE.gauss(0, 1) > 0) for v in x], **more}
    )


def made(folder: Path, table: pd.DataFrame) -> tuple[TableProject, Specs]:
    """The project of a table, and its specs as they are read where they are written."""
    path = folder / "t.csv"
    table.to_csv(path, index=False)
    scratch = folder / "scratch"
    scratch.mkdir()
    project = scaffold.project_for_table(path, "t.csv", scaffold.NamedColumns("y"), scratch=scratch, now=NOW)
    for name, content in project.files.items():
        (folder / "project" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "project" / name).write_bytes(content)
    specs, findings = load_specs(folder / "project")
    assert specs is not None
    assert findings == ()
    return project, specs


def test_a_project_has_what_a_repository_needs_and_nothing_is_found(tmp_path: Path) -> None:
    project, specs = made(tmp_path, frame(400))
    assert project.diagnostics == ()
    assert sorted(project.files) == [
        ".gitattributes", ".gitignore", "README.md", "mlops.yaml", "noxfile.py", "specs/t.dataset.yaml",
        "specs/y-prod.deployment.yaml", "specs/y-staging.deployment.yaml", "specs/y.model.yaml",
    ]  # fmt: skip
    assert {one.spec.environment for one in specs.deployments.values()} == {"staging", "prod"}
    assert b"*.csv -text" in project.files[".gitattributes"]


def test_a_link_to_a_table_elsewhere_is_the_table(tmp_path: Path) -> None:
    """Given a path that somebody named, then it may lead out of its folder."""
    (tmp_path / "real").mkdir()
    (tmp_path / "scratch").mkdir()
    frame(400).to_csv(tmp_path / "real" / "t.csv", index=False)
    for link in ("absolute", "relative"):
        table = tmp_path / link / "named.csv"
        table.parent.mkdir()
        table.symlink_to(tmp_path / "real/t.csv" if link == "absolute" else "../real/t.csv")
        named, scratch = scaffold.NamedColumns("y"), tmp_path / "scratch" / link
        project = scaffold.project_for_table(table, "data/named.csv", named, scratch=scratch, now=NOW)
        assert (project.diagnostics, list(scaffold.columns_of_table(table))) == ((), ["x", "z", "y"])


@pytest.mark.parametrize(
    ("rows", "estimator", "min_rows"),
    [
        (60, "sklearn.linear_model.LogisticRegression", 25),
        (280, "sklearn.linear_model.LogisticRegression", 50),
        (320, "sklearn.ensemble.HistGradientBoostingClassifier", 50),
    ],
)
def test_a_small_table_gets_a_linear_model_and_the_rows_that_it_has(
    rows: int, estimator: str, min_rows: int, tmp_path: Path
) -> None:
    _, specs = made(tmp_path, frame(rows))
    (model,) = specs.models.values()
    assert model.spec.train.estimator == estimator
    assert min_rows - 8 <= model.spec.gate.min_rows <= max(min_rows + 12, 50)
    assert (model.spec.gate.min_rows == 50) == (rows > 100)


def test_a_table_with_more_features_than_rows_gets_a_linear_model(tmp_path: Path) -> None:
    table = frame(320, **{f"gene {at}": [CHANCE.gauss(0, 1) for _ in range(320)] for at in range(330)})
    project, specs = made(tmp_path, table)
    (model,) = specs.models.values()
    assert model.spec.train.estimator == "sklearn.linear_model.LogisticRegression"
    assert "320 rows for 332 features are few" in project.files[model.path].decode()


def test_copies_of_training_rows_in_the_holdout_are_allowed_with_a_comment(tmp_path: Path) -> None:
    """Given a table that was appended twice under new ids, then the gate could read it: the spec allows the copies."""
    once = frame(300)
    twice = pd.concat([once, once], ignore_index=True)
    twice.insert(0, "id", range(600))
    project, specs = made(tmp_path, twice)
    (dataset,) = specs.datasets.values()
    assert dataset.spec.split.duplicates == "allow"
    assert "copies of training rows" in project.files["specs/t.dataset.yaml"].decode()
    assert [(found.id, found.severity) for found in project.diagnostics] == [("split-leak-rows", "warning")]


@pytest.mark.parametrize("kind", ["category", "scaled", "copy"])
def test_a_feature_that_alone_tells_the_target_is_told(kind: str, tmp_path: Path) -> None:
    table = frame(400)
    if kind == "category":
        table["left"] = table.y.map({0: "never", 1: "in 2025"})
    elif kind == "scaled":
        table["y"] = table.x * 2
        table["left"] = table.x * 7 + 1
        table = table.drop(columns="x")
    else:
        table["left"] = table.y
    project, _ = made(tmp_path, table)
    assert [found.id for found in project.diagnostics] == ["init-telling-feature"]
    assert "'left'" in project.diagnostics[0].message


def test_a_large_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlops_ci.commands.scaffold.table_project.LARGE_FILE", 1_000)
    assert [found.id for found in made(tmp_path, frame(400))[0].diagnostics] == ["init-large-file"]


def test_a_table_that_is_not_read_again_has_valid_specs_or_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scaffold.table_project, "TRIED_FILE", 0)
    monkeypatch.setattr(compose, "MAX_NODES", 10)
    frame(100).to_csv(tmp_path / "t.csv", index=False)
    named = scaffold.NamedColumns("y")
    project = scaffold.project_for_table(
        tmp_path / "t.csv", "t.csv", named, scratch=tmp_path / "scratch", now=datetime(2026, 1, 1, tzinfo=UTC)
    )
    assert {one.id for one in project.diagnostics} == {"spec-too-complex"}


def test_few_different_rows_without_a_key_are_told_and_a_key_tells_them_apart(tmp_path: Path) -> None:
    coarse = frame(900).assign(x=lambda t: t.x.round() % 4, z=lambda t: t.z.round() % 4)
    project, _ = made(tmp_path, coarse)
    found = {one.id: one for one in project.diagnostics}["init-equal-rows"]
    different = len(coarse.drop_duplicates())
    assert found.severity == "warning"
    assert f"900 rows, but only {different} different rows" in found.message
    (tmp_path / "keyed").mkdir()
    keyed, _ = made(tmp_path / "keyed", coarse.assign(id=range(900)))
    assert "init-equal-rows" not in [one.id for one in keyed.diagnostics]


@pytest.mark.parametrize(("rare", "told"), [(1, True), (4, True), (5, False)])
def test_a_class_with_too_few_rows_for_both_sides_is_told(rare: int, told: bool, tmp_path: Path) -> None:
    table = frame(400)
    table["y"] = ["odd"] * rare + ["yes" if one else "no" for one in table.y[rare:]]
    project, _ = made(tmp_path, table)
    messages = [one.message for one in project.diagnostics if one.id == "init-rare-class"]
    assert len(messages) == told
    assert all(message.startswith("1 of the 3 classes of 'y' has less than 5 rows") for message in messages)
