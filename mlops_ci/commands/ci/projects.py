"""`ci projects`: lists the projects of the repository, and the models of each that a change affects, for the jobs of a gate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from mlops_ci.core.diagnostics import Diagnostic, has_errors
from mlops_ci.core.digest import digest_json
from mlops_ci.core.errors import Exit, UsageProblem
from mlops_ci.core.plan import Outcome
from mlops_ci.core.results.impact import MATRIX_LIMIT, AffectedReport, ProjectImpact, ProjectsReport
from mlops_ci.core.suggestions import suggest
from mlops_ci.core.verbs import ActionOutput, Option, Verb
from mlops_ci.evaluation.estimator_trials import trial_findings
from mlops_ci.evaluation.impact.report import is_folder_touched, measure_impact
from mlops_ci.repository.branch_specs import list_project_folders
from mlops_ci.repository.context import Context, Project
from mlops_ci.repository.git import Repository
from mlops_ci.repository.lookup import require_repository
from mlops_ci.repository.sparse import whole_spec_folder
from mlops_ci.repository.spec_names import history_findings, name_findings, read_names
from mlops_ci.spec.load import PROJECT_FILE, find_root, read_all_specs
from mlops_ci.spec.validation.signers import unsatisfiable_policy_findings

SPEC = Verb(
    "projects",
    "List the projects, and the models that a change affects.",
    (
        Option(
            "models",
            "Models to report without looking at the change, of any project; a version after @ is ignored.",
            positional=True,
            multiple=True,
            metavar="MODEL",
        ),
        Option(
            "base",
            "The branch, tag or commit to compare with; by default, the commit that CI names as the start of the change, or"
            " else the target branch.",
            metavar="REF",
        ),
        Option(
            "requirements_file",
            "A file with the packages that a project's own code needs: in the project's folder or else in the repository.",
            metavar="FILE",
        ),
        Option(
            "call",
            "A text that differs between two calls of the same workflow in one run; it becomes part of `key`.",
            metavar="TEXT",
        ),
    ),
    needs="repository",
    asks=True,
    formats=("text", "json", "github", "markdown"),
    surfaces=("cli", "action"),
    icon="grid",
    details="In a project's folder, this project alone; above, every project below the folder. Checks every spec as `validate` does, and"
    " tries the estimators of the affected models. A project inside of another project's folder is part of that one.",
    outputs=(
        ActionOutput(
            "projects",
            "The projects with an affected model, for a job matrix: a JSON list of objects with name, folder, environment (the first),"
            " requirements, key, and the outputs models, matrix and custom of the Action `affected`.",
        ),
        ActionOutput("folders", "The folders of all projects: a JSON list."),
        ActionOutput("any", "true if a model is affected, otherwise false."),
        ActionOutput("count", "The number of projects with an affected model."),
        ActionOutput("jobs", "The number of jobs that the gate of this change has."),
    ),
    group="ci",
)


def projects(
    context: Context,
    *,
    models: tuple[str, ...] = (),
    base: str | None = None,
    requirements_file: str | None = None,
    call: str | None = None,
) -> Outcome[ProjectsReport]:
    """Return the projects in or below the folder that the command was started in, and what the change affects in each.

    Every project must be valid, also one that the change does not touch: an invalid spec hides what is affected. Raises
    UsageProblem with the findings of all invalid projects, for a folder without a project, for a model of no project, and for a
    file of requirements that no project has; EnvironmentProblem `base-missing` when the base is not in this clone.
    """
    repo = require_repository(context.repo)
    opened, warnings = _open_projects(context, repo)
    named = _models_by_folder(opened, models)
    found = []
    for folder, project in opened.items():
        impact = (
            measure_impact(project, named[folder], base) if named[folder] or not models else _nothing_named(project)
        )
        found.append(
            ProjectImpact(
                project.specs.project.name,
                folder or ".",
                project.specs.project.spec.environments[0],
                _requirements_of(repo.root, folder, requirements_file),
                f"{digest_json([call or '', folder])[:12]}-{project.specs.project.name}",
                impact,
            )
        )
    report = ProjectsReport(tuple(found))
    policies = [] if models else [item for one in found for item in _policy_findings(opened, one, base)]
    if requirements_file and not any(one.requirements for one in found):
        raise UsageProblem.of(
            "projects-requirements",
            f"no project has the file of packages '{requirements_file}', and neither has the repository",
            help="commit the file, or leave the input `requirements` of the workflow empty",
        )
    if len(report.affected_projects) > MATRIX_LIMIT:
        raise UsageProblem.of(
            "projects-many",
            f"the change affects {len(report.affected_projects):,} projects, but a GitHub matrix has at most {MATRIX_LIMIT} jobs",
            help="split the change; or call the workflow several times, each with another `working-directory`",
        )
    trials = [] if context.cache is None or models else _trials(opened, report)
    code = Exit.USAGE if has_errors([*policies, *trials]) else Exit.OK
    return Outcome(report, (*warnings, *policies, *trials), exit_code_override=code)


def _open_projects(context: Context, repo: Repository) -> tuple[dict[str, Project], tuple[Diagnostic, ...]]:
    """Return the projects by folder, "" for the root, and the warnings about their specs; raises UsageProblem for invalid ones."""
    top, start = repo.root.resolve(), context.start_folder.resolve()
    own = find_root(start)
    if own is not None and own.is_relative_to(top):
        folders = [own.relative_to(top).as_posix()]
    else:
        prefix = start.relative_to(top) if start.is_relative_to(top) else PurePosixPath()
        every = (PurePosixPath(folder) for folder in list_project_folders(repo.tracked_file_modes()))
        folders = [folder.as_posix() for folder in every if folder.is_relative_to(prefix)]
    if not folders:
        raise UsageProblem.of(
            "project-not-found",
            f"no {PROJECT_FILE} that git tracks is in {start} or below",
            help="start with `mlops-ci init`, add the file to git, or go to the folder of your project (-C DIR)",
        )
    opened: dict[str, Project] = {}
    findings: list[Diagnostic] = []
    names = read_names(repo)
    for number, folder in enumerate(folders):
        whole = whole_spec_folder(repo, top / folder, context.scratch / f"project-{number}")
        inside = replace(context, root=top / folder, whole_specs=whole if whole != top / folder else None)
        reading = read_all_specs(inside.spec_root)
        said = (*reading.diagnostics, *name_findings(names, folder), *history_findings(names, folder))
        findings += [_in_folder(folder, one) for one in said]
        if reading.specs is not None:
            opened["" if folder == "." else folder] = Project(reading.specs, inside)
    if has_errors(findings):
        raise UsageProblem(tuple(findings))
    return opened, tuple(findings)


def _policy_findings(opened: Mapping[str, Project], one: ProjectImpact, base: str | None) -> list[Diagnostic]:
    """Return the findings about approvals that nobody could give; warnings in a project that the change does not touch.

    They come with time, when a key ends: one team's must not stop the others.
    """
    project = opened["" if one.folder == "." else one.folder]
    context = project.context
    found = unsatisfiable_policy_findings(context.root, project.specs.project, context.clock())
    strict = len(opened) == 1 or bool(one.impact.models) or is_folder_touched(project, one.folder, base)
    return [_in_folder(one.folder, item if strict else replace(item, severity="warning")) for item in found]


def _in_folder(folder: str, one: Diagnostic) -> Diagnostic:
    if one.location is None or folder == ".":
        return one
    return replace(one, location=replace(one.location, path=f"{folder}/{one.location.path}"))


def _models_by_folder(opened: Mapping[str, Project], models: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Return the named models of each project; raises UsageProblem for one that no project has."""
    names = dict.fromkeys(name.partition("@")[0] for name in models)
    known = {model for project in opened.values() for model in project.specs.models}
    for name in names:
        if name not in known:
            raise UsageProblem.of(
                "model-unknown",
                f"there is no Model spec '{name}' in any project",
                help=suggest(name, known, otherwise="the models are"),
            )
    return {folder: tuple(name for name in names if name in project.specs.models) for folder, project in opened.items()}


def _nothing_named(project: Project) -> AffectedReport:
    return AffectedReport((), (), (), len(project.specs.models), because="models of other projects were named")


def _requirements_of(top: Path, folder: str, file: str | None) -> str:
    """Return the path of a project's file of packages in the repository; empty when there is none."""
    if not file:
        return ""
    places = dict.fromkeys((PurePosixPath(folder, file).as_posix(), PurePosixPath(file).as_posix()))
    return next((place for place in places if (top / place).is_file() and not (top / place).is_symlink()), "")


def _trials(opened: Mapping[str, Project], report: ProjectsReport) -> list[Diagnostic]:
    """Return the findings of trying the estimators of the affected models."""
    found: list[Diagnostic] = []
    for one in report.affected_projects:
        project = opened["" if one.folder == "." else one.folder]
        names = {model.name for model in one.impact.models}
        found += [_in_folder(one.folder, item) for item in trial_findings(project.context, project.specs, names)]
    return found
