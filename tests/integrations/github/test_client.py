"""The client: pages, patience, and a token that goes nowhere else."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import closing
from typing import Any

import pytest

from mlops_ci.core.errors import HostProblem
from mlops_ci.integrations.github.client import GitHubClient
from mlops_ci.integrations.github.queries import find_pull_requests, quote_segment
from tests.integrations.github.conftest import Clients
from tests.support import silent
from tests.support.github.fake import Fake, Trouble
from tests.support.github.server import SHA
from tests.support.github.state import User

COMMENTS = "/issues/7/comments"
ADA = User("ada")


def refused(client: GitHubClient, path: str = COMMENTS, method: str = "GET", body: Any = None) -> HostProblem:
    """Ask, and return the problem that came of it."""
    with pytest.raises(HostProblem) as caught:
        client.read(path) if method == "GET" else client.send(method, path, body)
    assert client.token not in str(caught.value)
    assert client.token not in f"{caught.value.diagnostics}"
    return caught.value


def test_all_pages_are_joined_in_order(fake: Fake, client: Clients) -> None:
    for number in range(7):
        fake.state.comment(7, f"comment {number}", ADA)
    found = client().read(f"{COMMENTS}?per_page=3")
    assert [one["body"] for one in found] == [f"comment {number}" for number in range(7)]
    assert fake.requests == [f"GET /repos/ada/flights{COMMENTS}"] * 3


def test_lists_in_objects_are_joined_too(client: Clients) -> None:
    for number in range(5):
        body = {"name": f"check {number}", "head_sha": SHA, "status": "completed", "conclusion": "success"}
        client().send("POST", "/check-runs", body)
    found = client().read(f"/commits/{SHA}/check-runs?per_page=2")
    assert found["total_count"] == 5
    assert [one["name"] for one in found["check_runs"]] == [f"check {number}" for number in range(5)]


def test_every_request_says_who_asks_and_of_which_version(fake: Fake, client: Clients) -> None:
    client().read("")
    (headers,) = fake.seen
    assert headers["authorization"] == "Bearer ghs_fake"
    assert headers["accept"] == "application/vnd.github+json"
    assert headers["x-github-api-version"] == "2022-11-28"
    assert headers["user-agent"].startswith("mlops-ci/")
    assert headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("trouble", ["trouble", "dropped", "truncated"])
def test_a_question_is_asked_again_when_the_answer_is_lost(
    trouble: str, fake: Fake, client: Clients, waits: list[float]
) -> None:
    fake.next(trouble, times=2)
    assert client().read(COMMENTS) == []
    assert waits == [1.0, 2.0]


@pytest.mark.parametrize("trouble", ["trouble", "dropped", "truncated", "dropped-after"])
def test_a_lost_answer_stays_lost_after_four_attempts(trouble: str, fake: Fake, client: Clients) -> None:
    fake.next(trouble, times=9)
    problem = refused(client())
    assert problem.diagnostics[0].id == "host-unreachable"
    assert problem.status == (500 if trouble == "trouble" else None)
    assert not problem.unsure
    assert len(fake.requests) == 4


@pytest.mark.parametrize("trouble", ["trouble-after", "dropped-after", "truncated", "text-after"])
def test_a_request_that_may_have_been_carried_out_is_not_repeated(trouble: str, fake: Fake, client: Clients) -> None:
    fake.next(trouble, times=9)
    problem = refused(client(), method="POST", body={"body": "told once"})
    assert problem.unsure
    assert [one["body"] for one in fake.state.comments[7]] == ["told once"]


@pytest.mark.parametrize(
    ("trouble", "waited"), [("limited", [7.0, 7.0]), ("secondary", [60.0, 60.0]), ("spent", [3.0, 3.0])]
)
def test_every_request_is_repeated_as_late_as_github_asks(
    trouble: str, waited: list[float], fake: Fake, client: Clients, waits: list[float]
) -> None:
    fake.next(trouble, times=2)
    client().send("POST", COMMENTS, {"body": "told once"})
    assert [one["body"] for one in fake.state.comments[7]] == ["told once"]
    assert waits == pytest.approx(waited, abs=1)


def test_nobody_waits_for_an_hour(fake: Fake, client: Clients, waits: list[float]) -> None:
    fake.next("limited-long")
    problem = refused(client())
    assert problem.diagnostics[0].id == "host-rate-limited"
    assert problem.diagnostics[0].help == "run again in 3600 seconds, and run fewer jobs at once"
    assert waits == []


@pytest.mark.parametrize("said", ["-1", "soon", "9" * 5000, "7; 8", ""])
def test_a_wait_that_is_none_is_a_minute(said: str, fake: Fake, client: Clients, waits: list[float]) -> None:
    fake.next(Trouble(429, "Too many requests", {"Retry-After": said}))
    client().read(COMMENTS)
    assert waits == [60.0]


@pytest.mark.parametrize(
    ("trouble", "id", "said"),
    [
        ("unauthorized", "host-forbidden", "401: Bad credentials"),
        ("forbidden", "host-forbidden", "403: Resource not accessible by integration"),
        ("not-found", "host-not-found", "404: Not Found"),
        ("invalid", "host-refused", "422: Validation Failed"),
    ],
)
def test_a_no_is_told_at_once_with_the_call_and_githubs_words(
    trouble: str, id: str, said: str, fake: Fake, client: Clients, waits: list[float]
) -> None:
    fake.next(trouble)
    problem = refused(client())
    (found,) = problem.diagnostics
    assert found.id == id
    assert found.message == f"GET /repos/ada/flights{COMMENTS}: GitHub refused the request ({said})"
    assert found.help
    assert problem.status == int(said[:3])
    assert (len(fake.requests), waits) == (1, [])


def test_the_permission_that_github_names_is_told(client: Clients) -> None:
    problem = refused(client("ghs_fork"), method="POST", body={"body": "no"})
    assert "permissions: {pull-requests: write}" in str(problem.diagnostics[0].help)


def test_permissions_that_github_would_never_name_are_not_told(fake: Fake, client: Clients) -> None:
    fake.next(Trouble(403, "No", {"X-Accepted-GitHub-Permissions": "id_token=write}; run: curl evil"}))
    assert "curl" not in str(refused(client()).diagnostics[0].help)


def test_whose_token_can_only_read_is_told_who_tells_instead(client: Clients) -> None:
    problem = refused(client("ghs_fork", is_read_only=True), method="POST", body={"body": "no"})
    assert "comment.yml" in str(problem.diagnostics[0].help)


def test_what_is_wrong_with_a_field_is_told(fake: Fake, client: Clients) -> None:
    fake.state.branches = set()
    body = {"title": "t", "head": "gone", "base": "main", "body": ""}
    problem = refused(client(), "/pulls", "POST", body)
    assert "422: Validation Failed; head invalid" in str(problem)


def test_nobody_listens(client: Clients, waits: list[float]) -> None:
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    problem = refused(client(api=url), method="POST", body={"body": "no"})
    assert problem.diagnostics[0].id == "host-unreachable"
    assert "Connection refused" in str(problem)
    assert "nothing was changed" in str(problem)
    assert not problem.unsure
    assert waits == [1.0, 2.0, 4.0]  # a connection that was refused carried nothing


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "no url", "http://[", "http://127.0.0.1:99999"])
def test_an_api_url_that_is_none(url: str, client: Clients) -> None:
    assert refused(client(api=url)).diagnostics[0].id == "host-unreachable"


@pytest.mark.parametrize(("name", "value"), [("HTTP_PROXY", "gopher://ada:pw@nowhere"), ("SSL_CERT_FILE", "/none")])
def test_an_environment_that_allows_no_connection(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    problem = refused(GitHubClient("http://127.0.0.1:9", "ada/flights", "ghs_fake", lambda _: None))
    assert "proxies and certificates" in str(problem)
    assert problem.diagnostics[0].id == "host-unreachable"
    assert "pw" not in str(problem)


@pytest.mark.parametrize("trouble", ["text", "deep"])
def test_an_answer_that_is_no_json(trouble: str, fake: Fake, client: Clients) -> None:
    fake.next(trouble)
    assert refused(client()).diagnostics[0].id == "host-answer-invalid"


def test_a_large_answer_is_not_read_to_its_end(fake: Fake, client: Clients) -> None:
    fake.next("huge")
    problem = refused(client(max_bytes=100_000))
    assert "larger than 100000 bytes" in str(problem)


def test_the_pages_of_a_list_count_as_one_answer(fake: Fake, client: Clients) -> None:
    for _ in range(20):
        fake.state.comment(7, "x" * 1000, ADA)
    problem = refused(client(max_bytes=30_000), f"{COMMENTS}?per_page=5")
    assert "larger than 30000 bytes" in str(problem)


def test_a_list_without_end_ends(fake: Fake, client: Clients) -> None:
    loop = {"Link": f'<{fake.url}/repos/ada/flights{COMMENTS}?page=2>; rel="next"'}
    fake.next(Trouble(body=b"[]", headers=loop), times=50)
    assert "more than 5 pages" in str(refused(client(pages=5)))
    assert len(fake.requests) == 5


def test_a_slow_answer_is_given_up(fake: Fake, client: Clients) -> None:
    fake.next("slow", times=2)
    assert "took too long" in str(refused(client(seconds=0.1, attempts=2)))


def test_silence_is_given_up(client: Clients) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        problem = refused(client(api=url, seconds=0.1, attempts=1), method="POST", body={"body": "no"})
    assert "took too long" in str(problem)
    assert problem.unsure


def test_an_answer_that_comes_byte_by_byte_is_given_up(client: Clients) -> None:
    """Given a server that never stops to write the head of its answer, when the time of an answer is over, then it is lost."""

    def drip(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            connection.sendall(b"x")
            time.sleep(0.1)

    with silent.listening(drip) as port:
        began = time.monotonic()
        problem = refused(client(api=f"http://127.0.0.1:{port}", seconds=0.5, attempts=1))
    assert "took too long" in str(problem)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "location",
    [
        "{theirs}/x",
        "//{host}/x",
        "http://ada@{own}/repos/x",
        "https://{own}/repos/x",
        "http://127.0.0.1.eve.example/x",
        "http://{own}@{host}/x",
        "http://[",
        "file:///etc/passwd",
    ],
)
@pytest.mark.parametrize("by", ["link", "redirect"])
def test_the_token_is_not_carried_to_another_host(location: str, by: str, fake: Fake, client: Clients) -> None:
    with Fake() as theirs:
        own = fake.url.removeprefix("http://")
        url = location.format(theirs=theirs.url, host=theirs.url.removeprefix("http://"), own=own)
        if by == "link":
            fake.next(Trouble(body=b"[]", headers={"Link": f'<{url}>; rel="next"'}))
        else:
            fake.next(Trouble(302, "Found", {"Location": url}))
        problem = refused(client())
    assert problem.diagnostics[0].id == "host-answer-invalid"
    assert "links to a URL outside the API" in str(problem)
    assert theirs.requests == []
    assert len(fake.requests) == 1


@pytest.mark.parametrize("path", ["/login?page=2", "/api/v3/../../login", "/api/v33/x", "/api/v3"])
def test_a_link_out_of_the_api_is_not_followed_on_the_same_host(path: str, fake: Fake, client: Clients) -> None:
    link = {"Link": f'<{fake.url}{path}>; rel="next"'}
    fake.next(Trouble(body=b"[]", headers=link), matching=".*")
    assert "links to a URL outside" in str(refused(client(api=f"{fake.url}/api/v3")))


def test_a_repository_that_has_moved_is_followed_on_its_host(fake: Fake) -> None:
    fake.state.comment(7, "moved", ADA)
    old = GitHubClient(fake.url, "ada/old-name", "ghs_fake", lambda _: None)
    for status, method in ((301, "GET"), (307, "POST")):
        there = f"{fake.url}/repositories/1{COMMENTS}"
        fake.next(
            Trouble(status, "Moved Permanently", {"Location": there}), matching=f"{method} /repos/ada/old-name/.*"
        )
    assert [one["body"] for one in old.read(COMMENTS)] == ["moved"]
    old.send("POST", COMMENTS, {"body": "told once"})
    assert [one["body"] for one in fake.state.comments[7]] == ["moved", "told once"]


def test_redirects_without_end_end(fake: Fake, client: Clients) -> None:
    again = Trouble(302, "Found", {"Location": f"{fake.url}/repositories/1{COMMENTS}"})
    fake.next(again, times=9)
    assert "redirect" in str(refused(client()))
    assert len(fake.requests) == 4


@pytest.mark.parametrize("status", [300, 303, 304, 302])
def test_other_redirects_of_a_write_are_not_followed(status: int, fake: Fake, client: Clients) -> None:
    fake.next(Trouble(status, "", {"Location": f"{fake.url}/repositories/1{COMMENTS}"}))
    assert refused(client(), method="POST", body={"body": "no"}).unsure
    assert len(fake.requests) == 1


@pytest.mark.parametrize("path", ["/../../eve/loot", "/x/..", "x", "http://eve.example/", "/x\\..\\y", "/./x"])
def test_a_path_stays_below_the_repository(path: str, fake: Fake, client: Clients) -> None:
    assert refused(client(), path).diagnostics[0].id == "host-answer-invalid"
    assert fake.requests == []


@pytest.mark.parametrize("text", ["..", ".", "../../eve", "a/b?c=d#e", "\N{SNOWMAN}", "\ud800", "%2e%2e", "a b"])
def test_a_segment_stays_one(text: str, fake: Fake, client: Clients) -> None:
    with pytest.raises(HostProblem) as caught:
        client().read(f"/releases/tags/{quote_segment(text)}")
    assert caught.value.status == 404
    assert fake.violations == []  # it is still the operation that was meant


@pytest.mark.parametrize("token", ["", "two words", "line\nX-Evil: 1", "\N{SNOWMAN}", "\x00"])
def test_what_cannot_be_a_token_is_not_sent_and_not_shown(token: str, fake: Fake, client: Clients) -> None:
    with pytest.raises(HostProblem) as caught:
        client(token)
    assert caught.value.diagnostics[0].id == "host-forbidden"
    assert "Evil" not in str(caught.value)
    assert fake.requests == []


def test_a_token_that_the_answer_echoes_is_hidden(fake: Fake, client: Clients) -> None:
    fake.next(Trouble(403, "Bearer ghs_fake may not\x1b[31m" + "x" * 5000))
    (found,) = refused(client()).diagnostics
    assert "Bearer *** may not\N{REPLACEMENT CHARACTER}[31mxxx" in found.message
    assert len(found.message) < 500


@pytest.mark.parametrize(
    "body", [b"7", b"null", b"[]", b'{"message": 7}', b'{"message": "m", "errors": [7, {}, {"field": 1}]}', b"\xff"]
)
def test_errors_of_any_shape_are_told(body: bytes, client: Clients) -> None:
    with socket.create_server(("127.0.0.1", 0)) as odd:
        threading.Thread(target=_answer, args=(odd, body), daemon=True).start()
        problem = refused(client(api=f"http://127.0.0.1:{odd.getsockname()[1]}"))
    assert (problem.diagnostics[0].id, problem.status) == ("host-refused", 418)


def _answer(listening: socket.socket, body: bytes) -> None:
    connection, _ = listening.accept()
    with connection:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 418 I'm a teapot\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


def test_pages_of_different_shapes_are_no_list(fake: Fake, client: Clients) -> None:
    link = {"Link": f'<{fake.url}/repos/ada/flights{COMMENTS}?page=2>; rel="next"'}
    for first in (b'{"a": [], "b": []}', b"7", b'{"a": 1}'):
        fake.next(Trouble(body=first, headers=link))
        assert "cannot be joined" in str(refused(client()))


def test_pull_requests_are_found_by_their_head(fake: Fake, client: Clients) -> None:
    fake.state.open_pull(8, SHA, base="release")
    fake.state.open_pull(9, SHA)
    fake.state.pulls[-1]["state"] = "closed"
    assert find_pull_requests(client().read, SHA) == (7, 8)


def test_those_from_forks_too_which_github_does_not_find_by_commit(fake: Fake, client: Clients) -> None:
    fake.state.open_pull(8, "b" * 40, fork="eve/flights")
    assert find_pull_requests(client().read, "b" * 40) == (8,)
    assert find_pull_requests(client().read, "c" * 40) == ()


@pytest.mark.parametrize("answer", [{"message": "hm"}, "text", 7, None])
def test_a_list_of_pull_requests_that_is_none(answer: Any) -> None:
    with pytest.raises(HostProblem, match="should return a list"):
        find_pull_requests(lambda _: answer, SHA)


@pytest.mark.parametrize("number", ["7; rm", True, 0, -1, 7.5, None])
def test_a_number_that_is_none(number: Any) -> None:
    with pytest.raises(HostProblem, match="a number 'number'"):
        find_pull_requests(lambda _: [{"state": "open", "head": {"sha": SHA}, "number": number}], SHA)


@pytest.mark.parametrize("one", [7, None, [], {}, {"state": "open"}, {"state": "open", "head": {"sha": ["x"]}}])
def test_what_is_no_pull_request_of_the_commit_is_passed_over(one: Any) -> None:
    assert find_pull_requests(lambda _: [one], SHA) == ()
