"""Which branch counts: the one that the remote names now. What a clone remembers, or has checked out, decides nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mlops_ci.repository import git
from mlops_ci.repository.remote_head import remembered_remote_head
from tests.support.consumer import Consumer
from tests.support.git_calls import git_in
from tests.support.shop import change, made, shop

__all__ = ["made", "shop"]


def audited(consumer: Consumer, *args: str, code: int = 0) -> tuple[str, str, list[str]]:
    """The branch and commit that an audit went by, and the ids of its findings."""
    answer = consumer.answer("audit", *args, code=code)
    record = answer.get("record", {})
    return record.get("branch", ""), record.get("commit", ""), [one["id"] for one in answer["diagnostics"]]


def compared(consumer: Consumer, *args: str) -> str:
    """What `ci affected` compared the change with."""
    record = consumer.answer("ci", "affected", *args)["record"]
    found: str = record.get("compared") or record["because"]
    return found


def rename_default_branch(consumer: Consumer) -> None:
    """At the remote, as GitHub's settings do it: `main` is `trunk` from now on."""
    git_in(consumer.origin)("branch", "--move", "main", "trunk")


def test_a_default_branch_that_was_renamed_is_found_though_the_clone_remembers_the_old_one(shop: Consumer) -> None:
    """Given a clone whose origin/HEAD is main, when the remote's main is kept and trunk is the default, then trunk counts."""
    origin = git_in(shop.origin)
    origin("branch", "trunk", "main")
    origin("symbolic-ref", "HEAD", "refs/heads/trunk")
    shop.git("fetch", "--quiet")
    assert shop.git("symbolic-ref", "refs/remotes/origin/HEAD") == "refs/remotes/origin/main"
    assert compared(shop).startswith("trunk (")


def test_a_default_branch_whose_old_name_is_gone_is_fetched_by_name(shop: Consumer) -> None:
    rename_default_branch(shop)
    assert "this clone has no 'trunk'" in compared(shop)  # so every model is affected
    shop.git("fetch", "--quiet", "--prune")
    assert compared(shop).startswith("trunk (")


def test_an_audit_is_the_same_from_every_branch_and_from_a_detached_head(shop: Consumer) -> None:
    """Given what the remote said, when a feature branch or a commit is checked out, then the audit goes by the remote's branch."""
    compared(shop)
    main = shop.git("rev-parse", "origin/main")
    change(shop, {"mlops.yaml": "broken: [\n"})
    shop.git("remote", "set-head", "origin", "--delete")
    assert audited(shop) == ("main", main, [])
    shop.git("switch", "--quiet", "--detach")
    assert audited(shop) == ("main", main, [])


def test_an_audit_says_how_old_the_answer_is(shop: Consumer) -> None:
    compared(shop)
    (file,) = (shop.root / ".git/mlops-ci/remote-heads").iterdir()
    asked = datetime.now(UTC) - timedelta(days=3, minutes=5)
    file.write_text(json.dumps({"branch": "main", "asked": asked.isoformat()}))
    assert "the remote's default branch when it was asked 3 days ago:" in shop.ok("audit")
    record = shop.answer("audit")["record"]
    assert (record["branchAsked"], record["branchAgeSeconds"] // 3600) == (asked.isoformat(), 72)


def test_without_an_answer_an_audit_asks_for_one_or_for_a_name(shop: Consumer) -> None:
    """Given a clone in which nothing has asked, when it is audited, then exit 3 names the command that asks; --branch will do."""
    answer = shop.answer("audit", code=3)["diagnostics"][0]
    assert (answer["id"], answer["help"].split(" asks")[0]) == ("default-branch-unknown", "mlops-ci doctor")
    main = shop.git("rev-parse", "origin/main")
    assert audited(shop, "--branch", "main") == ("main", main, [])
    assert audited(shop, "--branch", "nowhere", code=3)[2] == ["branch-not-fetched"]
    shop.run("doctor")
    assert audited(shop) == ("main", main, [])


def test_an_answer_of_another_remote_is_none(shop: Consumer, tmp_path: Path) -> None:
    """Given an answer, when the remote's URL is another one, then it is asked again: it is another repository."""
    compared(shop)
    other = tmp_path / "other.git"
    git_in(tmp_path)("clone", "--quiet", "--bare", str(shop.origin), str(other))
    shop.git("remote", "set-url", "origin", str(other))
    assert audited(shop, code=3)[2] == ["default-branch-unknown"]


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"branch": 1, "asked": "2026-01-01T00:00:00+00:00"}', '{"branch": "x", "asked": "today"}'])  # fmt: skip
def test_an_answer_that_cannot_be_read_is_none(shop: Consumer, content: str) -> None:
    compared(shop)
    (file,) = (shop.root / ".git/mlops-ci/remote-heads").iterdir()
    file.write_text(content)
    repo = git.find_repository(shop.root)
    assert repo is not None
    assert remembered_remote_head(repo, "origin") is None


