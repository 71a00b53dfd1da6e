"""What a job knows of itself, from its environment and the payload of its event."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_ci.core.ci_job import CiJob
from mlops_ci.integrations.github.job import read_ci_job

HEAD, BASE, MERGE = "a" * 40, "b" * 40, "c" * 40


def environ(event: str, payload: Any = None, folder: Path | None = None, **others: str) -> dict[str, str]:
    """The environment of a job, as GitHub's runner sets it, with the payload in a file."""
    said = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_API_URL": "https://api.github.com",
        "GITHUB_EVENT_NAME": event,
        "GITHUB_REPOSITORY": "ada/flights",
        "GITHUB_RUN_ID": "123",
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_SHA": MERGE,
        "GITHUB_WORKFLOW": "gate",
        **others,
    }
    if folder is not None:
        file = folder / "event.json"
        file.write_bytes(payload if isinstance(payload, bytes) else json.dumps(payload).encode())
        said["GITHUB_EVENT_PATH"] = str(file)
    return said


def found(event: str, payload: Any = None, folder: Path | None = None, **others: str) -> CiJob:
    made = read_ci_job(environ(event, payload, folder, **others))
    assert made is not None
    return made


def pull(of: str | None = "ada/flights", **changes: Any) -> dict[str, Any]:
    """The payload of a pull request's event, as far as it matters; `of` None: the fork was deleted."""
    head = {
        "label": "change",
        "ref": "change",
        "sha": HEAD,
        "repo": None if of is None else {"full_name": of, "fork": True},
    }
    base = {"label": "ada:main", "ref": "main", "sha": BASE, "repo": {"full_name": "ada/flights", "fork": False}}
    opened = {"number": 7, "state": "open", "title": 'x"; echo PWNED; #', "head": head, "base": base, **changes}
    return {"action": "synchronize", "number": 7, "pull_request": opened, "repository": {"full_name": "ada/flights"}}


def test_outside_github_there_is_no_job() -> None:
    assert read_ci_job({}) is None
    assert read_ci_job({**environ("push"), "GITHUB_ACTIONS": "false"}) is None


@pytest.mark.parametrize("name", ["", "flights", "ada/flights/x", "ada/fli ghts", "https://x/y", "ada/\n"])
def test_a_job_that_does_not_say_its_repository_is_none(name: str) -> None:
    assert read_ci_job({**environ("push"), "GITHUB_REPOSITORY": name}) is None


def test_a_pull_request_is_about_its_head_and_not_about_the_merge(tmp_path: Path) -> None:
    assert found("pull_request", pull(), tmp_path, GITHUB_BASE_REF="main") == CiJob(
        repository="ada/flights",
        api_url="https://api.github.com",
        server_url="https://github.com",
        event="pull_request",
        workflow="gate",
        commit=HEAD,
        run_url="https://github.com/ada/flights/actions/runs/123",
        pull=7,
        fork=False,
        base="main",
        base_commit=BASE,
    )


@pytest.mark.parametrize("of", ["eve/flights", "ada/flights-2", None])
def test_a_pull_request_from_elsewhere_is_one_from_a_fork(of: str | None, tmp_path: Path) -> None:
    made = found("pull_request", pull(of), tmp_path, GITHUB_BASE_REF="main")
    assert (made.fork, made.pull, made.commit) == (True, 7, HEAD)


@pytest.mark.parametrize(
    ("event", "only_reads"), [("pull_request", True), ("pull_request_review", True), ("pull_request_target", False)]
)
def test_who_is_asked_by_a_fork_can_only_read(event: str, only_reads: bool, tmp_path: Path) -> None:
    assert found(event, pull("eve/flights"), tmp_path).has_read_only_token == only_reads
    assert not found(event, pull(), tmp_path).has_read_only_token


def test_what_follows_a_forks_run_can_write(tmp_path: Path) -> None:
    ran = {
        "head_sha": HEAD,
        "head_repository": {"full_name": "eve/flights"},
        "pull_requests": [],
        "event": "pull_request",
    }
    made = found("workflow_run", {"workflow_run": ran}, tmp_path)
    assert (made.commit, made.fork, made.has_read_only_token) == (HEAD, True, False)


