"""`show`: shows what is released and what runs where, or lists the experiments."""

from __future__ import annotations

from typing import Any

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.errors import HostProblem, UsageProblem
from mlops_ci.core.plan import Outcome
from mlops_ci.core.results.queries import RunsReport
from mlops_ci.core.results.registry import PendingRequest, ShowReport
from mlops_ci.core.verbs import AT_OPTION, Option, Verb
from mlops_ci.deployment.manifest_branch import REQUEST_PREFIX
from mlops_ci.governance.query_registry import read_verified_registry
from mlops_ci.integrations.github.queries import get_nested, require_list, require_number
from mlops_ci.registry import views
from mlops_ci.registry.experiments import Experiment, read_experiments, runs_table
from mlops_ci.registry.point_in_time import state_at
from mlops_ci.registry.state import RegistryState
from mlops_ci.repository.context import Context, Workspace
from mlops_ci.repository.lookup import require_repository
from mlops_ci.repository.project_identity import find_identity
from mlops_ci.spec.environment_order import read_environments
from mlops_ci.spec.load import PROJECT_FILE, find_root

SPEC = Verb(
    "show",
    "Show what is released and what runs where.",
    (
        Option("model", "A model; by default all.", positional=True, metavar="MODEL"),
        AT_OPTION,
        Option(
            "pending",
            "Also list the pull requests of deploy, rollback and retire that wait for their merge; GitHub is asked if GITHUB_TOKEN is set.",
            kind="flag",
        ),
        Option("runs", "List and compare the training runs in this clone, instead of the releases.", kind="flag"),
    ),
    needs="repository",
    syncs="gaps",
)


def show(
    place: Context, *, model: str | None = None, at: str | None = None, pending: bool = False, runs: bool = False
) -> Outcome[ShowReport | RunsReport]:
    """Return each released model, or one, with its newest version and the version in each environment.

    In a project's folder, these are the project's own models. With `runs`, return the experiments in this clone instead. `at`
    selects a past state of the registry. Raises UsageProblem for a model without any record, and for an `at` that is neither a
    time nor a commit; Findings for a model of another project.
    """
    if runs:
        return _show_runs(place, model, at)
    now, unverified = read_verified_registry(
        place.repo, find_identity(place.repo, place.start_folder), *([model] if model else [])
    )
    registry = now
    moment = None
    if at is not None:
        registry, moment = state_at(place.repo, now, at)
    if model:
        now.require_model(model)
    report = views.show_view(registry, model, moment, _environments(place))
    if not pending:
        return Outcome(report, (*now.gap_warnings, *unverified))
    waiting, notes = _pending_requests(place)
    return Outcome(report._replace(pending=waiting), (*now.gap_warnings, *unverified, *notes))


def _pending_requests(place: Context) -> tuple[tuple[PendingRequest, ...], tuple[Diagnostic, ...]]:
    """Return the requests that wait for their merge, as the git host has them; if it cannot be asked, as this clone last saw them."""
    if place.github is not None:
        try:
            pulls = require_list(place.github("/pulls?state=open&per_page=100"))
        except HostProblem as problem:
            why = str(problem)
        else:
            own = [one for one in pulls if _is_request(one)]
            return tuple(_pending_pull(one) for one in own), ()
    else:
        why = "there is no token for it"
    repo = require_repository(place.repo)
    remote = repo.default_remote()
    prefix = f"refs/remotes/{remote}/" if remote else "refs/heads/"
    refs = [ref for ref in repo.refs(f"{prefix}{REQUEST_PREFIX}") if not repo.contains_commit("HEAD", ref.name)]
    note = Diagnostic(
        "pending-not-asked",
        f"GitHub was not asked which pull requests are open: {why}; branches of this clone are listed, which may have been merged or closed",
        help="set GITHUB_TOKEN, or update the clone: git fetch --prune",
        severity="note",
    )
    return tuple(PendingRequest(ref.contents.partition("\n")[0], ref.name.removeprefix(prefix)) for ref in refs), (
        note,
    )


def _is_request(pull: Any) -> bool:
    """Return whether a pull request comes from a branch of this repository that a command made."""
    branch, place = get_nested(pull, "head", "ref"), get_nested(pull, "head", "repo", "full_name")
    return (
        isinstance(branch, str)
        and branch.startswith(REQUEST_PREFIX)
        and place == get_nested(pull, "base", "repo", "full_name")
    )


def _pending_pull(pull: Any) -> PendingRequest:
    title, url = get_nested(pull, "title"), get_nested(pull, "html_url")
    return PendingRequest(str(title), str(get_nested(pull, "head", "ref")), require_number(pull, "number"), str(url))


def _environments(place: Workspace) -> tuple[str, ...]:
    """Return the project's environments in their order; in a bare repository, those of its branch."""
    if place.repo is not None and place.repo.bare:
        content = place.repo.read_blob(f"HEAD:{PROJECT_FILE}")
        return read_environments(content) if content is not None else ()
    root = find_root(place.start_folder)
    if root is None or not root.is_relative_to(place.root.resolve()):
        return ()
    return read_environments((root / PROJECT_FILE).read_bytes())


def _show_runs(place: Workspace, model: str | None, at: str | None) -> Outcome[ShowReport | RunsReport]:
    if at is not None:
        raise UsageProblem.of(
            "options-conflict",
            "--runs and --at cannot be used together: runs are not events, so the registry does not know which runs existed at a past time",
            help="leave out one of the two options; the list of runs shows when each run was trained",
        )

    if place.repo is None:
        return Outcome(RunsReport(()))
    read = read_experiments(place.repo, model)
    registry = read.registry._replace(identity=find_identity(place.repo, place.start_folder))
    if model is not None:
        registry.model(model)
    found = [one for one in read.runs if _is_own_run(registry, one)]
    if model is not None and not found and not read.diagnostics:
        registry.require_model(model)
    names = sorted({one.run.model for one in found})
    tables = tuple(runs_table(name, [one for one in found if one.run.model == name]) for name in names)
    remotes = sorted(place.repo.remotes(), key=lambda name: name != "origin")
    fetch = f"git fetch {remotes[0]} 'refs/mlops/runs/*:refs/mlops/runs/*'" if remotes else None
    return Outcome(RunsReport(tables, fetch), read.diagnostics)


def _is_own_run(registry: RegistryState, one: Experiment) -> bool:
    return registry.identity is None or registry.identity.owns_model(
        one.run.model, one.run.project.name, one.run.project.path
    )