def test_a_remote_that_does_not_answer_leaves_what_it_said_last(shop: Consumer) -> None:
    """Given an answer, when the remote is away, then a command that would ask uses it, and says how old it is; without: exit 3."""
    compared(shop)
    shop.origin.rename(shop.origin.with_name("away.git"))
    answer = shop.answer("ci", "affected")
    assert answer["record"]["compared"].startswith("main (")
    (note,) = answer["diagnostics"]
    assert (note["id"], note["severity"]) == ("default-branch-remembered", "note")
    assert note["message"].endswith("it said 'main' just now")
    for file in (shop.root / ".git/mlops-ci/remote-heads").iterdir():
        file.unlink()
    assert "could not be reached" in compared(shop)


@pytest.mark.parametrize("how", ["unborn", "detached"])
def test_a_remote_whose_head_leads_to_no_branch_has_no_default_branch(shop: Consumer, how: str) -> None:
    origin = git_in(shop.origin)
    if how == "unborn":
        origin("symbolic-ref", "HEAD", "refs/heads/master")
    else:
        origin("update-ref", "--no-deref", "HEAD", origin("rev-parse", "main"))
    assert "its HEAD leads to no branch that exists" in compared(shop)
    assert audited(shop, code=3)[2] == ["default-branch-unknown"]
    assert compared(shop, "--base", "main").startswith("main (")


def test_before_anything_is_pushed_the_local_branch_counts(tmp_path: Path) -> None:
    git_in(tmp_path)("init", "--quiet", "--bare", "origin.git")
    git_in(tmp_path)("clone", "--quiet", "origin.git", "clone")
    consumer = Consumer(tmp_path / "clone", tmp_path / "origin.git")
    change(consumer, {"mlops.yaml": "apiVersion: mlops-ci/v1\nkind: Project\nmetadata: {name: p}\nspec: {}\n"})
    assert consumer.answer("audit", code=3)["diagnostics"][0]["id"] == "default-branch-unknown"
    consumer.git("remote", "remove", "origin")
    assert audited(consumer) == ("main", consumer.git("rev-parse", "HEAD"), [])  # without a remote it is the truth


@pytest.mark.parametrize("how", ["--bare", "--mirror"])
def test_a_bare_clone_is_audited_by_its_own_head(shop: Consumer, tmp_path: Path, how: str) -> None:
    git_in(tmp_path)("clone", "--quiet", how, str(shop.origin), "copy.git")
    copy = Consumer(tmp_path / "copy.git", shop.origin)
    assert audited(copy) == ("main", shop.git("rev-parse", "origin/main"), [])


def test_a_clone_of_one_feature_branch_has_not_the_branch_that_counts(shop: Consumer, tmp_path: Path) -> None:
    """Given a clone of one branch, when it is audited, then exit 3 says what to fetch, and after it the remote's branch counts."""
    shop.git("push", "--quiet", "origin", "change")
    git_in(tmp_path)("clone", "--quiet", "--single-branch", "--branch", "change", str(shop.origin), "single")
    single = Consumer(tmp_path / "single", shop.origin)
    assert "this clone has no 'main'" in compared(single)
    answer = single.answer("audit", code=3)["diagnostics"][0]
    assert answer["id"] == "branch-not-fetched"
    single.git(*[word.strip("'") for word in answer["help"].split()[1:]])
    assert audited(single) == ("main", shop.git("rev-parse", "origin/main"), [])


