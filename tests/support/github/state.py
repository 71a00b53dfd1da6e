"""What the fake GitHub keeps, and what each operation does to it: one repository, as far as `mlops-ci` deals with it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.github.contract import Operation, sample

Made = tuple[int, Any]  # an answer: status and decoded JSON
BOT = "github-actions[bot]"
COMMENT_LIMIT = 65_536


@dataclass(frozen=True)
class User:
    """Whose token it is. `writes`: what it may do beyond reading (None: everything)."""

    login: str
    writes: frozenset[str] | None = None

    @property
    def kind(self) -> str:
        return "Bot" if self.login.endswith("[bot]") else "User"

    def shown(self) -> dict[str, Any]:
        number = int.from_bytes(self.login.encode()[:6], "big")
        return sample("simple-user", login=self.login, id=number, type=self.kind)

    def app(self) -> dict[str, Any] | None:
        return sample("integration", slug=self.login.removesuffix("[bot]")) if self.kind == "Bot" else None


class Refused(Exception):
    """GitHub says no: a status, a message, and what is wrong with the fields."""

    def __init__(self, status: int, message: str, *errors: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.status, self.message, self.errors = status, message, errors


@dataclass
class State:
    """One repository. Where `commits` or `branches` is None, all exist that anybody names."""

    repository: str = "ada/flights"
    comments: dict[int, list[dict[str, Any]]] = field(default_factory=dict)  # by pull request
    pulls: list[dict[str, Any]] = field(default_factory=list)
    checks: list[dict[str, Any]] = field(default_factory=list)
    releases: list[dict[str, Any]] = field(default_factory=list)
    assets: dict[int, list[dict[str, Any]]] = field(default_factory=dict)  # by release
    immutable: bool = False  # whether releases are, once they are published
    artifacts: dict[str, dict[str, Any]] = field(default_factory=dict)  # where they run, by deployment
    deployments: list[dict[str, Any]] = field(default_factory=list)
    statuses: dict[int, list[dict[str, Any]]] = field(default_factory=dict)  # by deployment
    dispatches: list[dict[str, Any]] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    tags: set[str] = field(default_factory=set)
    workflows: set[str] = field(default_factory=set)
    commits: set[str] | None = None
    branches: set[str] | None = None
    opens_pulls: bool = True  # whether the repository's settings let a job do that
    settings: dict[str, Any] = field(default_factory=dict)  # what reading answers, by path below the repository
    ids: Any = field(default_factory=lambda: itertools.count(1001))

    def open_pull(
        self, number: int, sha: str, branch: str = "change", base: str = "main", fork: str | None = None
    ) -> None:
        """Open a pull request, from another repository where `fork` names one."""
        head = _end(branch, sha, fork or self.repository)
        values = {"number": number, "state": "open", "head": head, "base": _end(base, "0" * 40, self.repository)}
        self.pulls.append(sample("pull-request-simple", **values))
        self.comments.setdefault(number, [])

    def comment(self, pull: int, body: str, user: User) -> dict[str, Any]:
        """Add a comment, as somebody."""
        app = user.app()
        via = {"performed_via_github_app": app} if app else {}
        made = sample("issue-comment", id=next(self.ids), body=body, user=user.shown(), **via)
        self.comments[pull].append(made)
        return made

    def dump(self) -> dict[str, Any]:
        """Return all of it as JSON."""
        kept = {name: value for name, value in vars(self).items() if name != "ids"}
        return {name: sorted(value) if isinstance(value, set) else value for name, value in kept.items()}


def _end(branch: str, sha: str, repository: str) -> dict[str, Any]:
    owner, name = repository.split("/")
    where = sample("repository", name=name, full_name=repository, owner=User(owner).shown())
    return {"label": f"{owner}:{branch}", "ref": branch, "sha": sha, "user": User(owner).shown(), "repo": where}


def answer(state: State, user: User, made: Operation, body: Any) -> Made:
    """Carry out an operation. Raises Refused."""
    doing = _DOES.get(made.name)
    return doing(state, user, made, body) if doing else _setting(state, made)


def _setting(state: State, made: Operation) -> Made:
    path = made.template.removeprefix("/repos/{owner}/{repo}").format(**made.path)
    if path in state.settings:
        return 200, state.settings[path]
    if path == "":
        return 200, sample("full-repository", full_name=state.repository, name=state.repository.split("/")[1])
    if path == "/environments":
        return 200, {"total_count": 0, "environments": []}
    if path == "/rulesets" or path.startswith("/rules/branches/"):
        return 200, []
    raise Refused(404, "Branch not protected" if path.endswith("/protection") else "Not Found")


def _comments(state: State, _: User, made: Operation, __: Any) -> Made:
    return 200, _of_pull(state, made)


def _add_comment(state: State, user: User, made: Operation, body: Any) -> Made:
    _of_pull(state, made)
    _fits(body["body"])
    return 201, state.comment(int(made.path["issue_number"]), body["body"], user)


def _of_pull(state: State, made: Operation) -> list[dict[str, Any]]:
    found = state.comments.get(int(made.path["issue_number"]))
    if found is None:
        raise Refused(404, "Not Found")
    return found


def _fits(text: str) -> None:
    if len(text) > COMMENT_LIMIT:
        raise Refused(422, "Validation Failed", {"resource": "IssueComment", "field": "data", "code": "unprocessable"})


def _the_comment(state: State, made: Operation) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    for listed in state.comments.values():
        for one in listed:
            if one["id"] == int(made.path["comment_id"]):
                return listed, one
    raise Refused(404, "Not Found")


def _show_comment(state: State, _: User, made: Operation, __: Any) -> Made:
    return 200, _the_comment(state, made)[1]


def _edit_comment(state: State, _: User, made: Operation, body: Any) -> Made:
    _fits(body["body"])
    found = _the_comment(state, made)[1]
    found["body"] = body["body"]
    return 200, found


def _delete_comment(state: State, _: User, made: Operation, __: Any) -> Made:
    listed, found = _the_comment(state, made)
    listed.remove(found)
    return 204, None


def _add_check(state: State, user: User, _: Operation, body: Any) -> Made:
    if state.commits is not None and body["head_sha"] not in state.commits:
        raise Refused(422, f"No commit found for SHA: {body['head_sha']}")
    if len(body.get("output", {}).get("title", "")) > 255:
        raise Refused(422, "Invalid request.\n\nOnly 255 characters are allowed; the title is longer.")
    output = {
        "annotations_count": 0,
        "annotations_url": "https://example.org",
        "title": None,
        "summary": None,
        "text": None,
        **body.get("output", {}),
    }
    values = {
        name: body.get(name) for name in ("name", "head_sha", "status", "conclusion", "external_id", "details_url")
    }
    made = sample("check-run", id=next(state.ids), output=output, app=user.app(), **values)
    state.checks.append(made)
    return 201, made


def _checks(state: State, _: User, made: Operation, __: Any) -> Made:
    name = made.query.get("check_name")
    found = [one for one in state.checks if one["head_sha"] == made.path["ref"] and name in (None, one["name"])]
    return 200, {"total_count": len(found), "check_runs": found}


def _release(state: State, _: User, made: Operation, __: Any) -> Made:
    found = [one for one in state.releases if one["tag_name"] == made.path["tag"] and not one["draft"]]
    if not found:
        raise Refused(404, "Not Found")
    return 200, found[0]


def _add_release(state: State, user: User, _: Operation, body: Any) -> Made:
    if any(one["tag_name"] == body["tag_name"] and not one["draft"] for one in state.releases):
        raise Refused(422, "Validation Failed", {"resource": "Release", "code": "already_exists", "field": "tag_name"})
    state.tags.add(body["tag_name"])  # GitHub makes it where it is missing
    values = {name: body.get(name) for name in ("tag_name", "name", "body")}
    made = sample("release", id=next(state.ids), author=user.shown(), draft=body.get("draft", False), **values)
    state.releases.append(made)
    return 201, made


def _releases(state: State, _: User, __: Operation, ___: Any) -> Made:
    return 200, list(reversed(state.releases))


def _release_by_id(state: State, made: Operation) -> dict[str, Any]:
    for one in state.releases:
        if one["id"] == int(made.path["release_id"]):
            return one
    raise Refused(404, "Not Found")


def _edit_release(state: State, _: User, made: Operation, body: Any) -> Made:
    found = _release_by_id(state, made)
    found.update(body)
    return 200, found


def _assets(state: State, _: User, made: Operation, __: Any) -> Made:
    return 200, state.assets.get(_release_by_id(state, made)["id"], [])


def _add_asset(state: State, user: User, made: Operation, body: Any) -> Made:
    release = _release_by_id(state, made)
    if state.immutable and not release["draft"]:
        raise Refused(422, "Cannot upload assets to an immutable release.")
    kept = state.assets.setdefault(release["id"], [])
    if any(one["name"] == made.query["name"] for one in kept):
        raise Refused(422, "Validation Failed", {"resource": "ReleaseAsset", "code": "already_exists", "field": "name"})
    values = {"name": made.query["name"], "size": len(body), "label": body.decode(), "uploader": user.shown()}
    kept.append(sample("release-asset", id=next(state.ids), **values))
    return 201, kept[-1]


def _add_artifact(state: State, _: User, __: Operation, body: Any) -> Made:
    state.artifacts[f"{body['logical_environment']}/{body['deployment_name']}"] = body
    return 200, {"total_count": 1}


def _ref(state: State, _: User, made: Operation, __: Any) -> Made:
    tag = made.path["ref"].removeprefix("tags/")
    if tag not in state.tags or tag == made.path["ref"]:
        raise Refused(404, "Not Found")
    target = {"type": "tag", "sha": "1" * 40, "url": "https://example.org"}
    return 200, sample("git-ref", ref=f"refs/tags/{tag}", object=target)


def _add_deployment(state: State, user: User, _: Operation, body: Any) -> Made:
    if body.get("required_contexts") != []:
        raise Refused(409, "Conflict: Commit status checks failed.")
    if body.get("auto_merge", True):
        raise Refused(409, "Conflict merging main.")
    values = {name: body[name] for name in ("ref", "task", "environment", "description", "payload") if name in body}
    made = sample("deployment", id=next(state.ids), creator=user.shown(), **values)
    state.deployments.append(made)
    state.statuses[made["id"]] = []
    return 201, made


def _deployments(state: State, _: User, made: Operation, __: Any) -> Made:
    asked = {name: value for name, value in made.query.items() if name in ("ref", "task", "environment")}
    return 200, [one for one in reversed(state.deployments) if all(one[name] == asked[name] for name in asked)]


def _statuses(state: State, made: Operation) -> list[dict[str, Any]]:
    found = state.statuses.get(int(made.path["deployment_id"]))
    if found is None:
        raise Refused(404, "Not Found")
    return found


def _list_statuses(state: State, _: User, made: Operation, __: Any) -> Made:
    return 200, _statuses(state, made)


def _add_status(state: State, user: User, made: Operation, body: Any) -> Made:
    if len(body.get("description", "")) > 140:
        raise Refused(
            422, "Validation Failed", {"resource": "DeploymentStatus", "code": "custom", "field": "description"}
        )
    added = sample("deployment-status", id=next(state.ids), creator=user.shown(), **body)
    _statuses(state, made).append(added)
    return 201, added


def _pulls(state: State, _: User, made: Operation, __: Any) -> Made:
    wanted, head, base = made.query.get("state", "open"), made.query.get("head", ""), made.query.get("base")
    if ":" not in head:
        head = ""  # GitHub ignores it then, and lists all
    listed = [one for one in state.pulls if wanted in ("all", one["state"]) and base in (None, one["base"]["ref"])]
    return 200, [one for one in listed if head in ("", one["head"]["label"])]


def _pull(state: State, _: User, made: Operation, __: Any) -> Made:
    found = [one for one in state.pulls if one["number"] == int(made.path["pull_number"])]
    if not found:
        raise Refused(404, "Not Found")
    return 200, sample("pull-request", **{name: found[0][name] for name in ("number", "state", "head", "base")})


def _add_pull(state: State, user: User, _: Operation, body: Any) -> Made:
    if user.login == BOT and not state.opens_pulls:
        raise Refused(403, "GitHub Actions is not permitted to create or approve pull requests.")
    if state.branches is not None and body["head"] not in state.branches:
        raise Refused(422, "Validation Failed", {"resource": "PullRequest", "field": "head", "code": "invalid"})
    if any(one["head"]["ref"] == body["head"] and one["state"] == "open" for one in state.pulls):
        said = f"A pull request already exists for {state.repository.split('/')[0]}:{body['head']}."
        raise Refused(422, "Validation Failed", {"resource": "PullRequest", "code": "custom", "message": said})
    number = max((one["number"] for one in state.pulls), default=0) + 1
    state.open_pull(number, "2" * 40, body["head"], body["base"])
    state.pulls[-1].update(title=body["title"], body=body["body"], user=user.shown())
    values = {name: state.pulls[-1][name] for name in ("number", "state", "head", "base", "title", "body", "user")}
    return 201, sample("pull-request", **values)


def _of_commit(state: State, _: User, made: Operation, __: Any) -> Made:
    """Those from forks are not found by their commit, as at GitHub."""
    mine = [one for one in state.pulls if one["head"]["repo"]["full_name"] == state.repository]
    return 200, [one for one in mine if one["head"]["sha"] == made.path["commit_sha"]]


def _dispatch(state: State, _: User, __: Operation, body: Any) -> Made:
    state.dispatches.append(body)
    return 204, None


def _start(state: State, _: User, made: Operation, body: Any) -> Made:
    if made.path["workflow_id"] not in state.workflows:
        raise Refused(404, "Not Found")
    state.runs.append({"workflow": made.path["workflow_id"], **body})
    return 204, None


_DOES: Mapping[str, Callable[[State, User, Operation, Any], Made]] = {
    "GET /issues/{issue_number}/comments": _comments,
    "POST /issues/{issue_number}/comments": _add_comment,
    "GET /issues/comments/{comment_id}": _show_comment,
    "PATCH /issues/comments/{comment_id}": _edit_comment,
    "DELETE /issues/comments/{comment_id}": _delete_comment,
    "POST /check-runs": _add_check,
    "GET /commits/{ref}/check-runs": _checks,
    "GET /releases/tags/{tag}": _release,
    "GET /releases": _releases,
    "POST /releases": _add_release,
    "PATCH /releases/{release_id}": _edit_release,
    "GET /releases/{release_id}/assets": _assets,
    "POST /releases/{release_id}/assets": _add_asset,
    "POST /orgs/{org}/artifacts/metadata/deployment-record": _add_artifact,
    "GET /git/ref/{ref}": _ref,
    "POST /deployments": _add_deployment,
    "GET /deployments": _deployments,
    "GET /deployments/{deployment_id}/statuses": _list_statuses,
    "POST /deployments/{deployment_id}/statuses": _add_status,
    "GET /pulls": _pulls,
    "GET /pulls/{pull_number}": _pull,
    "POST /pulls": _add_pull,
    "GET /commits/{commit_sha}/pulls": _of_commit,
    "POST /dispatches": _dispatch,
    "POST /actions/workflows/{workflow_id}/dispatches": _start,
}

NEEDS: Mapping[str, str] = {  # of a job's token, by operation
    "POST /issues/{issue_number}/comments": "pull_requests",
    "PATCH /issues/comments/{comment_id}": "pull_requests",
    "DELETE /issues/comments/{comment_id}": "pull_requests",
    "POST /check-runs": "checks",
    "POST /releases": "contents",
    "PATCH /releases/{release_id}": "contents",
    "POST /releases/{release_id}/assets": "contents",
    "POST /orgs/{org}/artifacts/metadata/deployment-record": "artifact_metadata",
    "POST /deployments": "deployments",
    "POST /deployments/{deployment_id}/statuses": "deployments",
    "POST /pulls": "pull_requests",
    "POST /dispatches": "contents",
    "POST /actions/workflows/{workflow_id}/dispatches": "actions",
}
