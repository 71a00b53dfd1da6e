"""Errors of GitHub's API as diagnostics: the call, GitHub's response, the likely cause and the next step.

The text of a response is untrusted: it is cut, made printable, and the token is removed from it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mlops_ci.core.diagnostics import replace_control_characters
from mlops_ci.core.errors import HostProblem

_MAX_TEXT = 300  # characters of a response's text
_PERMISSIONS = re.compile(r"[a-z_]+=(?:read|write|admin)(?:[;,] ?[a-z_]+=(?:read|write|admin))*")
_GUIDE = "docs/github.md lists what each job needs"


@dataclass(frozen=True)
class ApiRequest:
    """A request to the API.

    `needs` is the permission of the job's token that the request needs; `is_read_only` means that the token can only read.
    """

    method: str
    url: str
    body: Any = None
    needs: str | None = None
    is_read_only: bool = False
    secret: str = field(default="", repr=False)

    @property
    def label(self) -> str:
        """The request's method and path, for a message."""
        return f"{self.method} {self.printable_text(re.sub(r'^[a-z+]*://[^/]*', '', self.url).partition('?')[0])}"

    @property
    def is_idempotent(self) -> bool:
        """Whether repeating the request has no further effect."""
        return self.method in ("GET", "PATCH", "DELETE")

    def printable_text(self, text: str) -> str:
        """Return untrusted text for a message: printable, cut, and without the token."""
        hidden = text.replace(self.secret, "***") if self.secret else text
        return replace_control_characters(hidden if len(hidden) <= _MAX_TEXT else f"{hidden[:_MAX_TEXT]}...")


@dataclass(frozen=True)
class ApiResponse:
    """A response of GitHub. The names of the headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def message(self) -> str:
        """The response's message and its first errors; empty if the body has none."""
        try:
            body = json.loads(self.body)
        except (ValueError, RecursionError):
            return ""
        if not isinstance(body, dict) or not isinstance(body.get("message"), str):
            return ""
        listed = body["errors"] if isinstance(body.get("errors"), list) else []
        return "; ".join([body["message"], *filter(None, map(_error_detail, listed[:3]))])

    @property
    def is_rate_limited(self) -> bool:
        """Whether GitHub's rate limit rejected the request; GitHub has then not executed it."""
        if self.status != 403:
            return self.status == 429
        spent = self.headers.get("x-ratelimit-remaining") == "0" or "retry-after" in self.headers
        return spent or "rate limit" in self.message.lower()


def _error_detail(error: Any) -> str:
    if isinstance(error, str):
        return error
    if not isinstance(error, dict):
        return ""
    message = error.get("message")
    parts = [message] if isinstance(message, str) else [error.get("field"), error.get("code")]
    return " ".join(part for part in parts if isinstance(part, str))


def unreachable_problem(call: ApiRequest, why: str, *, unsure: bool, status: int | None = None) -> HostProblem:
    """Return the problem that GitHub or the network failed, in every attempt."""
    effect = (
        "; GitHub may have executed the request" if unsure else "; nothing was changed" if call.method != "GET" else ""
    )
    return HostProblem.of(
        "host-unreachable",
        f"{call.label}: {call.printable_text(why)}{effect}",
        help="check the network and https://www.githubstatus.com, then run again",
        status=status,
        unsure=unsure,
    )


def invalid_response_problem(call: ApiRequest, why: str, status: int | None = None) -> HostProblem:
    """Return the problem that the response does not have the form of GitHub's API."""
    return HostProblem.of(
        "host-answer-invalid",
        f"{call.label}: {call.printable_text(why)}",
        help="check for a proxy between this machine and GitHub, and check GITHUB_API_URL",
        status=status,
        unsure=call.method != "GET",
    )


def rate_limit_problem(call: ApiRequest, answer: ApiResponse, seconds: int) -> HostProblem:
    """Return the problem that GitHub's rate limit lasts longer than a command waits."""
    return HostProblem.of(
        "host-rate-limited",
        f"{call.label}: GitHub's rate limit is reached ({_response_text(call, answer)}); nothing was changed",
        help=f"run again in {seconds} seconds, and run fewer jobs at once",
        status=answer.status,
    )


def refusal_problem(call: ApiRequest, answer: ApiResponse) -> HostProblem:
    """Return the problem that GitHub refused the request."""
    message, status = f"{call.label}: GitHub refused the request ({_response_text(call, answer)})", answer.status
    if status in (401, 403):
        return HostProblem.of("host-forbidden", message, help=_forbidden_help(call, answer), status=status)
    if status in (404, 410):
        help = f"the object may not exist, or this token may not see it: {_permission_help(call, answer)}"
        return HostProblem.of("host-not-found", message, help=help, status=status)
    return HostProblem.of(
        "host-refused", message, help="GitHub's message names the field that it does not accept", status=status
    )


def _response_text(call: ApiRequest, answer: ApiResponse) -> str:
    message = call.printable_text(answer.message)
    return f"{answer.status}: {message}" if message else str(answer.status)


def _forbidden_help(call: ApiRequest, answer: ApiResponse) -> str:
    if answer.status == 401:
        return "the token is wrong or has expired; in GitHub Actions: `env: GITHUB_TOKEN: ${{ github.token }}`"
    if call.is_read_only and call.method != "GET":
        return "for pull requests from forks, the token is always read-only, even if the job requests more: let the workflow `comment.yml` report the result"
    if "create or approve pull requests" in answer.message:
        return (
            "allow this in the repository's Settings > Actions > General > Workflow permissions, or use an App's token"
        )
    return _permission_help(call, answer)


def _permission_help(call: ApiRequest, answer: ApiResponse) -> str:
    accepted = answer.headers.get("x-accepted-github-permissions", "")
    if _PERMISSIONS.fullmatch(accepted):
        needs = accepted.replace("_", "-").replace("=", ": ").replace(";", " or")
    elif call.needs:
        needs = call.needs
    else:
        return _GUIDE
    return f"give the job `permissions: {{{needs}}}`; {_GUIDE}"
