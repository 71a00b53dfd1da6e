"""The one comment of a workflow: ours by marker and author, and one, however many jobs write it at once."""

from __future__ import annotations

import itertools
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from mlops_ci.core.errors import HostProblem
from mlops_ci.core.notifications import StickyComment
from mlops_ci.integrations.github.client import GitHubClient, Place
from mlops_ci.integrations.github.comments import CommentAuthor, update_sticky_comment
from mlops_ci.integrations.github.connection import BOT_LOGIN
from tests.integrations.github.conftest import Clients
from tests.support.github.contract import operation
from tests.support.github.fake import Fake, Trouble
from tests.support.github.state import Refused, State, User, answer

US = User(BOT_LOGIN)
EVE = User("eve")
MARKER = "<!-- mlops-ci: gate -->"
RUN = "https://github.com/ada/flights/actions/runs/1"


def told(client: GitHubClient, body: str, author: str = BOT_LOGIN, marker: str = "gate") -> CommentAuthor:
    return update_sticky_comment(client, StickyComment(7, marker, body), CommentAuthor(author), RUN)


def bodies(fake: Fake) -> list[str]:
    return [one["body"] for one in fake.state.comments[7]]


def writes(fake: Fake) -> list[str]:
    return [line.partition(" ")[0] for line in fake.requests if not line.startswith("GET")]


def test_the_marker_is_hidden_in_the_first_line(client: Clients, fake: Fake) -> None:
    told(client(), "fine")
    assert bodies(fake) == [f"{MARKER}\nfine"]


def test_the_same_comment_is_written_again(client: Clients, fake: Fake) -> None:
    told(client(), "first")
    told(client(), "second")
    assert bodies(fake) == [f"{MARKER}\nsecond"]
    assert writes(fake) == ["POST", "PATCH"]


@pytest.mark.parametrize("there", ["fine\n", "fine", "fine\r\n"])
def test_what_says_so_already_is_not_written(there: str, client: Clients, fake: Fake) -> None:
    fake.state.comment(7, f"{MARKER}\n{there}", US)
    told(client(), "fine\n")
    assert writes(fake) == []


def test_it_is_found_on_any_page(client: Clients, fake: Fake) -> None:
    for number in range(120):
        fake.state.comment(7, f"talk {number}", EVE)
    fake.state.comment(7, f"{MARKER}\nold", US)
    for number in range(120):
        fake.state.comment(7, f"talk {number}", EVE)
    told(client(), "new")
    assert [one["body"] for one in fake.state.comments[7] if one["user"]["login"] == BOT_LOGIN] == [f"{MARKER}\nnew"]


@pytest.mark.parametrize("who", ["eve", "other-app[bot]", "github-actions"])
def test_somebody_elses_comment_with_our_marker_is_left_alone(who: str, client: Clients, fake: Fake) -> None:
    fake.state.comment(7, f"{MARKER}\nAll is well, merge me", User(who))
    told(client(), "fails")
    assert bodies(fake) == [f"{MARKER}\nAll is well, merge me", f"{MARKER}\nfails"]


def test_a_person_who_is_called_like_the_bot_is_none(client: Clients, fake: Fake) -> None:
    pasted = fake.state.comment(7, f"{MARKER}\nmine", US)
    pasted["user"]["type"] = "User"
    told(client(), "fails")
    assert writes(fake) == ["POST"]


@pytest.mark.parametrize("body", [f"> {MARKER}\nquoted", f"see\n{MARKER}", "<!-- mlops-ci: gate-2 -->\nother", ""])
def test_our_other_comments_are_left_alone(body: str, client: Clients, fake: Fake) -> None:
    fake.state.comment(7, body, US)
    told(client(), "fine")
    assert bodies(fake) == [body, f"{MARKER}\nfine"]


def test_a_marker_cannot_end_itself(client: Clients, fake: Fake) -> None:
    told(client(), "fine", marker="x --> <script>\n")
    assert bodies(fake) == ["<!-- mlops-ci: x------script-- -->\nfine"]


