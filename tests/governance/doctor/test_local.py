"""What is wrong with a clone and its files, without asking anybody."""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mlops_ci.core.records.base import Provenance
from mlops_ci.repository import git
from mlops_ci.repository.context import Context, Project
from mlops_ci.spec.load import load_specs
from tests.governance.doctor.conftest import FILES, GATE, PROJECT, SEALED, SHA
from tests.support.consumer import Consumer
from tests.support.shop import dataset, model, write


def project(consumer: Consumer) -> Project:
    specs, _ = load_specs(consumer.root)
    assert specs is not None
    clock = datetime(2026, 1, 1, tzinfo=UTC)
    context = Context(consumer.root, consumer.root, git.find_repository(consumer.root), Path("/nowhere"), None, lambda: clock, Provenance("ada", "1"), False, lambda _: None)  # fmt: skip
    return Project(specs, context)


def row(consumer: Consumer, what: str, code: int = 0) -> tuple[str, str]:
    rows = {one["what"]: one for one in consumer.answer("doctor", code=code)["record"]["rows"]}
    return rows[what]["state"], rows[what]["evidence"]


def commit(consumer: Consumer, files: dict[str, str]) -> None:
    write(consumer.root, files)
    consumer.git("add", "--all")
    consumer.git("commit", "--quiet", "--allow-empty", "-m", "change")
    consumer.git("push", "--quiet", "origin", "HEAD:main")


def test_a_clone_in_order_has_no_problem_and_unknown_is_a_note(local: Consumer) -> None:
    answer = local.answer("doctor")
    states = {one["state"] for one in answer["record"]["rows"] if one["group"] in ("clone", "verdicts", "review")}
    assert states == {"ok"}
    found = {one["id"]: one["severity"] for one in answer["diagnostics"]}
    assert found == {"doctor-unknown": "note", "doctor-advisory": "note"}


