"""A project that is set up well, on a GitHub of its own that enforces everything; each test takes something away."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.consumer import Consumer, home_of_ada
from tests.support.github.contract import sample
from tests.support.github.fake import Fake
from tests.support.shop import HEAD, make, model, write

SHA = "3d3c42e5aac5ba805825da76410c181273ba90b1"
PROJECT = HEAD.format(kind="Project", name="shop") + (
    "spec:\n  signing: {format: ssh, allowedSigners: .mlops/allowed_signers}\n"
    "  policy: {trust: separated, approvals: {prod: 1}}\n"
)
SEALED = HEAD.format(kind="Dataset", name="flights") + (
    "spec:\n  source: {type: csv, path: data/*.csv}\n  key: [id]\n"
    "  split: {by: sealed, holdoutBudget: 50, source: {type: csv, url: 's3://judge/flights.csv'}}\n"
)
GATE = f"""\
name: gate
on:
  pull_request:
  merge_group:
permissions: {{}}
jobs:
  gate:
    permissions: {{contents: write, pull-requests: write, checks: write}}
    uses: mlops-ci/mlops-ci/.github/workflows/gate.yml@{SHA}
"""
FILES = {
    "mlops.yaml": PROJECT,
    "specs/flights.yaml": SEALED,
    "specs/delay.yaml": model("delay", "flights"),
    "specs/cancel.yaml": model("cancel", "flights"),
    "data/1.csv": "id,x,y\n1,1,0\n",
    ".mlops/allowed_signers": "ada@example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n",
    ".github/CODEOWNERS": "* @acme/ml\n",
    ".github/workflows/gate.yml": GATE,
}


@dataclass
class Patient:
    """The project's clone, and the GitHub that it is asked about."""

    consumer: Consumer
    fake: Fake
    rulesets: dict[int, dict[str, Any]] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, Any]:
        return self.fake.state.settings

    def commit(self, files: dict[str, str | None]) -> None:
        """Write files (None: delete them), commit them and push them to main."""
        for path, content in files.items():
            if content is None:
                (self.consumer.root / path).unlink()
            else:
                write(self.consumer.root, {path: content})
        self.consumer.commit("change")
        self.consumer.git("push", "--quiet", "origin", "HEAD:main")

    def rows(self, code: int = 0) -> dict[str, dict[str, Any]]:
        """What `doctor` says, by what it is about."""
        answer = self.consumer.answer("doctor", code=code)
        return {row["what"]: row for row in answer["record"]["rows"]}

    def row(self, what: str, code: int = 0) -> tuple[str, str]:
        """The state of one thing, and the evidence."""
        found = self.rows(code)[what]
        return found["state"], found["evidence"]

    def put(self, number: int, target: str, rules: list[dict[str, Any]], include: list[str], **values: Any) -> None:
        """Make a ruleset, or replace it."""
        condition = {"ref_name": {"include": include, "exclude": values.pop("exclude", [])}}
        given = {"enforcement": "active", "bypass_actors": [], **values}
        whole = sample(
            "repository-ruleset",
            id=number,
            name=f"rules {number}",
            target=target,
            rules=rules,
            conditions=condition,
            **given,
        )
        self.rulesets[number] = whole
        self.settings[f"/rulesets/{number}"] = whole
        short = ("rules", "conditions", "bypass_actors")
        self.settings["/rulesets"] = [
            {k: v for k, v in one.items() if k not in short} for one in self.rulesets.values()
        ]
        source = {"ruleset_source_type": "Repository", "ruleset_source": "ada/flights"}
        self.settings["/rules/branches/main"] = [
            {**rule, **source, "ruleset_id": one["id"]}
            for one in self.rulesets.values()
            if one["target"] == "branch" and one["enforcement"] == "active"
            for rule in one["rules"]
        ]


def pull_request(count: int = 1, *, owners: bool = True) -> dict[str, Any]:
    return {
        "type": "pull_request",
        "parameters": {
            "dismiss_stale_reviews_on_push": True,
            "require_code_owner_review": owners,
            "require_last_push_approval": True,
            "required_approving_review_count": count,
            "required_review_thread_resolution": False,
        },
    }


def checks(*names: str) -> dict[str, Any]:
    required = [{"context": name} for name in names]
    return {
        "type": "required_status_checks",
        "parameters": {"required_status_checks": required, "strict_required_status_checks_policy": False},
    }


QUEUE = {
    "type": "merge_queue",
    "parameters": {
        "check_response_timeout_minutes": 60,
        "grouping_strategy": "ALLGREEN",
        "max_entries_to_build": 5,
        "max_entries_to_merge": 5,
        "merge_method": "MERGE",
        "min_entries_to_merge": 1,
        "min_entries_to_merge_wait_minutes": 5,
    },
}
ON_MAIN = [pull_request(), checks("gate / verdict"), {"type": "non_fast_forward"}, {"type": "deletion"}, {"type": "required_signatures"}, QUEUE]  # fmt: skip
REGISTRY = ["refs/tags/*@v*", "refs/tags/*@deprecated*", "refs/tags/*#*"]


def environment(name: str, *, reviewers: bool = True, policy: Any = None) -> dict[str, Any]:
    user = {"type": "User", "reviewer": sample("simple-user")}
    rule = {"id": 1, "node_id": "x", "type": "required_reviewers", "prevent_self_review": True, "reviewers": [user]}
    only_protected = {"protected_branches": True, "custom_branch_policies": False}
    return sample(
        "environment",
        name=name,
        protection_rules=[rule] if reviewers else [],
        deployment_branch_policy=only_protected if policy is None else policy or None,
    )


def environments(*every: dict[str, Any]) -> dict[str, Any]:
    return {"total_count": len(every), "environments": list(every)}


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with home_of_ada(tmp_path_factory):
        folder = tmp_path_factory.mktemp("healthy")
        made = make(folder, FILES)
        made.git("config", "user.signingKey", "~/.ssh/id_ed25519")
        for name in ("log", "releases", "approvals", "ledger"):
            made.git("config", "--add", "remote.origin.fetch", f"refs/mlops/{name}/*:refs/mlops/{name}/*")
    return folder


@pytest.fixture
def local(made: Path, tmp_path: Path) -> Consumer:
    """The project's clone; nobody is asked about it."""
    shutil.copytree(made, tmp_path / "world")
    consumer = Consumer(tmp_path / "world/clone", tmp_path / "world/origin.git")
    consumer.git("remote", "set-url", "origin", str(consumer.origin))
    return consumer


@pytest.fixture
def patient(local: Consumer, fake: Fake, job: Callable[[], None]) -> Patient:
    """The project in a job on a GitHub that enforces everything."""
    found = Patient(local, fake)
    found.put(1, "branch", ON_MAIN, ["~DEFAULT_BRANCH"])
    found.put(2, "tag", [{"type": "update"}, {"type": "deletion"}, {"type": "creation"}], REGISTRY)
    found.settings["/environments"] = environments(environment("staging"), environment("prod"))
    found.settings["/immutable-releases"] = {"enabled": True, "enforced_by_owner": False}
    found.settings["/actions/permissions/workflow"] = {
        "default_workflow_permissions": "read",
        "can_approve_pull_request_reviews": False,
    }
    job()
    return found


@pytest.fixture
def job(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def begin() -> None:
        values = {"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "ada/flights", "GITHUB_API_URL": fake.url}
        for name, value in {**values, "GITHUB_TOKEN": "ghs_fake", "GITHUB_EVENT_NAME": "schedule"}.items():
            monkeypatch.setenv(name, value)

    return begin