def test_a_long_text_is_cut_and_points_to_the_run(client: Clients, fake: Fake) -> None:
    told(client(), "\N{SNOWMAN}\n" * 60_000)
    (body,) = bodies(fake)
    assert len(body.encode()) <= 65_536
    assert body.endswith(f"_The rest is omitted: [the run]({RUN}) has everything._\n")


@pytest.mark.parametrize("who", ["ghs_app", "ghp_ada"])
def test_another_token_learns_from_githubs_answer_who_it_is(who: str, client: Clients, fake: Fake) -> None:
    first = told(client(who), "first")
    second = told(client(who), "second")
    assert first == second == CommentAuthor(fake.tokens[who].login)
    assert bodies(fake) == [f"{MARKER}\nsecond"]


def test_an_app_that_is_named_writes_without_a_second_comment(client: Clients, fake: Fake) -> None:
    for body in ("first", "second"):
        told(client("ghs_app"), body, author="our-app[bot]")
    assert writes(fake) == ["POST", "PATCH"]
    assert bodies(fake) == [f"{MARKER}\nsecond"]


def test_several_of_ours_become_the_oldest(client: Clients, fake: Fake) -> None:
    for body in ("a", "b", "c"):
        fake.state.comment(7, f"{MARKER}\n{body}", US)
    oldest = fake.state.comments[7][0]["id"]
    told(client(), "b")
    assert [(one["id"], one["body"]) for one in fake.state.comments[7]] == [(oldest, f"{MARKER}\nb")]


def test_one_that_vanishes_meanwhile_is_made_again(client: Clients, fake: Fake) -> None:
    fake.state.comment(7, f"{MARKER}\nold", US)

    def delete(line: str) -> None:
        if line.startswith("PATCH"):
            fake.state.comments[7].clear()

    fake.before = delete
    told(client(), "new")
    assert bodies(fake) == [f"{MARKER}\nnew"]


def test_one_that_always_vanishes_is_given_up(client: Clients, fake: Fake) -> None:
    fake.state.comment(7, f"{MARKER}\nold", US)
    fake.next("not-found", times=9, matching="PATCH .*")
    with pytest.raises(HostProblem) as caught:
        told(client(), "new")
    assert caught.value.status == 404
    assert writes(fake) == ["PATCH"] * 3


def test_nothing_is_deleted_before_it_is_written(client: Clients, fake: Fake) -> None:
    for body in ("a", "b"):
        fake.state.comment(7, f"{MARKER}\n{body}", US)
    fake.next("forbidden", matching="PATCH .*")
    with pytest.raises(HostProblem):
        told(client(), "new")
    assert bodies(fake) == [f"{MARKER}\na", f"{MARKER}\nb"]


def test_a_comment_that_github_shows_late_is_not_made_twice(client: Clients, fake: Fake, waits: list[float]) -> None:
    """The answer to the first is lost, and GitHub shows it only when it is asked again."""
    fake.next("dropped-after", matching="POST .*")
    told(client(), "fine")
    assert bodies(fake) == [f"{MARKER}\nfine"]
    assert writes(fake) == ["POST"]
    assert waits == [2.0]


def test_a_list_that_lags_behind_ends(client: Clients, fake: Fake) -> None:
    fake.next(Trouble(body=b"[]"), times=9, matching="GET .*")
    told(client(), "fine")
    assert bodies(fake) == [f"{MARKER}\nfine"]