def test_without_an_identity_nothing_can_be_released(
    local: Consumer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    answer = local.answer("doctor", code=1)
    (found,) = (one for one in answer["diagnostics"] if one["severity"] == "error")
    assert found["id"] == "doctor-problem"
    assert "git has no user name and e-mail address" in found["message"]
    assert "git config user.name" in found["help"]


def test_remotes_are_missing_or_too_many_or_one(local: Consumer) -> None:
    assert row(local, "remote") == ("ok", "origin")
    local.git("remote", "rename", "origin", "one")
    local.git("remote", "add", "two", "elsewhere")
    local.git("switch", "--quiet", "--detach")
    assert row(local, "remote", code=1)[0] == "problem"
    local.git("remote", "remove", "one")
    local.git("remote", "remove", "two")
    assert row(local, "remote")[0] == "advisory"


def test_a_default_branch_that_is_not_here_is_a_problem(local: Consumer) -> None:
    assert row(local, "default branch")[1].startswith("main, at ")
    local.git("update-ref", "-d", "refs/remotes/origin/main")
    assert row(local, "default branch", code=1)[0] == "problem"


def test_a_plain_clone_leaves_the_registry_out(local: Consumer) -> None:
    assert row(local, "each `git fetch` also fetches the registry")[0] == "ok"
    local.git("config", "--unset", "remote.origin.fetch", "refs/mlops/ledger")
    state, evidence = row(local, "each `git fetch` also fetches the registry")
    assert (state, "refs/mlops/ledger/*" in evidence) == ("advisory", True)


@pytest.mark.parametrize(
    ("signing", "key", "state"),
    [
        ("{format: ssh, allowedSigners: .mlops/allowed_signers}", True, "ok"),
        ("{format: ssh, allowedSigners: .mlops/allowed_signers}", False, "problem"),
        ("{format: ssh, allowedSigners: .mlops/allowed_signers, required: false}", True, "advisory"),
        ("{format: ssh, allowedSigners: .mlops/allowed_signers, required: false}", False, "advisory"),
        (None, True, "advisory"),
    ],
)
def test_signing_needs_a_key_and_is_advisory_where_it_is_not_demanded(
    local: Consumer, signing: str | None, key: bool, state: str
) -> None:
    line = "" if signing is None else f"  signing: {signing}\n"
    commit(
        local,
        {
            "mlops.yaml": PROJECT.replace(PROJECT.splitlines(keepends=True)[4], line).replace(
                ", approvals: {prod: 1}", ""
            )
        },
    )
    if not key:
        local.git("config", "--unset", "user.signingKey")
    assert row(local, "tags are signed", code=int(state == "problem"))[0] == state


def test_the_branch_says_who_signs_and_not_the_work_tree(local: Consumer) -> None:
    write(
        local.root,
        {"mlops.yaml": PROJECT.replace(PROJECT.splitlines(keepends=True)[4], "").replace(", approvals: {prod: 1}", "")},
    )
    assert row(local, "tags are signed")[0] == "ok"


@pytest.mark.parametrize("trust", ["local", "single-job"])
def test_a_release_that_trusts_more_than_a_separate_judge_is_told(local: Consumer, trust: str) -> None:
    write(local.root, {"mlops.yaml": PROJECT.replace("separated", trust)})
    state, evidence = row(local, "verdicts are trusted")
    assert (state, trust in evidence) == ("advisory", True)


def test_each_kind_of_holdout_names_its_datasets(local: Consumer) -> None:
    inside = (
        SEALED.replace("flights", "inside", 1)
        .replace("url: 's3://judge/flights.csv'", "path: sealed.csv")
        .replace("holdoutBudget: 50, ", "")
    )
    write(local.root, {"specs/more.yaml": "---\n".join([dataset("plain", "data/*.csv"), inside])})
    rows = local.answer("doctor")["record"]["rows"]
    told = [
        (one["what"], one["state"], one["evidence"].partition(":")[0]) for one in rows if one["group"] == "verdicts"
    ]
    assert told[1:] == [
        ("sealed holdouts", "ok", "flights"),
        ("training code cannot read the holdout", "advisory", "inside"),
        ("training code cannot read the holdout", "advisory", "plain"),
        ("evaluations on a holdout are counted", "ok", "flights"),
        ("evaluations on a holdout are counted", "advisory", "plain, inside"),
    ]


OWNED = "specs, policy and workflows have owners"


def test_without_codeowners_nobody_is_asked(local: Consumer) -> None:
    local.git("rm", "--quiet", ".github/CODEOWNERS")
    local.commit("remove")
    local.git("push", "--quiet", "origin", "HEAD:main")
    assert row(local, OWNED) == ("advisory", "there is no CODEOWNERS on main")
    commit(local, {"docs/CODEOWNERS": "* @ada\n"})
    assert row(local, OWNED)[0] == "ok"


@pytest.mark.parametrize(
    ("line", "bare"),
    [
        ("/mlops.yaml", "mlops.yaml"),
        ("/.github/workflows/", ".github/workflows/gate.yml"),
        (".github/CODEOWNERS", ".github/CODEOWNERS"),
        ("*.yaml", "specs/delay.yaml"),
        ("metrics/", "metrics/profit.py"),
        ("/.mlops/", ".mlops/allowed_signers"),
    ],
)
def test_each_file_that_says_what_is_demanded_needs_an_owner(local: Consumer, line: str, bare: str) -> None:
    custom = "  evaluate:\n    custom: {profit: {entrypoint: metrics/profit.py:profit, better: higher}}\n"
    commit(
        local,
        {
            "specs/delay.yaml": model("delay", "flights", more=custom),
            "metrics/profit.py": "def profit(y, p):\n    return p\n",
        },
    )
    assert row(local, OWNED)[0] == "ok"
    commit(local, {".github/CODEOWNERS": f"* @acme/ml\n{line}\n"})
    state, evidence = row(local, OWNED)
    assert (state, bare in evidence) == ("advisory", True)


def test_a_change_cannot_name_its_own_owners(local: Consumer) -> None:
    write(local.root, {".github/CODEOWNERS": "nothing\n"})
    local.commit("drop the owners")
    assert row(local, OWNED)[0] == "ok"


PATH = ".github/workflows/gate.yml"
ALWAYS, RIGHTS, PINNED = f"{PATH}: the gate runs for every change", f"{PATH}: permissions", "the toolkit is pinned"


@pytest.mark.parametrize(
    ("old", "new", "what", "state"),
    [
        ("", "", ALWAYS, "ok"),
        ("  pull_request:\n  merge_group:", "  pull_request:\n    branches: [main]\n  merge_group:", ALWAYS, "ok"),
        ("on:\n  pull_request:\n  merge_group:", "on: [pull_request, merge_group]", ALWAYS, "ok"),
        ("  merge_group:\n", "", ALWAYS, "advisory"),
        ("  pull_request:\n  merge_group:", "  push:", ALWAYS, "advisory"),
        ("  pull_request:\n", "  pull_request:\n    paths: [models/**]\n", ALWAYS, "advisory"),
        ("  pull_request:\n", "  pull_request:\n    paths-ignore: [docs/**]\n", ALWAYS, "advisory"),
        ("  pull_request:\n", "  pull_request_target:\n", ALWAYS, "problem"),
        ("", "", RIGHTS, "ok"),
        ("permissions: {}\n", "permissions: {contents: read}\n", RIGHTS, "ok"),
        ("permissions: {}\n", "", RIGHTS, "advisory"),
        ("permissions: {}\n", "permissions: write-all\n", RIGHTS, "advisory"),
        ("permissions: {}\n", "permissions: {contents: write}\n", RIGHTS, "advisory"),
        ("name: gate\n", "name: !!str gate\n", RIGHTS, "unknown"),
        ("", "", PINNED, "ok"),
        (SHA, "v1.2.0", PINNED, "ok"),
        (SHA, "main", PINNED, "advisory"),
        (SHA, SHA[:10], PINNED, "advisory"),
        (
            "jobs:\n",
            "jobs:\n  other:\n    uses: mlops-ci/mlops-ci/.github/workflows/release.yml@v1\n",
            PINNED,
            "advisory",
        ),
        ("mlops-ci/mlops-ci/.github", "acme/other/.github", "changes are gated", "advisory"),
        ("/gate.yml@", "/release.yml@", "changes are gated", "advisory"),
    ],
)
def test_a_workflow_is_looked_at_for_what_gets_past_it(
    local: Consumer, old: str, new: str, what: str, state: str
) -> None:
    assert old in GATE
    commit(local, {PATH: GATE.replace(old, new, 1) if old else GATE})
    assert row(local, what, code=int(state == "problem"))[0] == state


def test_outside_of_a_repository_there_is_nothing_to_look_at(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    assert Consumer(tmp_path, tmp_path).answer("doctor", code=2)["diagnostics"][0]["id"] == "repository-missing"


def test_what_it_says_is_shown_in_each_format(local: Consumer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = local.ok("doctor")
    assert "registry:" in text
    assert " unknown, " in text
    done = local.run("doctor")
    why = "GitHub's rulesets protect only branches and tags"
    assert (done.stderr + done.stdout).count(why) == 1
    assert re.search(r"^  advisory +nobody can move refs/mlops/\*$", text, re.MULTILINE)
    table = local.ok("doctor", "--format", "markdown")
    assert "| registry | nobody can move refs/mlops/\\* | advisory |" in table
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    assert "::notice title=doctor-unknown::" in local.ok("doctor", "--format", "github")
    assert "problems<<" in (tmp_path / "output").read_text()


def test_with_a_token_outside_of_a_job_the_remote_names_the_repository(
    local: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlops_ci.integrations.github import connection

    asked: list[Any] = []
    monkeypatch.setattr(connection, "connect_reader", lambda _, job, __: asked.append(job))
    monkeypatch.setenv("GITHUB_TOKEN", "ghp_ada")
    for url in (
        "https://github.com/acme/ml.git",
        "git@github.com:acme/ml.git",
        "ssh://git@github.com/acme/ml",
        "https://ada:pw@github.com/acme/ml/",
    ):
        local.git("remote", "set-url", "origin", url)
        local.git("update-ref", "refs/remotes/origin/main", "HEAD")
        local.run("doctor")
        assert (asked[-1].api_url, asked[-1].repository) == ("https://api.github.com", "acme/ml")
    for url in (
        "https://evil.example/acme/ml",
        "git@github.com.evil.example:acme/ml",
        "https://github.com@evil.example/acme/ml",
        "/github.com/acme/ml",
    ):
        assert connection.job_from_remote_url({}, url) is None
    enterprise = {"GITHUB_SERVER_URL": "https://git.acme.example"}
    found = connection.job_from_remote_url(enterprise, "git@git.acme.example:team/ml.git")
    assert found is not None
    assert (found.api_url, found.repository) == ("https://git.acme.example/api/v3", "team/ml")
    assert json.dumps(os.environ.get("GITHUB_ACTIONS")) == "null"
