"""A new project is named after its folder, so that two projects from one template have two names."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops_ci.commands.scaffold import name_project, project_name
from mlops_ci.spec.load import parse_project
from tests.support.consumer import Consumer


@pytest.mark.parametrize(
    ("folder", "taken", "name"),
    [
        ("/teams/fraud", (), "fraud"),
        ("/teams/Fraud Scores_2", (), "fraud-scores-2"),
        ("/a/model", ("model",), "a-model"),
        ("/b/a/model", ("model", "a-model"), "b-a-model"),
        ("/model", ("model",), None),
        ("/___", (), None),
        ("/" + "x" * 80, (), "x" * 63),
    ],
)
def test_the_name_of_a_folder(folder: str, taken: tuple[str, ...], name: str | None) -> None:
    assert project_name(Path(folder), taken) == name


@pytest.mark.parametrize("name", ["fraud", "2024", "true", "1e3", "on", "a-1"])
def test_a_name_is_text_for_every_reader_of_yaml(name: str) -> None:
    template = b"apiVersion: mlops-ci/v1\nkind: Project\nmetadata: {name: patients}\nspec: {environments: [prod]}\n"
    project = parse_project(name_project(template, name))
    assert project is not None
    assert project.name == name
    assert name_project(template, None) == template


def test_two_folders_of_one_name_get_two_names(tmp_path: Path) -> None:
    """Given a project in a/model, when one is made in b/model, then it has the name of both folders; existing files are kept."""
    consumer = Consumer(tmp_path, tmp_path)
    consumer.git("init", "--quiet")
    for folder, name in (("a/model", "model"), ("b/model", "b-model"), ("a/model", "model")):
        consumer.ok("init", folder)
        assert f"metadata: {{name: {name}}}" in (tmp_path / folder / "mlops.yaml").read_text()
