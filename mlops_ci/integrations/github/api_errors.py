"""What went wrong between this command and GitHub's API, told as a user would hope: which call, what GitHub said, why, what next.

What GitHub answers is data of somebody else: it is cut, made printable, and never holds the token.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mlops_ci.core.diagnostics import replace_control_characters
from mlops_ci.core.errors import HostProblem

_MAX_TEXT = 300  # characters of what GitHub says
_PERMISSIONS = re.compile(r"[a-z_]+=(?:read|write|admin)(?:[;,] ?[a-z_]+=(?:read|write|admin))*")
_GUIDE = "docs/github.md lists what each job needs"


@dataclass(frozen=True)
class ApiRequest:
    """A request to be made. `needs` is the permission that GitHub asks of a job's token for it, `fork`: it can only read."""

    method: str
    url: str
    body: Any = None
    needs: str | None = None
    is_read_only: bool = False
    secret: str = field(default="", repr=False)

    @property
    def label(self) -> str:
        """The call in a message: method and path."""
        return f"{self.method} {self.printable_text(re.sub(r'^[a-z+]*://[^/]*', '', self.url).partition('?')[0])}"

    @property
    def is_idempotent(self) -> bool:
        """Tell whether the same request twice has the effect of one."""
        return self.method in ("GET", "PATCH", "DELETE")

    def printable_text(self, text: str) -> str:
        """Return somebody else's text as it may stand in a message."""
        hidden = text.replace(self.secret, "***") if self.secret else text
        return replace_control_characters(hidden if len(hidden) <= _MAX_TEXT else f"{hidden[:_MAX_TEXT]}...")


@dataclass(frozen=True)
class ApiResponse:
    """An answer of GitHub's: names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def message(self) -> str:
        """What GitHub says in it: its message, and what it finds wrong with the fields."""
        try:
            said = json.loads(self.body)
        except (ValueError, RecursionError):
            return ""
        if not isinstance(said, dict) or not isinstance(said.get("message"), str):
            return ""
        listed = said["errors"] if isinstance(said.get("errors"), list) else []
        return "; ".join([said["message"], *filter(None, map(_error_detail, listed[:3]))])

    @property
    def is_rate_limited(self) -> bool:
        """Tell whether GitHub wants fewer requests; it has not done what it was asked then."""
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
    """Tell that GitHub, or the way to it, is in trouble, and stayed so."""
    known = (
        "; it may have been done nevertheless" if unsure else "; nothing was changed" if call.method != "GET" else ""
    )
    return HostProblem.of(
        "host-unreachable",
        f"{call.label}: {call.printable_text(why)}{known}",
        help="check the network and https://www.githubstatus.com, then run again",
        status=status,
        unsure=unsure,
    )


def invalid_response_problem(call: ApiRequest, why: str, status: int | None = None) -> HostProblem:
    """Tell that the answer is none that GitHub's API gives."""
    return HostProblem.of(
        "host-answer-invalid",
        f"{call.label}: {call.printable_text(why)}",
        help="see what stands between here and GitHub: a proxy, or a wrong GITHUB_API_URL",
        status=status,
        unsure=call.method != "GET",
    )


def rate_limit_problem(call: ApiRequest, answer: ApiResponse, seconds: int) -> HostProblem:
    """Tell that GitHub wants to be asked less often, for longer than a command waits."""
    return HostProblem.of(
        "host-rate-limited",
        f"{call.label}: GitHub wants fewer requests ({_response_text(call, answer)}), and nothing was changed",
        help=f"run again in {seconds} seconds, and let fewer jobs run at once",
        status=answer.status,
    )


def refusal_problem(call: ApiRequest, answer: ApiResponse) -> HostProblem:
    """Tell that GitHub understood and said no."""
    said, status = f"{call.label}: GitHub said no ({_response_text(call, answer)})", answer.status
    if status in (401, 403):
        return HostProblem.of("host-forbidden", said, help=_forbidden_help(call, answer), status=status)
    if status in (404, 410):
        hidden = f"it may be missing, or hidden from this token: {_permission_help(call, answer)}"
        return HostProblem.of("host-not-found", said, help=hidden, status=status)
    return HostProblem.of(
        "host-refused", said, help="what GitHub says names the field that it does not take", status=status
    )


def _response_text(call: ApiRequest, answer: ApiResponse) -> str:
    message = call.printable_text(answer.message)
    return f"{answer.status}: {message}" if message else str(answer.status)


def _forbidden_help(call: ApiRequest, answer: ApiResponse) -> str:
    if answer.status == 401:
        return "the token is wrong or has expired; in GitHub Actions: `env: GITHUB_TOKEN: ${{ github.token }}`"
    if call.is_read_only and call.method != "GET":
        return "for pull requests from forks, tokens can only read, whatever the job asks for: let `comment.yml` tell"
    if "create or approve pull requests" in answer.message:
        return "allow it in the repository's Settings > Actions > General > Workflow permissions, or use an App's token"
    return _permission_help(call, answer)


def _permission_help(call: ApiRequest, answer: ApiResponse) -> str:
    asked = answer.headers.get("x-accepted-github-permissions", "")
    if _PERMISSIONS.fullmatch(asked):
        needs = asked.replace("_", "-").replace("=", ": ").replace(";", " or")
    elif call.needs:
        needs = call.needs
    else:
        return _GUIDE
    return f"give the job `permissions: {{{needs}}}`; {_GUIDE}"