def test_a_merge_group_is_about_what_would_be_merged(tmp_path: Path) -> None:
    queued = {
        "head_sha": MERGE,
        "head_ref": "refs/heads/gh-readonly-queue/main/pr-7-b",
        "base_sha": BASE,
        "base_ref": "refs/heads/main",
    }
    made = found("merge_group", {"action": "checks_requested", "merge_group": queued}, tmp_path)
    assert (made.commit, made.base_commit, made.base, made.pull, made.fork) == (MERGE, BASE, "main", None, False)


@pytest.mark.parametrize(
    ("before", "since"), [(BASE, BASE), ("0" * 40, None), ("0" * 64, None), ("main", None), (7, None)]
)
def test_a_push_starts_from_what_was_there(before: Any, since: str | None, tmp_path: Path) -> None:
    made = found("push", {"ref": "refs/heads/main", "before": before, "after": MERGE, "forced": False}, tmp_path)
    assert (made.commit, made.base_commit, made.base, made.pull) == (MERGE, since, None, None)


@pytest.mark.parametrize(
    ("event", "payload"),
    [
        ("schedule", {"schedule": "0 6 * * *"}),
        (
            "workflow_dispatch",
            {"inputs": {"model": "delay"}, "ref": "refs/heads/main", "workflow": ".github/workflows/x.yml"},
        ),
        ("repository_dispatch", {"action": "released", "client_payload": {"before": BASE, "number": 7}}),
    ],
)
def test_other_events_are_about_no_change(event: str, payload: Any, tmp_path: Path) -> None:
    made = found(event, payload, tmp_path)
    assert (made.event, made.commit) == (event, MERGE)
    assert (made.pull, made.fork, made.base, made.base_commit) == (None, False, None, None)


def test_only_its_own_event_says_where_a_change_starts(tmp_path: Path) -> None:
    """Who sends a repository_dispatch writes its payload."""
    made = found(
        "repository_dispatch", {"before": BASE, "merge_group": {"base_sha": BASE, "base_ref": "refs/heads/x"}}, tmp_path
    )
    assert (made.base_commit, made.base) == (None, None)


@pytest.mark.parametrize(
    "payload",
    [b"", b"{", b"\xff\xfe", b"[]", b"7", b"null", b'"text"', b"[" * 100_000, b"1" * 5000, b'{"pull_request": 7}'],
)
def test_a_payload_of_any_shape_is_no_change(payload: bytes, tmp_path: Path) -> None:
    made = found("pull_request", payload, tmp_path)
    assert (made.pull, made.base_commit, made.commit) == (None, None, MERGE)


@pytest.mark.parametrize("number", ["7", True, 0, -7, 7.0, None, [7], {"a": 1}])
def test_a_number_that_is_none_is_no_pull_request(number: Any, tmp_path: Path) -> None:
    assert found("pull_request", pull(number=number), tmp_path).pull is None


@pytest.mark.parametrize("sha", ["a" * 39, "A" * 40, "a" * 40 + "\n", "../../x", "", "g" * 40, 7, None])
def test_a_commit_that_is_none_is_not_taken(sha: Any, tmp_path: Path) -> None:
    assert found("pull_request", pull(head={"sha": sha}), tmp_path).commit == MERGE
    assert found("pull_request", pull(base={"sha": sha}), tmp_path).base_commit is None


def test_a_payload_without_end_is_not_read(tmp_path: Path) -> None:
    long = json.dumps(pull()).encode() + b" " * (32 << 20)
    assert found("pull_request", long, tmp_path).pull is None


@pytest.mark.parametrize("path", ["", "/none/event.json", "/dev/zero", "/"])
def test_a_payload_that_is_no_file(path: str) -> None:
    assert found("pull_request", GITHUB_EVENT_PATH=path).pull is None


def test_an_empty_url_is_githubs_own() -> None:
    made = found("push", GITHUB_API_URL="", GITHUB_SERVER_URL="")
    assert (made.api_url, made.server_url) == ("https://api.github.com", "https://github.com")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
shapes = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("pull_request", "before", "merge_group", "number"), anything)
) | st.builds(lambda head, base, number: pull(head=head, base=base, number=number), anything, anything, anything)


@given(shapes, st.sampled_from(["pull_request", "push", "merge_group", "workflow_run"]))
def test_whatever_a_payload_holds_a_job_has_its_form(payload: Any, event: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = found(event, payload, Path(folder))
    assert made.pull is None or made.pull > 0
    assert made.base_commit is None or len(made.base_commit) in (40, 64)
    assert made.commit == ("" if event == "workflow_run" else MERGE)