def test_jobs_at_once_end_with_one_comment(client: Clients, fake: Fake) -> None:
    jobs = 6
    together = threading.Barrier(jobs)
    first = itertools.count()

    def meet(line: str) -> None:
        if line.startswith("POST") and next(first) < jobs:
            together.wait(30)  # all have seen that there is none

    fake.before = meet
    threads = [threading.Thread(target=told, args=(client(), f"verdict {number}")) for number in range(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bodies(fake) in [[f"{MARKER}\nverdict {number}"] for number in range(jobs)]
    assert writes(fake).count("POST") == jobs


def test_processes_at_once_end_with_one_comment(fake: Fake) -> None:
    together = threading.Barrier(3)
    first = itertools.count()

    def meet(line: str) -> None:
        if line.startswith("POST") and next(first) < 3:
            together.wait(60)  # all have seen that there is none

    fake.before = meet
    script = (
        "import sys\n"
        "from mlops_ci.core.notifications import StickyComment\n"
        "from mlops_ci.integrations.github.client import GitHubClient\n"
        "from mlops_ci.integrations.github.comments import CommentAuthor, update_sticky_comment\n"
        "client = GitHubClient(sys.argv[1], 'ada/flights', 'ghs_fake', lambda _: None)\n"
        "update_sticky_comment(client, StickyComment(7, 'gate', sys.argv[2]), CommentAuthor('github-actions[bot]'), 'https://run')\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", script, fake.url, str(number)]) for number in range(3)]
    assert [process.wait(timeout=120) for process in running] == [0, 0, 0]
    assert bodies(fake) in [[f"{MARKER}\n{number}"] for number in range(3)]


@dataclass(frozen=True)
class InTurns(GitHubClient):
    """A client whose requests wait for their turn, and then happen to the state at once."""

    state: State = field(default_factory=State)
    asks: Callable[[], None] = lambda: None

    def read(self, path: str) -> Any:
        return list(self._happen("GET", path, None))

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        needs: str | None = None,  # noqa: ARG002 - as asked
        below: Place = "repository",  # noqa: ARG002 - as asked
    ) -> Any:
        return self._happen(method, path, body)

    def _happen(self, method: str, path: str, body: Any) -> Any:
        self.asks()
        made = operation(method, f"/repos/ada/flights{path}")
        assert made is not None
        try:
            return answer(self.state, US, made, body)[1]
        except Refused as refused:
            raise HostProblem.of("host-refused", refused.message, status=refused.status) from None


def scheduled(order: Sequence[int], before: Sequence[str]) -> tuple[list[str], int]:
    """Let two jobs write, whose requests happen in an order of turns; return what is there then, and how many turns were used."""
    state = State()
    state.comments[7] = []
    for body in before:
        state.comment(7, f"{MARKER}\n{body}", US)
    events: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()
    turns = [threading.Semaphore(0), threading.Semaphore(0)]

    def work(who: int) -> None:
        def ask() -> None:
            events.put((who, "asks"))
            turns[who].acquire()

        told(InTurns("", "ada/flights", "x", lambda _: None, state=state, asks=ask), f"verdict {who}")
        events.put((who, "ends"))

    threads = [threading.Thread(target=work, args=(who,)) for who in (0, 1)]
    for thread in threads:
        thread.start()
    states = ["runs", "runs"]
    used = 0
    wanted = iter(order)
    while states != ["ends", "ends"]:
        while "runs" in states:
            who, what = events.get(timeout=30)
            states[who] = what
        ready = [who for who in (0, 1) if states[who] == "asks"]
        if ready:
            who = next(wanted, ready[0])
            who = who if who in ready else ready[0]
            states[who] = "runs"
            used += 1
            turns[who].release()
    for thread in threads:
        thread.join()
    return [one["body"] for one in state.comments[7]], used


@pytest.mark.parametrize("before", [(), ("old",), ("old", "older")], ids=["none", "one", "two"])
def test_in_whatever_order_the_requests_of_two_jobs_happen_one_comment_is_left(before: tuple[str, ...]) -> None:
    longest = 0
    for mine in itertools.combinations(range(10), 5):  # the turns of one job; the others are the other's
        order = [int(turn in mine) for turn in range(10)]
        left, used = scheduled(order, before)
        longest = max(longest, used)
        assert left in [[f"{MARKER}\nverdict 0"], [f"{MARKER}\nverdict 1"]], order
    assert longest <= 10  # or these were not all orders
