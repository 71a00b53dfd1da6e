"""Check runs, release pages, deployments, pull requests and dispatches: each is made once, whatever the network does.

Where the answer to a request was lost, it is looked up whether it was carried out, and only else asked for again. What cannot be
looked up is not asked for again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from mlops_ci.core.errors import HostProblem
from mlops_ci.core.notifications import (
    CheckRun,
    Dispatch,
    OpenPullRequest,
    PublishRelease,
    RecordDeployment,
    StartWorkflow,
)
from mlops_ci.integrations.github.client import Client
from mlops_ci.integrations.github.queries import at, items, number, segment
from mlops_ci.integrations.github.runner_files import cut

_TITLE = 255  # characters of a title
_LINE = 140  # characters of a deployment's description
_CHECK = 65_535  # bytes of a check run's summary
_BODY = 60_000  # bytes of a pull request's body: GitHub takes 65,536 characters
_CARD = 120_000  # bytes of a release's body: GitHub takes 125,000 characters
_VALUES = 10  # at the top of a dispatch's payload
_PAUSE = 2.0  # seconds that GitHub may take to show what it was told before its answer was lost

T = TypeVar("T")


def check_run(client: Client, one: CheckRun, run: str, mark: str) -> None:
    """Make a check run that is completed. Raises HostProblem."""
    body = {
        "name": one.name,
        "head_sha": one.commit,
        "status": "completed",
        "conclusion": one.conclusion,
        "external_id": mark,
        "details_url": run,
        "output": {"title": one.title[:_TITLE] or one.name[:_TITLE], "summary": _fitting(one.summary, _CHECK, run)},
    }
    path = f"/commits/{segment(one.commit)}/check-runs?check_name={segment(one.name)}&per_page=100"

    def found() -> bool | None:
        runs = items(at(client.read(path), "check_runs"))
        return any(at(made, "external_id") == mark for made in runs) or None

    _once(client, found, lambda: client.send("POST", "/check-runs", body, needs="checks: write"))


def release(client: Client, one: PublishRelease, run: str) -> None:
    """Publish a tag that GitHub has as a release, unless it is published. Raises HostProblem."""
    path = f"/releases/tags/{segment(one.tag)}"
    body = {"tag_name": one.tag, "name": one.title[:_TITLE], "body": _fitting(one.body, _CARD, run)}

    def found() -> Any:
        return _unless_missing(client, path)

    if found() is not None:
        return
    if _unless_missing(client, f"/git/ref/tags/{segment(one.tag)}") is None:
        raise HostProblem.of(
            "host-not-found",
            f"GitHub does not have the tag {one.tag}, and would make one of its own",
            help="push the tag, and run again",
            status=404,
        )
    _once(client, found, lambda: client.send("POST", "/releases", body, needs="contents: write"))


def deployment(client: Client, one: RecordDeployment, run: str, mark: str) -> None:
    """Record a deployment that has happened. Raises HostProblem."""
    needs = "deployments: write"
    body = {
        "ref": one.ref,
        "task": one.task,
        "environment": one.environment,
        "description": one.description[:_LINE],
        "auto_merge": False,  # or GitHub merges the default branch into the ref
        "required_contexts": [],  # it has happened, whatever checks say
        "payload": {"mlops-ci": mark},
    }
    asked = (("ref", one.ref), ("task", one.task), ("environment", one.environment), ("per_page", "100"))
    query = "&".join(f"{name}={segment(value)}" for name, value in asked)

    def found() -> int | None:
        listed = items(client.read(f"/deployments?{query}"))
        mine = [made for made in listed if at(made, "payload", "mlops-ci") == mark and at(made, "ref") == one.ref]
        return number(mine[0], "id") if mine else None

    made = _once(client, found, lambda: number(client.send("POST", "/deployments", body, needs=needs), "id"))
    statuses = f"/deployments/{made}/statuses"
    status = {"state": "success", "log_url": run, "description": one.description[:_LINE]}

    def told() -> bool | None:
        return any(at(said, "state") == "success" for said in items(client.read(statuses))) or None

    _once(client, told, lambda: client.send("POST", statuses, status, needs=needs))


def pull_request(client: Client, one: OpenPullRequest, run: str) -> None:
    """Open a pull request, unless one from the same branch to the same base is open. Raises HostProblem."""
    owner = client.repository.partition("/")[0]
    path = f"/pulls?state=open&head={segment(f'{owner}:{one.branch}')}&base={segment(one.base)}&per_page=100"
    body = {"title": one.title[:_TITLE], "body": _fitting(one.body, _BODY, run), "head": one.branch, "base": one.base}

    def found() -> bool | None:
        mine = (client.repository.lower(), one.branch, one.base)
        return any(_ends(pull) == mine for pull in items(client.read(path))) or None

    if not found():
        _once(client, found, lambda: client.send("POST", "/pulls", body, needs="pull-requests: write"))


def dispatch(client: Client, one: Dispatch) -> None:
    """Send a repository_dispatch event; whether one was sent cannot be looked up. Raises HostProblem."""
    if len(one.payload) > _VALUES:
        raise HostProblem.of(
            "host-refused",
            f"a dispatch carries at most {_VALUES} values, and this one has {len(one.payload)}",
            help="send fewer values; a workflow can read the others from the repository",
        )
    body = {"event_type": one.event, "client_payload": dict(one.payload)}
    client.send("POST", "/dispatches", body, needs="contents: write")


def start(client: Client, one: StartWorkflow) -> None:
    """Start a workflow; whether one was started cannot be looked up at once. Raises HostProblem."""
    body = {"ref": one.ref, "inputs": dict(one.inputs)}
    path = f"/actions/workflows/{segment(one.workflow)}/dispatches"
    client.send("POST", path, body, needs="actions: write")


def _once(client: Client, found: Callable[[], T | None], make: Callable[[], T]) -> T:
    """Make something. Where it is not known whether it was made, or somebody else made it: look, and make it once more if not."""
    try:
        return make()
    except HostProblem as problem:
        if not problem.unsure and problem.status not in (409, 422):
            raise
        if problem.unsure:
            client.wait(_PAUSE)
        present = found()
        if present is not None:
            return present
        if not problem.unsure:
            raise
    return make()


def _unless_missing(client: Client, path: str) -> Any:
    try:
        return client.read(path)
    except HostProblem as problem:
        if problem.status != 404:
            raise
        return None


def _ends(pull: Any) -> tuple[Any, Any, Any]:
    repository = at(pull, "head", "repo", "full_name")
    return (
        repository.lower() if isinstance(repository, str) else None,
        at(pull, "head", "ref"),
        at(pull, "base", "ref"),
    )


def _fitting(text: str, limit: int, run: str) -> str:
    return cut(text, limit, f"\n\n_The rest was left out: [the run]({run}) has it all._\n")
