"""Talks to GitHub's REST API: pages, patience, and a token that goes nowhere else.

A request is repeated only where that cannot do twice what was asked for once. What comes back is hostile until it was looked at:
its size, its time and its pages are bounded, and it cannot lead the token to another host.
"""

from __future__ import annotations

import functools
import json
import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from mlops_ci import __version__
from mlops_ci.core.errors import HostProblem
from mlops_ci.integrations.github.api_errors import (
    ApiRequest,
    ApiResponse,
    invalid_response_problem,
    rate_limit_problem,
    refusal_problem,
    unreachable_problem,
)

_API_VERSION = "2022-11-28"  # of the API
_NEXT_LINK = re.compile(r'<([^<>]*)>\s*;[^,<>]*\brel="?next"?')
_TOKEN = re.compile(r"[\x21-\x7e]+")
_MAX_REDIRECTS = 3
_DEFAULT_RETRY_SECONDS = (
    60  # seconds to wait where GitHub wants fewer requests and does not say for how long, as it documents
)


@dataclass(frozen=True)
class RequestLimits:
    """What a request may cost. `seconds` bounds one answer, `wait_seconds` all waits together, `max_bytes` the size of all pages."""

    attempts: int = 4
    connect: float = 10.0
    seconds: float = 60.0
    wait_seconds: float = 120.0
    max_bytes: int = 32 << 20
    pages: int = 200


@dataclass(frozen=True)
class GitHubClient:
    """A repository at the API. `wait` is given seconds; `is_read_only`: the token can only read, whatever the job asks for."""

    api: str
    repository: str
    token: str = field(repr=False)
    wait: Callable[[float], None]
    is_read_only: bool = False
    limits: RequestLimits = RequestLimits()

    def __post_init__(self) -> None:
        if not _TOKEN.fullmatch(self.token):  # it could not stand in a header, or would begin another
            raise HostProblem.of(
                "host-forbidden",
                "GITHUB_TOKEN holds no token: only printable ASCII without spaces can be one",
                help="in GitHub Actions: `env: GITHUB_TOKEN: ${{ github.token }}`",
            )

    @functools.cached_property
    def _tls(self) -> ssl.SSLContext:
        return httpx.create_ssl_context()

    def send(self, method: str, path: str, body: Any = None, *, needs: str | None = None) -> Any:
        """Ask once for one page, and return decoded JSON (None: an empty answer). Raises HostProblem."""
        call = self._build_request(method, path, body, needs)
        return _decode_json(call, self._send_with_retries(call, self.limits.max_bytes))

    def read(self, path: str) -> Any:
        """Return what is at a path below the repository, all pages of it: lists are joined, in objects, too. Raises HostProblem."""
        call = self._build_request("GET", path, None, None)
        joined: Any = None
        left = self.limits.max_bytes
        for page in range(self.limits.pages):
            answer = self._send_with_retries(call, left)
            left -= len(answer.body)
            value = _decode_json(call, answer)
            joined = value if page == 0 else _join_pages(call, joined, value)
            following = _NEXT_LINK.search(answer.headers.get("link", ""))
            if following is None:
                return joined
            call = ApiRequest("GET", self._require_api_url(call, following[1]), secret=self.token)
        raise invalid_response_problem(call, f"the list has more than {self.limits.pages} pages")

    def _build_request(self, method: str, path: str, body: Any, needs: str | None) -> ApiRequest:
        root = f"{self.api}/repos/{self.repository}"
        call = ApiRequest(method, f"{root}{path}", body, needs, self.is_read_only, self.token)
        plain = path.partition("?")[0]
        if (path and path[0] not in "/?") or "\\" in plain or {".", ".."} & set(plain.split("/")):
            raise invalid_response_problem(call, "this is no path below the repository")
        return call

    def _require_api_url(self, call: ApiRequest, url: str) -> str:
        """Return the URL that an answer leads to, if the token may be shown there: only below the API's own URL."""
        try:
            new = str(httpx.URL(call.url).join(url))  # as httpx understands it, who will ask there
        except (httpx.InvalidURL, ValueError):
            new = ""
        if not new.startswith(f"{httpx.URL(self.api)}".rstrip("/") + "/"):
            raise invalid_response_problem(call, f"it leads away from the API, which is not followed: {url}")
        return new

    def _send_with_retries(self, call: ApiRequest, size: int) -> ApiResponse:
        """Ask until there is an answer that stands. Raises HostProblem."""
        waited, pause = 0.0, 1.0
        for attempt in range(self.limits.attempts):
            last = attempt == self.limits.attempts - 1
            try:
                answer = self._follow_redirects(call, size)
            except _LostResponse as lost:
                if last or (lost.sent and not call.is_idempotent):
                    raise unreachable_problem(call, str(lost), unsure=lost.sent and call.method != "GET") from None
                asked = pause
            else:
                if answer.status < 300:
                    return answer
                if answer.is_rate_limited:
                    asked = _retry_seconds(answer.headers)
                    if last or waited + asked > self.limits.wait_seconds:
                        raise rate_limit_problem(call, answer, int(asked))
                elif answer.status < 500:
                    raise refusal_problem(call, answer)
                elif last or not call.is_idempotent:
                    said = f"GitHub is in trouble ({answer.status})"
                    raise unreachable_problem(call, said, unsure=call.method != "GET", status=answer.status)
                else:
                    asked = pause
            self.wait(asked)
            waited, pause = waited + asked, pause * 2
        raise AssertionError  # pragma: no cover - the last attempt returns or raises

    def _follow_redirects(self, call: ApiRequest, size: int) -> ApiResponse:
        """Ask once, and again where GitHub moved the repository on the same API."""
        for _ in range(_MAX_REDIRECTS + 1):
            answer = self._send_once(call, size)
            if answer.status not in (301, 302, 307, 308):
                if 300 <= answer.status < 400:
                    break
                return answer
            if answer.status < 307 and call.method != "GET":
                break
            url = self._require_api_url(call, answer.headers.get("location", ""))
            call = ApiRequest(call.method, url, call.body, call.needs, call.is_read_only, call.secret)
        raise invalid_response_problem(
            call, f"it is redirected ({answer.status}), and that leads nowhere", answer.status
        )

    def _send_once(self, call: ApiRequest, size: int) -> ApiResponse:
        headers = {
            "Accept": "application/vnd.github+json",
            "Accept-Encoding": "identity",  # so that a small answer cannot become a large one
            "Authorization": f"Bearer {self.token}",
            "User-Agent": f"mlops-ci/{__version__}",
            "X-GitHub-Api-Version": _API_VERSION,
        }
        content = None if call.body is None else json.dumps(call.body).encode()
        if content is not None:
            headers["Content-Type"] = "application/json"
        timeout = httpx.Timeout(self.limits.seconds, connect=self.limits.connect)
        start = time.monotonic()
        try:
            # a client for each request: no connection is kept that may have died meanwhile
            with (
                httpx.Client(verify=self._tls, timeout=timeout, follow_redirects=False) as client,
                client.stream(call.method, call.url, content=content, headers=headers) as response,
            ):
                read = bytearray()
                for chunk in response.iter_raw():
                    read += chunk
                    if len(read) > size:
                        raise invalid_response_problem(
                            call, f"the answer is larger than {self.limits.max_bytes} bytes", response.status_code
                        )
                    if time.monotonic() - start > self.limits.seconds:
                        raise _LostResponse("GitHub took too long to answer", sent=True)
                return ApiResponse(
                    response.status_code, {k.lower(): v for k, v in response.headers.items()}, bytes(read)
                )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise _LostResponse(f"GitHub cannot be reached ({str(error) or 'no connection'})", sent=False) from None
        except (OSError, ValueError, ImportError):  # of proxies and certificates, before anything was sent
            said = "no connection can be made with the proxies and certificates that the environment names"
            raise _LostResponse(said, sent=False) from None
        except httpx.TimeoutException:
            raise _LostResponse("GitHub took too long to answer", sent=True) from None
        except httpx.HTTPError:  # its text is not told: it may quote what was sent
            raise _LostResponse("the connection was cut before the answer was whole", sent=True) from None