def test_a_linked_work_tree_shares_the_answer(shop: Consumer, tmp_path: Path) -> None:
    compared(shop)
    shop.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "linked"))
    linked = Consumer(tmp_path / "linked", shop.origin)
    assert audited(linked) == ("main", shop.git("rev-parse", "origin/main"), [])
    assert compared(linked).startswith("main (")


def test_a_submodule_is_a_repository_of_its_own(shop: Consumer, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    outer.mkdir()
    run = git_in(outer)
    run("init", "--quiet")
    run("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(shop.origin), "models")
    inner = Consumer(outer / "models", shop.origin)
    inner.git("switch", "--quiet", "--detach")
    assert compared(inner).startswith("main (")
    assert audited(inner) == ("main", shop.git("rev-parse", "origin/main"), [])


def test_a_remote_of_another_name_and_one_of_two(shop: Consumer) -> None:
    """Given two remotes without an `origin`, when git is told where branches come from, then that one is asked."""
    shop.git("remote", "rename", "origin", "upstream")
    shop.git("remote", "add", "fork", str(shop.origin.with_name("fork.git")))
    assert "remote-ambiguous" in [one["id"] for one in shop.answer("audit", code=3)["diagnostics"]]
    shop.git("config", "checkout.defaultRemote", "upstream")
    assert compared(shop).startswith("main (")
    assert audited(shop) == ("main", shop.git("rev-parse", "upstream/main"), [])


def test_the_merge_commit_that_actions_checkout_leaves_detached_is_judged_by_the_branch_of_the_event(
    shop: Consumer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given the test merge of a pull request, detached and without origin/HEAD, then its first parent is the base."""
    change(shop, {"specs/delay.yaml": (shop.root / "specs/delay.yaml").read_text() + "  gate: {minRows: 9}\n"})
    head, base = shop.git("rev-parse", "HEAD"), shop.git("rev-parse", "origin/main")
    shop.git("switch", "--quiet", "--detach", "origin/main")
    shop.git("merge", "--quiet", "--no-ff", "-m", "Merge", head)
    shop.git("remote", "set-head", "origin", "--delete")
    event = {"pull_request": {"number": 1, "base": {"sha": base, "ref": "main"}, "head": {"sha": head, "repo": {"full_name": "o/r"}}}}  # fmt: skip
    (tmp_path / "event.json").write_text(json.dumps(event))
    for name, value in {
        "ACTIONS": "true", "REPOSITORY": "o/r", "EVENT_NAME": "pull_request", "EVENT_PATH": str(tmp_path / "event.json"),
        "BASE_REF": "main", "SHA": shop.git("rev-parse", "HEAD"), "SERVER_URL": "https://github.com", "RUN_ID": "1",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"GITHUB_{name}", value)
    assert compared(shop) == f"main ({base[:10]})"
    assert audited(shop) == ("main", base, [])  # in a job an audit asks


def test_what_a_deployment_is_written_to_is_the_branch_that_the_remote_names_now(gated: Consumer) -> None:
    """Given a release, when the remote's default branch becomes `trunk` and `main` is kept, then manifests go to trunk alone."""
    gated.ok("release")
    origin = git_in(gated.origin)
    origin("branch", "trunk", "main")
    origin("symbolic-ref", "HEAD", "refs/heads/trunk")
    gated.ok("deploy", "diagnosis", "--env", "staging")
    assert origin("ls-tree", "-r", "--name-only", "trunk", "deploy/staging/")
    assert not origin("ls-tree", "-r", "--name-only", "main", "deploy/staging/")
    assert audited(gated)[0::2] == ("trunk", [])
