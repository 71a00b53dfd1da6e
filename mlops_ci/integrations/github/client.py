"""A client of GitHub's REST API, with pagination and retries.

A request is repeated only if a repetition cannot execute it twice. Responses are untrusted: their size, duration and number of
pages are bounded, and no response can make the client send the token to another host.
"""

from __future__ import annotations

import functools
import json
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Literal

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
_DEFAULT_RETRY_SECONDS = 60  # the documented wait after a rate limit without a given time


Place = Literal["repository", "owner", "uploads"]


@dataclass(frozen=True)
class RequestLimits:
    """The limits of a request. `seconds` bounds one response, `wait_seconds` all waits together, `max_bytes` all pages together."""

    attempts: int = 4
    connect: float = 10.0
    seconds: float = 60.0
    wait_seconds: float = 120.0
    max_bytes: int = 32 << 20
    pages: int = 200


def _upload_url(api: str) -> str:
    """Return where files are uploaded to: known from the API's own URL, so that no response decides where the token goes."""
    if api.endswith("/api/v3"):  # GitHub Enterprise Server
        return f"{api.removesuffix('/v3')}/uploads"
    return re.sub(r"^https://api\.", "https://uploads.", api)


@dataclass(frozen=True)
class GitHubClient:
    """A repository at the API. `wait` is called with seconds; `is_read_only` means that the token can only read."""

    api: str
    repository: str
    token: str = field(repr=False)
    wait: Callable[[float], None]
    is_read_only: bool = False
    limits: RequestLimits = RequestLimits()

    def __post_init__(self) -> None:
        if not _TOKEN.fullmatch(self.token):  # other characters are invalid in a header, or could start another one
            raise HostProblem.of(
                "host-forbidden",
                "GITHUB_TOKEN is not a token: a token has only printable ASCII characters without spaces",
                help="in GitHub Actions: `env: GITHUB_TOKEN: ${{ github.token }}`",
            )

    @functools.cached_property
    def _tls(self) -> ssl.SSLContext:
        return httpx.create_ssl_context()

    def send(
        self, method: str, path: str, body: Any = None, *, needs: str | None = None, below: Place = "repository"
    ) -> Any:
        """Send a request, and return the decoded JSON of the response; None for an empty one. Raises HostProblem.

        `below` is what the path is below: the repository, its owner, or the repository where files are uploaded to. A `body`
        of bytes is sent as it is.
        """
        call = self._build_request(method, path, body, needs, below)
        return _decode_json(call, self._send_with_retries(call, self.limits.max_bytes))

    def read(self, path: str) -> Any:
        """Return the decoded JSON at a path below the repository. Raises HostProblem.

        All pages are read, and their lists, also those inside objects, are joined.
        """
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

    def _build_request(
        self, method: str, path: str, body: Any, needs: str | None, below: Place = "repository"
    ) -> ApiRequest:
        root = f"{_upload_url(self.api) if below == 'uploads' else self.api}/repos/{self.repository}"
        if below == "owner":
            root = f"{self.api}/orgs/{self.repository.partition('/')[0]}"
        call = ApiRequest(method, f"{root}{path}", body, needs, self.is_read_only, self.token)
        plain = path.partition("?")[0]
        if (path and path[0] not in "/?") or "\\" in plain or {".", ".."} & set(plain.split("/")):
            raise invalid_response_problem(call, "this is not a path below the repository")
        return call

    def _require_api_url(self, call: ApiRequest, url: str) -> str:
        """Return the URL that a response links to; raises HostProblem unless it is below the API's own URL.

        The token must not be sent anywhere else.
        """
        try:
            new = str(httpx.URL(call.url).join(url))  # parsed by httpx, which also sends the request
        except (httpx.InvalidURL, ValueError):
            new = ""
        if not new.startswith(f"{httpx.URL(self.api)}".rstrip("/") + "/"):
            raise invalid_response_problem(
                call, f"the response links to a URL outside the API, which is not followed: {url}"
            )
        return new

    def _send_with_retries(self, call: ApiRequest, size: int) -> ApiResponse:
        """Send a request, repeat it as far as that is safe, and return the response. Raises HostProblem."""
        waited, pause = 0.0, 1.0
        for attempt in range(self.limits.attempts):
            last = attempt == self.limits.attempts - 1
            try:
                answer = self._follow_redirects(call, size)
            except _LostResponse as lost:
                if last or (lost.sent and not call.is_idempotent):
                    raise unreachable_problem(call, str(lost), unsure=lost.sent and call.method != "GET") from None
                delay = pause
            else:
                if answer.status < 300:
                    return answer
                if answer.is_rate_limited:
                    delay = _retry_seconds(answer.headers)
                    if last or waited + delay > self.limits.wait_seconds:
                        raise rate_limit_problem(call, answer, int(delay))
                elif answer.status < 500:
                    raise refusal_problem(call, answer)
                elif last or not call.is_idempotent:
                    message = f"GitHub has a server error ({answer.status})"
                    raise unreachable_problem(call, message, unsure=call.method != "GET", status=answer.status)
                else:
                    delay = pause
            self.wait(delay)
            waited, pause = waited + delay, pause * 2
        raise AssertionError  # pragma: no cover - the last attempt returns or raises

    def _follow_redirects(self, call: ApiRequest, size: int) -> ApiResponse:
        """Send a request once, and again at the new URL if GitHub moved the repository within the same API."""
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
        raise invalid_response_problem(call, f"the redirect ({answer.status}) cannot be followed", answer.status)

    def _send_once(self, call: ApiRequest, size: int) -> ApiResponse:
        headers = {
            "Accept": "application/vnd.github+json",
            "Accept-Encoding": "identity",  # without compression, a small response cannot expand
            "Authorization": f"Bearer {self.token}",
            "User-Agent": f"mlops-ci/{__version__}",
            "X-GitHub-Api-Version": _API_VERSION,
        }
        content = call.body if call.body is None or isinstance(call.body, bytes) else json.dumps(call.body).encode()
        if content is not None:
            headers["Content-Type"] = "application/octet-stream" if content is call.body else "application/json"
        timeout = httpx.Timeout(self.limits.seconds, connect=self.limits.connect)
        start = time.monotonic()
        try:
            # a new client for each request, so that no stale connection is reused
            with (
                httpx.Client(verify=self._tls, timeout=timeout, follow_redirects=False) as client,
                _close_after(client, self.limits.seconds),
                client.stream(call.method, call.url, content=content, headers=headers) as response,
            ):
                read = bytearray()
                for chunk in response.iter_raw():
                    read += chunk
                    if len(read) > size:
                        raise invalid_response_problem(
                            call, f"the response is larger than {self.limits.max_bytes} bytes", response.status_code
                        )
                    if time.monotonic() - start > self.limits.seconds:
                        raise _LostResponse("GitHub took too long to answer", sent=True)
                return ApiResponse(
                    response.status_code, {k.lower(): v for k, v in response.headers.items()}, bytes(read)
                )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise _LostResponse(f"GitHub cannot be reached ({str(error) or 'no connection'})", sent=False) from None
        except (OSError, ValueError, ImportError):  # an invalid proxy or certificate; nothing was sent
            if time.monotonic() - start > self.limits.seconds:
                raise _LostResponse("GitHub took too long to answer", sent=True) from None
            message = "cannot connect with the proxies and certificates that the environment names"
            raise _LostResponse(message, sent=False) from None
        except httpx.TimeoutException:
            raise _LostResponse("GitHub took too long to answer", sent=True) from None
        except httpx.HTTPError:  # the error's text is not shown: it may quote the request
            if time.monotonic() - start > self.limits.seconds:
                raise _LostResponse("GitHub took too long to answer", sent=True) from None
            raise _LostResponse("the connection was lost before the response was complete", sent=True) from None


@contextmanager
def _close_after(client: httpx.Client, seconds: float) -> Iterator[None]:
    """Close a client's connections after a while: httpx bounds each wait for the next bytes, and not all of them together."""
    timer = threading.Timer(seconds, client.close)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class _LostResponse(Exception):
    """No complete response arrived; `sent` means that GitHub may have received the request."""

    def __init__(self, why: str, *, sent: bool) -> None:
        super().__init__(why)
        self.sent = sent


def _retry_seconds(headers: Mapping[str, str]) -> float:
    """Return how many seconds GitHub asks to wait; its reset time is compared with its own clock."""
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
        raise invalid_response_problem(call, "the response is not JSON", answer.status) from None


def _join_pages(call: ApiRequest, joined: Any, page: Any) -> Any:
    if isinstance(joined, list) and isinstance(page, list):
        return joined + page
    if isinstance(joined, dict) and isinstance(page, dict):
        lists = [name for name, value in joined.items() if isinstance(value, list)]
        if len(lists) == 1 and isinstance(page.get(lists[0]), list):
            return {**joined, lists[0]: joined[lists[0]] + page[lists[0]]}
    raise invalid_response_problem(call, "the pages of the list cannot be joined")