class _LostResponse(Exception):
    """No whole answer came; `sent`: GitHub may have the request nevertheless."""

    def __init__(self, why: str, *, sent: bool) -> None:
        super().__init__(why)
        self.sent = sent


def _retry_seconds(headers: Mapping[str, str]) -> float:
    """Return for how many seconds GitHub wants to be left alone; times are counted by its own clock."""
    after, reset = headers.get("retry-after", ""), headers.get("x-ratelimit-reset", "")
    if re.fullmatch(r"\d{1,6}", after):
        return float(after)
    if headers.get("x-ratelimit-remaining") == "0" and re.fullmatch(r"\d{1,12}", reset):
        try:
            return max(1.0, int(reset) - parsedate_to_datetime(headers.get("date", "")).timestamp())
        except (ValueError, TypeError, OverflowError):
            return float(_DEFAULT_RETRY_SECONDS)
    return float(_DEFAULT_RETRY_SECONDS)


def _decode_json(call: ApiRequest, answer: ApiResponse) -> Any:
    if not answer.body.strip():
        return None
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        raise invalid_response_problem(call, "the answer is not JSON", answer.status) from None


def _join_pages(call: ApiRequest, joined: Any, page: Any) -> Any:
    if isinstance(joined, list) and isinstance(page, list):
        return joined + page
    if isinstance(joined, dict) and isinstance(page, dict):
        lists = [name for name, value in joined.items() if isinstance(value, list)]
        if len(lists) == 1 and isinstance(page.get(lists[0]), list):
            return {**joined, lists[0]: joined[lists[0]] + page[lists[0]]}
    raise invalid_response_problem(call, "its pages do not fit together")
