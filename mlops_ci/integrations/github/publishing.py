"""Creates check runs, release pages, deployments, pull requests and dispatches, each at most once despite network failures.

If the response to a request is lost, the code first looks up whether GitHub executed the request, and repeats it only if not. A
request whose effect cannot be looked up is never repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from mlops_ci.core.errors import HostProblem
from mlops_ci.core.notifications import (
    CheckRun,
    Dispatch,
    OpenPullRequest,
    PublishRelease,
    RecordArtifact,
    RecordDeployment,
    StartWorkflow,
)
from mlops_ci.integrations.github.client import GitHubClient
from mlops_ci.integrations.github.queries import get_nested, quote_segment, require_list, require_number
from mlops_ci.integrations.github.runner_files import cut_to_bytes

_MAX_TITLE = 255  # characters of a title
_MAX_DESCRIPTION = 140  # characters of a deployment's description
_MAX_CHECK_SUMMARY = 65_535  # bytes of a check run's summary
_MAX_PULL_REQUEST_BODY = 60_000  # bytes of a pull request's body: GitHub accepts 65,536 characters
_MAX_RELEASE_BODY = 120_000  # bytes of a release's body: GitHub accepts 125,000 characters
_MAX_ARTIFACT_NAME = 256  # characters of the name of an artifact or of its deployment
_MAX_ARTIFACT_VERSION = 100  # characters
_MAX_ENVIRONMENT = 128  # characters of an artifact's environment
_EVIDENCE_FILE = "evidence.json"
_MAX_DISPATCH_VALUES = 10  # top-level values of a dispatch's payload
_PAUSE = 2.0  # seconds until GitHub shows a write whose response was lost

T = TypeVar("T")


def create_check_run(client: GitHubClient, one: CheckRun, run: str, mark: str) -> None:
    """Create a completed check run. Raises HostProblem."""
    body = {
        "name": one.name,
        "head_sha": one.commit,
        "status": "completed",
        "conclusion": one.conclusion,
        "external_id": mark,
        "details_url": run,
        "output": {
            "title": one.title[:_MAX_TITLE] or one.name[:_MAX_TITLE],
            "summary": _shorten(one.summary, _MAX_CHECK_SUMMARY, run),
        },
    }
    path = f"/commits/{quote_segment(one.commit)}/check-runs?check_name={quote_segment(one.name)}&per_page=100"

    def found() -> bool | None:
        runs = require_list(get_nested(client.read(path), "check_runs"))
        return any(get_nested(made, "external_id") == mark for made in runs) or None

    _create_once(client, found, lambda: client.send("POST", "/check-runs", body, needs="checks: write"))


def publish_release(client: GitHubClient, one: PublishRelease, run: str) -> None:
    """Publish a release for an existing tag, unless there is one already. Raises HostProblem.

    It is a draft until its file is there: GitHub accepts no file for an immutable release that is published. A draft that an
    interrupted run left is completed. Nothing is ever deleted: the name of an immutable release cannot be used again.
    """
    needs = "contents: write"

    def published() -> Any:
        return _read_or_none(client, f"/releases/tags/{quote_segment(one.tag)}")

    if published() is not None:
        return
    if _read_or_none(client, f"/git/ref/tags/{quote_segment(one.tag)}") is None:
        raise HostProblem.of(
            "host-not-found",
            f"GitHub does not have the tag {one.tag}, and would create a new tag with this name",
            help="push the tag, then run again",
            status=404,
        )
    body = {
        "tag_name": one.tag,
        "name": one.title[:_MAX_TITLE],
        "body": _shorten(one.body, _MAX_RELEASE_BODY, run),
        "draft": True,
    }

    def found() -> int | None:
        listed = require_list(client.read("/releases?per_page=100"))
        drafts = [made for made in listed if get_nested(made, "tag_name") == one.tag]
        return require_number(drafts[0], "id") if drafts else None

    draft = found() or _create_once(
        client, found, lambda: require_number(client.send("POST", "/releases", body, needs=needs), "id")
    )
    files = f"/releases/{draft}/assets"

    def uploaded() -> bool | None:
        return any(get_nested(file, "name") == _EVIDENCE_FILE for file in require_list(client.read(files))) or None

    if one.evidence is not None and not uploaded():
        upload = f"{files}?name={_EVIDENCE_FILE}"
        _create_once(
            client, uploaded, lambda: client.send("POST", upload, one.evidence, needs=needs, below="uploads") or True
        )
    _create_once(client, published, lambda: client.send("PATCH", f"/releases/{draft}", {"draft": False}, needs=needs))


def record_artifact(client: GitHubClient, one: RecordArtifact) -> None:
    """Record where a file runs. GitHub keeps one record for each deployment, so a repeated request changes nothing. Raises HostProblem."""
    body = {
        "name": one.name[:_MAX_ARTIFACT_NAME],
        "digest": f"sha256:{one.sha256}",
        "version": one.version[:_MAX_ARTIFACT_VERSION],
        "status": "deployed",
        "logical_environment": one.environment[:_MAX_ENVIRONMENT],
        "deployment_name": one.deployment[:_MAX_ARTIFACT_NAME],
        "github_repository": client.repository.partition("/")[2],
        "return_records": False,
    }

    def send() -> bool:
        path = "/artifacts/metadata/deployment-record"
        require_number(client.send("POST", path, body, needs="artifact-metadata: write", below="owner"), "total_count")
        return True

    _create_once(client, lambda: None, send)


def record_deployment(client: GitHubClient, one: RecordDeployment, run: str, mark: str) -> None:
    """Record a completed deployment. Raises HostProblem."""
    needs = "deployments: write"
    body = {
        "ref": one.ref,
        "task": one.task,
        "environment": one.environment,
        "description": one.description[:_MAX_DESCRIPTION],
        "auto_merge": False,  # otherwise GitHub merges the default branch into the ref
        "required_contexts": [],  # the deployment is complete, so no check can block it
        "payload": {"mlops-ci": mark},
    }
    parameters = (("ref", one.ref), ("task", one.task), ("environment", one.environment), ("per_page", "100"))
    query = "&".join(f"{name}={quote_segment(value)}" for name, value in parameters)

    def found() -> int | None:
        listed = require_list(client.read(f"/deployments?{query}"))
        mine = [
            made
            for made in listed
            if get_nested(made, "payload", "mlops-ci") == mark and get_nested(made, "ref") == one.ref
        ]
        return require_number(mine[0], "id") if mine else None

    made = _create_once(
        client, found, lambda: require_number(client.send("POST", "/deployments", body, needs=needs), "id")
    )
    statuses = f"/deployments/{made}/statuses"
    status = {"state": "success", "log_url": run, "description": one.description[:_MAX_DESCRIPTION]}

    def told() -> bool | None:
        return any(get_nested(said, "state") == "success" for said in require_list(client.read(statuses))) or None

    _create_once(client, told, lambda: client.send("POST", statuses, status, needs=needs))


def open_pull_request(client: GitHubClient, one: OpenPullRequest, run: str) -> None:
    """Open a pull request, unless one from the same branch to the same base is open. Raises HostProblem."""
    owner = client.repository.partition("/")[0]
    path = (
        f"/pulls?state=open&head={quote_segment(f'{owner}:{one.branch}')}&base={quote_segment(one.base)}&per_page=100"
    )
    body = {
        "title": one.title[:_MAX_TITLE],
        "body": _shorten(one.body, _MAX_PULL_REQUEST_BODY, run),
        "head": one.branch,
        "base": one.base,
    }

    def found() -> bool | None:
        mine = (client.repository.lower(), one.branch, one.base)
        return any(_head_and_base(pull) == mine for pull in require_list(client.read(path))) or None

    if not found():
        _create_once(client, found, lambda: client.send("POST", "/pulls", body, needs="pull-requests: write"))


def send_dispatch(client: GitHubClient, one: Dispatch) -> None:
    """Send a repository_dispatch event. It is never repeated, because GitHub cannot list sent events. Raises HostProblem."""
    if len(one.payload) > _MAX_DISPATCH_VALUES:
        raise HostProblem.of(
            "host-refused",
            f"a dispatch can have at most {_MAX_DISPATCH_VALUES} values, but this one has {len(one.payload)}",
            help="send fewer values; a workflow can read the others from the repository",
        )
    body = {"event_type": one.event, "client_payload": dict(one.payload)}
    client.send("POST", "/dispatches", body, needs="contents: write")


def start_workflow(client: GitHubClient, one: StartWorkflow) -> None:
    """Start a workflow. It is never repeated, because GitHub lists a started run only later. Raises HostProblem."""
    body = {"ref": one.ref, "inputs": dict(one.inputs)}
    path = f"/actions/workflows/{quote_segment(one.workflow)}/dispatches"
    client.send("POST", path, body, needs="actions: write")


def _create_once(client: GitHubClient, found: Callable[[], T | None], make: Callable[[], T]) -> T:
    """Create an object with `make`, and return it.

    If it is uncertain whether the request succeeded, look the object up with `found`, and repeat the request if it does not
    exist. If GitHub reports a conflict (409 or 422), return the existing object, or raise the error if there is none.
    """
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


def _read_or_none(client: GitHubClient, path: str) -> Any:
    try:
        return client.read(path)
    except HostProblem as problem:
        if problem.status != 404:
            raise
        return None


class _PullBranches(NamedTuple):
    """The branches of a pull request in the API's form: the head's repository and branch, and the base branch."""

    repository: str | None
    head: Any
    base: Any


def _head_and_base(pull: Any) -> _PullBranches:
    repository = get_nested(pull, "head", "repo", "full_name")
    return _PullBranches(
        repository.lower() if isinstance(repository, str) else None,
        get_nested(pull, "head", "ref"),
        get_nested(pull, "base", "ref"),
    )


def _shorten(text: str, limit: int, run: str) -> str:
    return cut_to_bytes(text, limit, f"\n\n_The rest is omitted: [the run]({run}) has everything._\n")
