"""Cuts GitHub's OpenAPI description to the operations that the project uses: `python tests/support/github/cut.py api.github.com.json`.

README.md beside this file says where the description comes from.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("openapi.json")
OPERATIONS = {
    "": "get",
    "/actions/permissions/workflow": "get",
    "/actions/workflows/{workflow_id}/dispatches": "post",
    "/branches/{branch}/protection": "get",
    "/check-runs": "post",
    "/commits/{commit_sha}/pulls": "get",
    "/commits/{ref}/check-runs": "get",
    "/deployments": "get post",
    "/deployments/{deployment_id}/statuses": "get post",
    "/dispatches": "post",
    "/environments": "get",
    "/environments/{environment_name}": "get",
    "/git/ref/{ref}": "get",
    "/immutable-releases": "get",
    "/issues/comments/{comment_id}": "get patch delete",
    "/issues/{issue_number}/comments": "get post",
    "/pulls": "get post",
    "/pulls/{pull_number}": "get",
    "/releases": "get post",
    "/releases/tags/{tag}": "get",
    "/releases/{release_id}": "patch",
    "/releases/{release_id}/assets": "get post",
    "/rules/branches/{branch}": "get",
    "/rulesets": "get",
    "/rulesets/{ruleset_id}": "get",
}
OF_ORGANISATION = {"/artifacts/metadata/deployment-record": "post"}
_PROSE = {"description", "summary", "example", "examples", "externalDocs", "tags", "title", "deprecated"}
_NAMES = {"properties", "schemas", "parameters", "responses", "headers", "paths"}  # what stands below these are names
_COMPONENT = "#/components/"


def cut(full: dict[str, Any]) -> dict[str, Any]:
    """Return the description of `OPERATIONS` and `OF_ORGANISATION` alone, with what they refer to, and without prose."""
    wanted = {f"/repos/{{owner}}/{{repo}}{path}": verbs for path, verbs in OPERATIONS.items()}
    wanted |= {f"/orgs/{{org}}{path}": verbs for path, verbs in OF_ORGANISATION.items()}
    paths = {}
    for path, verbs in wanted.items():
        found = full["paths"][path]
        paths[path] = _plain({name: value for name, value in found.items() if name in (*verbs.split(), "parameters")})
    components: dict[str, Any] = {}
    waiting = list(_references(paths))
    while waiting:
        kind, name = waiting.pop().split("/")
        if name not in components.setdefault(kind, {}):
            components[kind][name] = _plain(full["components"][kind][name])
            waiting += _references(components[kind][name])
    sorted_ = {kind: dict(sorted(named.items())) for kind, named in sorted(components.items())}
    info = {"title": "GitHub's REST API: the operations that mlops-ci uses", "version": full["info"]["version"]}
    return {"openapi": full["openapi"], "info": info, "paths": paths, "components": sorted_}


def _plain(value: Any, *, names: bool = False) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _plain(item, names=not names and name in _NAMES and isinstance(item, dict))
        for name, item in value.items()
        if names or not (name in _PROSE or name.startswith("x-"))
    }


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        reference = value.get("$ref")
        if isinstance(reference, str):
            yield reference.removeprefix(_COMPONENT)
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


if __name__ == "__main__":
    described = cut(json.loads(Path(sys.argv[1]).read_bytes()))
    FILE.write_text(json.dumps(described, separators=(",", ":"), ensure_ascii=False) + "\n", encoding="utf-8")
