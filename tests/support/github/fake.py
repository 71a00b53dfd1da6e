"""A GitHub of one's own: keeps what it is told, holds every request and answer to GitHub's description, and misbehaves on demand."""

from __future__ import annotations

import json
import re
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar, Self
from urllib.parse import urlencode

from tests.support.github.contract import Operation, operation, wrong_in_answer, wrong_in_request
from tests.support.github.state import BOT, NEEDS, Refused, State, User, answer

SECONDARY = (
    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again. If you reach out to GitHub Support "
    "for help, please include the request ID"
)


def _error(status: int, message: str, *errors: Any) -> dict[str, Any]:
    listed = {"errors": list(errors)} if errors else {}
    return {"message": message, **listed, "documentation_url": "https://docs.github.com/rest", "status": str(status)}


@dataclass(frozen=True)
class Trouble:
    """How a request goes wrong. `acts`: it is carried out, and only the answer is lost or spoilt.

    `status`: the answer is an error; `cut`: the connection ends, before anything came, or in the middle of the answer.
    """

    status: int | None = None
    message: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    acts: bool = False
    cut: bool = False
    body: bytes | None = None  # instead of the answer's
    endless: bool = False  # the answer comes byte by byte and never ends
    loses: int = 0  # bytes at the end of the answer that never come


def troubles(url: str, seconds: int) -> dict[str, Trouble]:
    """Return what can go wrong, by name; `url` is this server's, `seconds` the time by its clock."""
    spent = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(seconds + 3)}
    return {
        "unauthorized": Trouble(401, "Bad credentials"),
        "forbidden": Trouble(403, "Resource not accessible by integration"),
        "not-found": Trouble(404, "Not Found"),
        "invalid": Trouble(422, "Validation Failed"),
        "limited": Trouble(429, "Too many requests", {"Retry-After": "7"}),
        "limited-long": Trouble(429, "Too many requests", {"Retry-After": "3600"}),
        "secondary": Trouble(403, SECONDARY),
        "spent": Trouble(403, "API rate limit exceeded for installation ID 1.", spent),
        "trouble": Trouble(500, "Server Error"),
        "trouble-after": Trouble(502, "Server Error", acts=True),
        "dropped": Trouble(cut=True),
        "dropped-after": Trouble(cut=True, acts=True),
        "truncated": Trouble(loses=5, acts=True),
        "text": Trouble(body=b"<html>Sign in to the network</html>"),
        "text-after": Trouble(body=b"<html>Sign in to the network</html>", acts=True),
        "shapeless": Trouble(body=b'"fine"', acts=True),
        "empty": Trouble(body=b"", acts=True),
        "deep": Trouble(body=b"[" * 200_000),
        "huge": Trouble(body=b'"' + b"x" * (2 << 20) + b'"'),
        "slow": Trouble(endless=True),
        "moved": Trouble(307, "Moved Permanently", {"Location": f"{url}/moved"}),
    }


class Fake(ThreadingHTTPServer):
    """The server, as a context manager. `tokens` says whose a token is; `before` is told of each request before it is answered."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, state: State | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.state = state or State()
        self.tokens = {
            "ghs_fake": User(BOT),
            "ghs_fork": User(BOT, frozenset()),
            "ghs_app": User("our-app[bot]"),
            "ghp_ada": User("ada"),
        }
        self.violations: list[str] = []
        self.requests: list[str] = []
        self.seen: list[Mapping[str, str]] = []  # headers of each request, by name in lower case
        self.before: Callable[[str], None] = lambda _: None
        self._troubles: list[tuple[Trouble, re.Pattern[str]]] = []
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, *_: Any) -> None:
        """Keep what went wrong in this server itself, for the test to fail on; a client that left is none of it."""
        if not isinstance(sys.exception(), OSError):
            self.violations.append(traceback.format_exc())

    def next(self, trouble: str | Trouble, times: int = 1, matching: str = ".*") -> None:
        """Let the next requests go wrong whose `METHOD /path` matches."""
        found = trouble if isinstance(trouble, Trouble) else troubles(self.url, int(time.time()))[trouble]
        with self._lock:
            self._troubles += [(found, re.compile(matching))] * times

    def trouble(self, line: str) -> Trouble | None:
        """Take the trouble that is meant for a request, if any is."""
        with self._lock:
            for index, (found, pattern) in enumerate(self._troubles):
                if pattern.fullmatch(line):
                    del self._troubles[index]
                    return found
        return None

    def carry_out(self, made: Operation, token: str, body: Any) -> tuple[int, Any, dict[str, str]]:
        """Answer a request as GitHub would: status, body, and headers."""
        with self._lock:
            wrong = wrong_in_request(made, body)
            self.violations += wrong
            status, value, headers = self._answer(made, token, body) if not wrong else (422, _error(422, wrong[0]), {})
            value = json.loads(json.dumps(value))  # another request may change the state
            self.violations += wrong_in_answer(made, status, value)
        return status, value, headers

    def _answer(self, made: Operation, token: str, body: Any) -> tuple[int, Any, dict[str, str]]:
        user, need = self.tokens.get(token), NEEDS.get(made.name)
        if user is None:
            return 401, _error(401, "Bad credentials"), {}
        owner, name = self.state.repository.split("/")
        if made.path.get("org", made.path.get("owner")) != owner or made.path.get("repo", name) != name:
            return 404, _error(404, "Not Found"), {}
        if need and user.writes is not None and need not in user.writes:
            value = _error(403, "Resource not accessible by integration")
            return 403, value, {"X-Accepted-GitHub-Permissions": f"{need}=write"}
        try:
            status, value = answer(self.state, user, made, body)
        except Refused as refused:
            return refused.status, _error(refused.status, refused.message, *refused.errors), {}
        return (status, *self._page(made, value)) if made.method == "get" and status == 200 else (status, value, {})

    def _page(self, made: Operation, value: Any) -> tuple[Any, dict[str, str]]:
        """Cut a list to the page that is asked for, with the link to the next, whose path has the repository's number."""
        name = (
            next((name for name, one in value.items() if isinstance(one, list)), None)
            if isinstance(value, dict)
            else None
        )
        listed = value[name] if name and "total_count" in value else value
        if not isinstance(listed, list):
            return value, {}
        size, page = min(int(made.query.get("per_page", 30)), 100), int(made.query.get("page", 1))
        shown = listed[(page - 1) * size : page * size]
        query = urlencode({**made.query, "page": page + 1})
        path = made.template.removeprefix("/repos/{owner}/{repo}").format(**made.path)
        links = {"Link": f'<{self.url}/repositories/1{path}?{query}>; rel="next"'} if page * size < len(listed) else {}
        return ({**value, name: shown} if name and listed is not value else shown), links

    def control(self, path: str, body: Any) -> Any:
        """Answer the process that a test has this server in."""
        with self._lock:
            match path:
                case "/_state":
                    return {**self.state.dump(), "violations": self.violations, "requests": self.requests}
                case "/_pulls":
                    self.state.open_pull(**body)
                case "/_settings":
                    self.state.settings.update(body)
                case "/_tags":
                    self.state.tags.update(body)
                case "/_workflows":
                    self.state.workflows.update(body)
        if path == "/_next":
            self.next(body["name"], body.get("times", 1), body.get("matching", ".*"))
        return {}


