"""After another workflow's run (workflow_run) a job is about what that run was about; a payload says so, and is not trusted further."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlops_ci.core.ci_job import CiJob
from mlops_ci.integrations.github.job import read_ci_job

SHA, OWN = "a" * 40, "b" * 40
RUN = {
    "head_sha": SHA,
    "html_url": "https://github.com/ada/flights/actions/runs/31",
    "head_repository": {"full_name": "eve/flights"},
    "pull_requests": [{"number": 99}],  # whose base may be any repository's
}


def after(folder: Path, run: Any) -> CiJob:
    payload = folder / "event.json"
    payload.write_text(json.dumps({"workflow_run": run}))
    found = read_ci_job(
        {
            "GITHUB_ACTIONS": "true",
            "GITHUB_REPOSITORY": "ada/flights",
            "GITHUB_EVENT_NAME": "workflow_run",
            "GITHUB_EVENT_PATH": str(payload),
            "GITHUB_SHA": OWN,
            "GITHUB_RUN_ID": "32",
            "GITHUB_WORKFLOW": "comment",
        }
    )
    assert found is not None
    return found


def test_commit_and_page_are_the_other_runs_and_no_number_is_taken_from_it(tmp_path: Path) -> None:
    found = after(tmp_path, RUN)
    assert (found.commit, found.pull, found.fork, found.workflow) == (SHA, None, True, "comment")
    assert found.run_url == "https://github.com/ada/flights/actions/runs/31"
    assert not after(tmp_path, {**RUN, "head_repository": {"full_name": "ada/flights"}}).fork


@pytest.mark.parametrize("sha", [None, "", "main", f"{SHA}\n", "A" * 40, 7, [SHA]])
def test_without_a_commit_it_is_about_none_and_not_about_the_default_branch(sha: Any, tmp_path: Path) -> None:
    assert after(tmp_path, {**RUN, "head_sha": sha}).commit == ""


@pytest.mark.parametrize(
    "url",
    [
        None,
        "https://evil.example/ada/flights/actions/runs/31",
        "https://github.com/ada/flights/actions/runs/31)[x](https://evil.example",
        "https://github.com/ada/flights/actions/runs/../../x",
        "https://github.com/ada/flights-other/actions/runs/31",
        "https://github.com/ada/flights/actions/runs/31?x",
        "javascript:alert(1)",
    ],
)
def test_a_page_that_is_no_run_of_this_repository_is_not_linked(url: Any, tmp_path: Path) -> None:
    assert after(tmp_path, {**RUN, "html_url": url}).run_url == "https://github.com/ada/flights/actions/runs/32"


@pytest.mark.parametrize("run", [None, [], "x", {"head_sha": SHA}])
def test_a_payload_of_another_shape_is_of_a_fork(run: Any, tmp_path: Path) -> None:
    found = after(tmp_path, run)
    assert found.fork
    assert found.pull is None
