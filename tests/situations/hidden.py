"""What a remote hides."""

from __future__ import annotations

import shutil

from tests.situations.catalogue import DEPLOY, Kind, Said, Situation, Stage, require_whole
from tests.support.consumer import Consumer
from tests.support.git_calls import git_in

KIND = Kind(
    3,
    "Hidden",
    "Git leaves refs that a remote hides out of its atomic push: half an event is said, and completed, and never taken for done.",
)


# what a remote hides


def hidden_refs(stage: Stage) -> Consumer:
    return stage.configured("receive.hideRefs", "refs/mlops")


def hidden_from_fetches(stage: Stage) -> Consumer:
    return stage.configured("uploadpack.hideRefs", "refs/mlops")


def hidden_altogether(stage: Stage) -> Consumer:
    return stage.configured("transfer.hideRefs", "refs/mlops")


def hidden_and_cloned(stage: Stage) -> Consumer:
    return stage.clone(stage.configured("transfer.hideRefs", "refs/mlops"))


def hidden_refs_no_more(stage: Stage) -> Consumer:
    running = hidden_refs(stage)
    assert running.run("release").returncode == 3
    git_in(running.origin)("config", "--unset", "receive.hideRefs")
    return running


def half_release_elsewhere(stage: Stage) -> Consumer:
    running = hidden_refs_no_more(stage)
    clone = stage.clone(running)
    for folder in ("models", "data"):  # the same candidate, gated by nobody here
        shutil.rmtree(clone.root / folder)
        shutil.copytree(running.root / folder, clone.root / folder)
    return clone


def _half(running: Consumer, *command: str) -> Consumer:
    """Run a command of whose push the remote takes the commit and the tag only."""
    git_in(running.origin)("config", "receive.hideRefs", "refs/mlops")
    assert running.run(*command).returncode == 3
    git_in(running.origin)("config", "--unset", "receive.hideRefs")
    return running


def half_deployment(stage: Stage) -> Consumer:
    return _half(stage.running(), "deploy", "diagnosis@1.0.0", "--env", "prod")


def half_rollback(stage: Stage) -> Consumer:
    running = stage.running()
    running.ok("release")
    running.ok("deploy", "diagnosis", "--env", "staging")
    running.git("pull", "--quiet", "--rebase")
    return _half(running, "rollback", "diagnosis", "--env", "staging", "--reason", "back")


def half_retirement(stage: Stage) -> Consumer:
    return _half(stage.running(), "retire", "diagnosis", "--env", "staging", "--reason", "over")


SITUATIONS = (
    Situation(
        "the remote hides `refs/mlops` from pushes (`receive.hideRefs`)",
        hidden_refs,
        Said("release", 3, "push-incomplete", "deny updating a hidden ref", writes=True),
        Said("release", 3, "push-refused", "deny updating a hidden ref"),
    ),
    Situation(
        "the remote hides `refs/mlops` from fetches (`uploadpack.hideRefs`)",
        hidden_from_fetches,
        Said("release", 3, "registry-hidden", "does not show refs/mlops/log/diagnosis"),
        Said(DEPLOY, 3, "registry-hidden", "does not show refs/mlops/log/diagnosis"),
    ),
    Situation(
        "the remote hides `refs/mlops` (`transfer.hideRefs`)",
        hidden_altogether,
        Said("release", 3, "registry-hidden", "transfer.hideRefs"),
        Said(DEPLOY, 3, "registry-hidden", "transfer.hideRefs"),
    ),
    Situation(
        "a clone of a remote that hides `refs/mlops`",
        hidden_and_cloned,
        Said("fetch diagnosis@1.0.0 there", 3, "store-missing", "if the remote hides refs/mlops/*"),
        Said(DEPLOY, 3, "registry-hidden", "hides"),
    ),
    Situation(
        "only the tag of a release arrived, and the remote hides `refs/mlops` no more",
        hidden_refs_no_more,
        Said("release", 0, "event-completed", "only the tag diagnosis@v1.1.0 had arrived"),
        Said("release", 0),
        then=require_whole,
    ),
    Situation(
        "only the tag of a release arrived, and this clone does not have its run",
        half_release_elsewhere,
        Said("release", 3, "event-incomplete", "this clone does not have the run"),
    ),
    Situation(
        "only the commit and the tag of a deployment arrived, and the remote hides `refs/mlops` no more",
        half_deployment,
        Said(DEPLOY, 0, "event-completed", "only the tag diagnosis#prod#2 had arrived"),
        then=require_whole,
    ),
    Situation(
        "only the commit and the tag of a rollback arrived",
        half_rollback,
        Said(
            "rollback diagnosis --env staging --reason back", 0, "event-completed", "only the tag diagnosis#staging#3"
        ),
        Said("audit --branch main", 0),
        then=require_whole,
    ),
    Situation(
        "only the commit and the tag of a retirement arrived",
        half_retirement,
        Said("retire diagnosis --env staging --reason over", 0, "event-completed", "had arrived"),
        then=require_whole,
    ),
)
