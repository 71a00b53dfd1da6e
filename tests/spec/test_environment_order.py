"""The environments of a project, read without reading the rest: the quick answer is that of the whole reader."""

from __future__ import annotations

import pytest

from mlops_ci.spec.environment_order import read_environments
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
