"""One announcement of each kind, the request that it is made by, and how often GitHub was told it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mlops_ci.core.notifications import (
    CheckRun,
    Dispatch,
    Notification,
    OpenPullRequest,
    PublishRelease,
    RecordArtifact,
    RecordDeployment,
    StartWorkflow,
    StickyComment,
)
from tests.support.github.server import SHA
from tests.support.github.state import State


@dataclass(frozen=True)
class Kind:
    """`post` matches the request that matters; `found`: it can be looked up whether it was carried out."""

    one: Notification
    post: str
    told: Callable[[State], int]
    needs: str
    found: bool = True


KINDS: Mapping[str, Kind] = {
    "comment": Kind(
        StickyComment(7, "gate", "# Verdict\n\nfine\n"),
        "POST .*/issues/7/comments",
        lambda state: len(state.comments[7]),
        "pull-requests: write",
    ),
    "check": Kind(
        CheckRun("mlops-ci / gate", SHA, "success", "delay passes", "It is better."),
        "POST .*/check-runs",
        lambda state: len(state.checks),
        "checks: write",
    ),
    "release": Kind(
        PublishRelease("delay@v1.0.0", "delay 1.0.0", "# Model card"),
        "POST .*/releases",
        lambda state: len(state.releases),
        "contents: write",
    ),
    "release's file": Kind(
        PublishRelease("delay@v1.0.0", "delay 1.0.0", "# Model card", b"{}"),
        "POST .*/releases/.*/assets",
        lambda state: sum(map(len, state.assets.values())),
        "contents: write",
    ),
    "release's end": Kind(
        PublishRelease("delay@v1.0.0", "delay 1.0.0", "# Model card", b"{}"),
        "PATCH .*/releases/.*",
        lambda state: sum(not one["draft"] for one in state.releases),
        "contents: write",
    ),
    "artifact": Kind(
        RecordArtifact("delay/model.skops", "1" * 64, "1.0.0", "prod", "prod-delay"),
        "POST .*/deployment-record",
        lambda state: len(state.artifacts),
        "artifact-metadata: write",
    ),
    "deployment": Kind(
        RecordDeployment("delay#prod#3", "prod", "delay 1.0.0 to prod"),
        "POST .*/deployments",
        lambda state: len(state.deployments),
        "deployments: write",
    ),
    "status": Kind(
        RecordDeployment("delay#prod#3", "prod", "delay 1.0.0 to prod"),
        "POST .*/deployments/.*/statuses",
        lambda state: sum(map(len, state.statuses.values())),
        "deployments: write",
    ),
    "pull request": Kind(
        OpenPullRequest("retrain/delay", "main", "Retrain delay", "It is time."),
        "POST .*/pulls",
        lambda state: len(state.pulls) - 1,  # one is there
        "pull-requests: write",
    ),
    "dispatch": Kind(
        Dispatch("mlops-ci-released", {"tag": "delay@v1.0.0"}),
        "POST .*/flights/dispatches",
        lambda state: len(state.dispatches),
        "contents: write",
        found=False,
    ),
    "start": Kind(
        StartWorkflow("deploy.yml", "main", {"version": "1.0.0"}),
        "POST .*/actions/workflows/deploy.yml/dispatches",
        lambda state: len(state.runs),
        "actions: write",
        found=False,
    ),
}