class _Handler(BaseHTTPRequestHandler):
    server: Fake
    protocol_version = "HTTP/1.1"
    _METHODS: ClassVar = ("GET", "POST", "PATCH", "DELETE", "PUT")

    def __getattr__(self, name: str) -> Any:
        if name.removeprefix("do_") in self._METHODS:
            return self._serve
        raise AttributeError(name)

    def log_message(self, *_: Any) -> None:
        """Say nothing: a test's output is its own."""

    def _serve(self) -> None:
        self.close_connection = True
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        is_file = self.headers.get("Content-Type") == "application/octet-stream"
        body = raw if is_file else json.loads(raw) if raw else None
        if self.path.startswith("/_"):
            return self._send(200, self.server.control(self.path, body), {})
        target = re.sub(r"^/repositories/1(?=[/?]|$)", f"/repos/{self.server.state.repository}", self.path)
        line = f"{self.command} {target.partition('?')[0]}"
        self.server.requests.append(line)
        self.server.seen.append({name.lower(): value for name, value in self.headers.items()})
        self.server.before(line)
        trouble = self.server.trouble(line)
        made = operation(self.command, target)
        if trouble and not trouble.acts:
            return self._fail(trouble, 200, None, {})
        if made is None:
            self.server.violations.append(f"{self.command} {self.path}: no such operation")
            return self._send(404, _error(404, "Not Found"), {})
        self._agreed()
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        status, value, headers = self.server.carry_out(made, token if scheme == "Bearer" else "", body)
        if trouble:
            return self._fail(trouble, status, value, headers)
        return self._send(status, value, headers)

    def _agreed(self) -> None:
        """Insist on what GitHub asks of every client."""
        for name, expected in (
            ("Accept", r"application/vnd\.github\+json"),
            ("X-GitHub-Api-Version", r"\d{4}-\d\d-\d\d"),
            ("User-Agent", r"mlops-ci/\S+"),
        ):
            if not re.fullmatch(expected, self.headers.get(name, "")):
                self.server.violations.append(f"{self.command} {self.path}: header {name}: {self.headers.get(name)}")

    def _send(
        self, status: int, value: Any, headers: Mapping[str, str], raw: bytes | None = None, loses: int = 0
    ) -> None:
        content = raw if raw is not None else b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Connection", "close")
        for name, text in headers.items():
            self.send_header(name, text)
        if status != 204:
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        try:
            self.wfile.write(b"" if status == 204 else content[: len(content) - loses])
        except OSError:
            return  # whoever asked has heard enough

    def _fail(self, trouble: Trouble, status: int, value: Any, headers: Mapping[str, str]) -> None:
        if trouble.cut:
            self.connection.shutdown(socket.SHUT_RDWR)
            return None
        if trouble.endless:
            return self._drip()
        if trouble.status is not None:
            return self._send(trouble.status, _error(trouble.status, trouble.message), trouble.headers)
        raw = trouble.body
        if status == 204 and (raw or trouble.loses):
            status, raw = 200, raw if raw is not None else b'{"cut": "short"}'
        return self._send(status, value, {**headers, **trouble.headers}, raw, trouble.loses)

    def _drip(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            for _ in range(2000):
                self.wfile.write(b" ")
                time.sleep(0.01)
        except OSError:
            return
