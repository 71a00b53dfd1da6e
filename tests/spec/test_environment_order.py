"""The environments of a project, read without reading the rest: the quick answer is that of the whole reader."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops_ci.spec.environment_order import find_environments, read_environments
from mlops_ci.spec.load import parse_project

HEAD = "apiVersion: mlops-ci/v1\nkind: Project\nmetadata: {name: demo}\n"


@pytest.mark.parametrize(
    "spec",
    [
        "spec: {}\n",
        "spec:\n  environments: [dev, staging, prod]  # the order\n",
        "spec:\n  environments: [dev,live]\n",
        "spec:\n  environments:\n    - dev\n    - prod\n",
        "spec: {environments: [dev, 'prod']}\n",
        "spec:\n  environments: [a, b]\n  policy: {approvals: {b: 1}}  # environments\n",
        "# environments: [x, y]\nspec:\n  environments:\n  - b\n",
    ],
)
def test_the_quick_answer_is_that_of_the_whole_reader(spec: str) -> None:
    content = f"{HEAD}{spec}".encode()
    project = parse_project(content)
    assert project is not None
    assert read_environments(content) == project.spec.environments


@pytest.mark.parametrize("content", ["", "kind: Model\n", "a: [", f"{HEAD}spec: {{environments: 7}}\n"])
def test_what_names_none_has_none(content: str) -> None:
    assert read_environments(content.encode()) == ()


def test_the_nearest_project_counts_and_none_above_the_repository(tmp_path: Path) -> None:
    (tmp_path / "mlops.yaml").write_text(f"{HEAD}spec: {{environments: [outer]}}\n")
    inner = tmp_path / "repo" / "folder"
    inner.mkdir(parents=True)
    (tmp_path / "repo" / ".git").mkdir()
    assert find_environments(inner) == ()
    (tmp_path / "repo" / "mlops.yaml").write_text(f"{HEAD}spec: {{environments: [a, b]}}\n")
    assert find_environments(inner) == ("a", "b")
