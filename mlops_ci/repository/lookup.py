"""What a command line names, looked up in the project: the repository, models, an environment. Each raises UsageProblem."""

from __future__ import annotations

from mlops_ci.core.errors import UsageProblem
from mlops_ci.core.suggestions import find_nearest, suggest
from mlops_ci.repository.context import Project
from mlops_ci.repository.git import Repository


def require_repository(repo: Repository | None) -> Repository:
    """Return the repository; raises UsageProblem `repository-missing` when there is none."""
    if repo is None:
        raise UsageProblem.of(
            "repository-missing",
            "this folder is not in a git repository",
            help="go to the folder of your repository (-C DIR), or create one: git init, then commit your files",
        )
    return repo


def select_models(project: Project, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the models that a command names, or all; raises UsageProblem for one that has no spec."""
    known = project.specs.models
    if not known:
        raise UsageProblem.of(
            "model-none",
            "this project has no Model spec",
            help="mlops-ci init --from data.csv --target COLUMN writes one for the columns of a table; --template minimal writes an"
            " example project",
        )
    for name in names:
        if name not in known:
            raise UsageProblem.of(
                "model-unknown",
                f"there is no Model spec '{name}'",
                help=suggest(name, known, otherwise="the models are"),
            )
    return tuple(dict.fromkeys(names)) or tuple(known)


def require_environment(project: Project, name: str) -> str:
    """Return the environment's name; raises UsageProblem when the project has none of that name."""
    names = project.specs.project.spec.environments
    if name not in names:
        match = find_nearest(name, names)
        raise UsageProblem.of(
            "environment-unknown",
            f"'{name}' is not one of the project's environments: {', '.join(names)}",
            help=f"did you mean '{match}'?" if match else "add it to `environments` in mlops.yaml",
            location=project.specs.project.locate("spec"),
        )
    return name
