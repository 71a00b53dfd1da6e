"""`show`, `history` and `diff` of a project with a past, in clones of every kind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.consumer import Consumer, copy_of
from tests.support.git_calls import git_in
from tests.support.terminal import plain, run_on_terminal

SPEC = "models/diagnosis.yaml"


def edit(consumer: Consumer, old: str, new: str) -> None:
    path = consumer.root / SPEC
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    consumer.commit(f"{old} becomes {new}")
    consumer.git("push", "--quiet")


@pytest.fixture(scope="session")
def world_with_a_past(world_of_gated: Consumer, tmp_path_factory: pytest.TempPathFactory) -> Consumer:
    """v1.0.0 in staging and prod; v1.1.0, with another seed, in staging."""
    home = tmp_path_factory.mktemp("home")
    (home / ".gitconfig").write_text("[user]\n name = Ada Lovelace\n email = ada@example.org\n")
    before = os.environ.get("HOME", "")
    os.environ["HOME"] = str(home)
    try:
        made = copy_of(world_of_gated, tmp_path_factory.mktemp("past"))
        made.ok("release")
        made.ok("deploy", "diagnosis", "--env", "staging")
        made.ok("deploy", "diagnosis", "--env", "prod", "--reason", "the first one")
        made.git("pull", "--quiet")
        edit(made, "seed: 7", "seed: 8")
        made.ok("gate")
        made.ok("release")
        made.ok("deploy", "diagnosis", "--env", "staging")
        made.git("pull", "--quiet")
    finally:
        os.environ["HOME"] = before
    return made


@pytest.fixture
def past(world_with_a_past: Consumer, tmp_path: Path) -> Consumer:
    return copy_of(world_with_a_past, tmp_path)


def shallow(consumer: Consumer, folder: Path, *args: str) -> Consumer:
    """Clone as a user or a CI job would; over file://, because git makes whole copies of paths."""
    git_in(folder)("clone", "--quiet", *args, f"file://{consumer.origin}", "clone")
    return Consumer(folder / "clone", consumer.origin)


def test_one_model_is_shown_with_since_when_why_and_on_what(past: Consumer) -> None:
    staging, prod = past.answer("show", "diagnosis")["record"]["running"]
    assert (staging["environment"], staging["version"]) == ("staging", "1.1.0")
    assert (prod["environment"], prod["version"], prod["reason"]) == ("prod", "1.0.0", "the first one")
    assert prod["tag"] == {"name": "diagnosis#prod#2", "oid": past.git("rev-parse", "diagnosis#prod#2")}
    assert prod["release"]["oid"] == past.git("rev-parse", "diagnosis@v1.0.0")
    assert prod["data"][0]["trainRows"] == 447
    assert (prod["by"], prod["verdict"]) == ("Ada Lovelace", "pass")
    shown = past.ok("show", "diagnosis")
    assert "  why       deploy: the first one\n  approved  by nobody (none required)\n" in shown
    assert "  again     mlops-ci reproduce diagnosis@v1.0.0" in shown


def test_environments_are_in_the_projects_order_also_those_in_which_nothing_runs(
    past: Consumer, tmp_path: Path
) -> None:
    path = past.root / "mlops.yaml"
    path.write_text(path.read_text().replace("[staging, prod]", "[dev, prod, canary]"))
    record = past.answer("show")["record"]
    assert record["environments"] == ["dev", "prod", "canary", "staging"]  # the last is no longer one of the project's
    assert past.ok("show").splitlines()[0].split() == ["model", "newest", "dev", "prod", "canary", "staging"]
    assert past.answer("show", "--at", "diagnosis#prod#2")["record"]["environments"] == ["prod", "staging"]
    past.commit("other environments")
    past.git("push", "--quiet")
    git_in(tmp_path)("clone", "--quiet", "--mirror", str(past.origin), "mirror.git")
    mirror = Consumer(tmp_path / "mirror.git", past.origin)
    assert mirror.answer("show")["record"]["environments"] == ["dev", "prod", "canary", "staging"]


def test_the_quick_show_has_the_same_environments(past: Consumer) -> None:
    path = past.root / "mlops.yaml"
    path.write_text(path.read_text().replace("[staging, prod]", "[dev, staging, prod]"))
    argv = [sys.executable, "-m", "mlops_ci", "show", "--format", "json"]
    done = subprocess.run(argv, cwd=past.root / "models", capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["record"]["environments"] == ["dev", "staging", "prod"]


def test_experiments_are_told_apart_by_what_went_into_them(past: Consumer) -> None:
    report = past.answer("show", "diagnosis", "--runs")["record"]
    (table,) = report["models"]
    assert table["differing"] == ["seed"]
    assert [(run["differs"]["seed"], run["verdict"], run["version"]) for run in table["runs"]] == [
        ("8", "pass", "1.1.0"),
        ("7", "pass", "1.0.0"),
    ]
    assert set(table["runs"][0]["metrics"]) == {"auc", "accuracy", "log-loss", "brier"}
    assert report["fetchCommand"] == "git fetch origin 'refs/mlops/runs/*:refs/mlops/runs/*'"
    assert past.answer("show", "--runs", "--at", "2026-01-01", code=2)["diagnostics"][0]["id"] == "options-conflict"


def test_the_next_step_after_the_runs_compares_the_newest_with_the_one_before(past: Consumer) -> None:
    code, shown = run_on_terminal([sys.executable, "-m", "mlops_ci", "show", "--runs"], past.root)
    _, found, command = plain(shown).partition("next: mlops-ci ")
    assert (code, found) == (0, "next: mlops-ci "), shown
    assert "  train.seed: 7 -> 8\n" in past.ok(*command.split())


def test_a_version_is_compared_with_what_runs_somewhere(past: Consumer) -> None:
    report = past.answer("diff", "diagnosis@v1.0.0", "staging")["record"]
    assert report["spec"] == [{"field": "train.seed", "before": 7, "after": 8}]
    assert (report["data"], report["environment"], report["code"]) == ([], [], [])
    assert (report["sameModel"], report["sameHoldout"]) == (False, True)
    assert {"field": "champion", "before": "none", "after": "1.0.0"} in report["gate"]
    assert {file["path"]: file["same"] for file in report["files"]} == {
        "model.skops": False, "signature.json": True, "golden.parquet": True, "golden-predictions.parquet": True, "requirements.txt": True
    }  # fmt: skip
    assert "  train.seed: 7 -> 8\n" in past.ok("diff", "diagnosis@prod", "v1.1.0")
    assert "| train.seed | 7 | 8 |" in past.ok("diff", "diagnosis@1.0.0", "v1.1.0", "--format", "markdown")


def test_a_run_is_compared_by_the_first_digits_of_its_key(past: Consumer) -> None:
    keys = {run["version"]: run["key"] for run in past.answer("show", "--runs")["record"]["models"][0]["runs"]}
    report = past.answer("diff", f"diagnosis@{keys['1.0.0'][:6]}", f"diagnosis@{keys['1.1.0']}")["record"]
    assert report["spec"] == [{"field": "train.seed", "before": 7, "after": 8}]
    assert "commit" not in report["before"]


@pytest.mark.parametrize("sides", [("diagnosis", "v1.0.0"), ("diagnosis@v9.9.9", "v1.0.0"), ("diagnosis@v1.0.0", "dev"),
                                   ("other@v1.0.0", "v1.0.0"), ("diagnosis@v1.0.0", "abcdef"), ("@v1.0.0", "@")])  # fmt: skip
def test_what_is_no_version_is_said_to_be_none(past: Consumer, sides: tuple[str, str]) -> None:
    found = past.answer("diff", *sides, code=2)["diagnostics"][0]
    assert found["id"] == "version-unknown"
    assert found["help"]


def test_a_pin_that_was_moved_to_another_run_is_noticed(past: Consumer) -> None:
    pins = [f"refs/mlops/releases/diagnosis/v{version}" for version in ("1.0.0", "1.1.0")]
    past.git("update-ref", *pins)
    assert past.answer("diff", "diagnosis@v1.0.0", "v1.1.0", code=3)["diagnostics"][0]["id"] == "store-corrupt"


def test_a_spec_that_is_not_here_is_said_to_be_missing(past: Consumer) -> None:
    blob = past.git("rev-parse", "diagnosis@v1.0.0^{commit}:models/diagnosis.yaml")
    (past.root / ".git/objects" / blob[:2] / blob[2:]).unlink()
    answer = past.answer("diff", "diagnosis@v1.0.0", "v1.1.0")
    assert [item["id"] for item in answer["diagnostics"]] == ["diff-spec-missing"]
    assert answer["record"]["spec"] == [{"field": "train.seed", "before": 7, "after": 8}]


def test_a_tag_without_a_record_cannot_be_compared(past: Consumer) -> None:
    past.git("tag", "-a", "diagnosis@v3.0.0", "-m", "Registering artifact", "HEAD~1")
    found = past.answer("diff", "diagnosis@v1.0.0", "v3.0.0", code=1)["diagnostics"][0]
    assert found["id"] == "release-without-evidence"


def test_the_past_is_shown_up_to_an_event(past: Consumer) -> None:
    first = past.answer("show", "--at", "diagnosis#staging#1")["record"]
    assert first["models"][0]["environments"] == {"staging": "1.0.0"}
    entry = past.git("rev-parse", "refs/mlops/log/diagnosis~2")
    tags = [event["tag"] for event in past.answer("history", "--at", entry[:12])["record"]["events"]]
    assert tags == ["diagnosis#prod#2", "diagnosis#staging#1", "diagnosis@v1.0.0"]
    assert (
        past.ok("show", "--at", "2020-01-01")
        == "as of 2020-01-01T23:59:59+00:00\n\nnothing was released at that time\n"
    )
    assert past.answer("show", "--at", "yesterday", code=2)["diagnostics"][0]["id"] == "at-unknown"


def test_a_mirror_answers_offline(past: Consumer, tmp_path: Path) -> None:
    git_in(tmp_path)("clone", "--quiet", "--mirror", str(past.origin), "mirror.git")
    mirror = Consumer(tmp_path / "mirror.git", past.origin)
    wanted = [past.ok("show", "diagnosis"), past.ok("history"), past.ok("diff", "diagnosis@v1.0.0", "v1.1.0")]
    refs = mirror.git("for-each-ref")
    past.origin.rename(tmp_path / "gone")
    answers = [mirror.ok("show", "diagnosis"), mirror.ok("history"), mirror.ok("diff", "diagnosis@v1.0.0", "v1.1.0")]
    assert answers == wanted
    assert mirror.git("for-each-ref") == refs


@pytest.mark.parametrize("how", [("--depth", "1"), ("--no-tags",), ("--depth", "1", "--no-tags"), ("--bare",), ()])
def test_clones_that_lack_part_of_the_registry_fetch_it(past: Consumer, tmp_path: Path, how: tuple[str, ...]) -> None:
    clone = shallow(past, tmp_path, *how)
    assert clone.ok("show", "diagnosis") == past.ok("show", "diagnosis")
    assert clone.git("for-each-ref", "--format=%(refname)", "refs/mlops") == "refs/mlops/log/diagnosis"
    assert clone.ok("diff", "diagnosis@v1.0.0", "v1.1.0") == past.ok("diff", "diagnosis@v1.0.0", "v1.1.0")


def test_a_tag_that_came_by_itself_is_not_taken_for_the_whole_registry(past: Consumer, tmp_path: Path) -> None:
    """Given a first release on the newest commit, whose tag a shallow clone brings, when it is shown, then with what followed."""
    past.git("push", "--quiet", "--force", "origin", "diagnosis@v1.0.0^{commit}:refs/heads/main")
    for name in ("diagnosis@v1.1.0", "diagnosis#staging#3"):
        git_in(past.origin)("tag", "--delete", name)
    git_in(past.origin)("update-ref", "refs/mlops/log/diagnosis", past.git("rev-parse", "refs/mlops/log/diagnosis~2"))
    clone = shallow(past, tmp_path, "--depth", "1")
    clone.git("tag", "--delete", "diagnosis#prod#2", "diagnosis#staging#1")
    assert clone.git("tag") == "diagnosis@v1.0.0"
    assert clone.answer("show")["record"]["models"][0]["environments"] == {"staging": "1.0.0", "prod": "1.0.0"}


def test_without_a_network_a_clone_says_what_it_lacks(past: Consumer, tmp_path: Path) -> None:
    clone = shallow(past, tmp_path)
    past.origin.rename(tmp_path / "gone")
    found = {item["id"]: item for item in clone.answer("show")["diagnostics"]}
    assert set(found) == {"registry-offline", "registry-incomplete"}
    assert "fetch-depth: 0" in found["registry-incomplete"]["help"]
    assert clone.answer("diff", "diagnosis@v1.0.0", "v1.1.0", code=3)["diagnostics"][0]["id"] == "remote-unreachable"


def test_in_a_checkout_of_one_commit_everything_works(past: Consumer, tmp_path: Path) -> None:
    """Given what actions/checkout leaves (one commit, no tags, no logs), then champion, release, deploy and fetch are as ever."""
    (tmp_path / "job").mkdir()
    job = Consumer(tmp_path / "job", past.origin)
    job.git("init", "--quiet")
    job.git("remote", "add", "origin", f"file://{past.origin}")
    commit = past.git("rev-parse", "origin/main")
    job.git("fetch", "--quiet", "--no-tags", "--depth=1", "origin", f"+{commit}:refs/remotes/origin/main")
    job.git("checkout", "--quiet", "--force", "-B", "main", "refs/remotes/origin/main")
    job.git("fetch", "--quiet", "origin", "refs/mlops/runs/*:refs/mlops/runs/*")
    job.git("fetch", "--quiet", str(past.root), "refs/mlops/runs/*:refs/mlops/runs/*")
    gated = job.answer("gate")["record"]
    assert (gated["fits"], gated["models"][0]["comparison"]["champion"]["version"]) == (0, "1.0.0")
    assert job.answer("release")["record"]["models"][0]["state"] == "unchanged"
    job.ok("deploy", "diagnosis@v1.1.0", "--env", "prod")
    job.ok("rollback", "diagnosis", "--env", "prod", "--reason", "too slow")
    job.ok("fetch", "diagnosis@v1.0.0", str(tmp_path / "model"))
    rolled = job.answer("show", "diagnosis")["record"]["running"][1]
    assert (rolled["event"], rolled["rollbackOf"], rolled["reason"]) == ("rollback", "1.1.0", "too slow")


def test_where_history_is_cut_off_a_release_does_not_say_that_a_commit_is_not_merged(
    gated: Consumer, tmp_path: Path
) -> None:
    (gated.root / "README.md").write_text("more\n")
    gated.commit()
    gated.git("push", "--quiet")
    clone = shallow(gated, tmp_path, "--depth", "1")
    clone.git("fetch", "--quiet", "--depth=1", "origin", gated.git("rev-parse", "HEAD~1"))
    clone.git("checkout", "--quiet", "FETCH_HEAD")
    clone.git("fetch", "--quiet", str(gated.root), "refs/mlops/runs/*:refs/mlops/runs/*")
    found = clone.answer("release", code=3)["diagnostics"][0]
    assert found["id"] == "clone-shallow"
    assert "fetch-depth: 0" in found["help"]
    clone.git(*found["help"].partition(";")[0].split()[1:])
    clone.ok("release")


def test_a_commit_that_was_not_pushed_is_not_on_the_branch_in_a_shallow_clone_either(
    gated: Consumer, tmp_path: Path
) -> None:
    clone = shallow(gated, tmp_path, "--depth", "1")
    clone.git("fetch", "--quiet", str(gated.root), "refs/mlops/runs/*:refs/mlops/runs/*")
    clone.git("commit", "--quiet", "--allow-empty", "-m", "mine")
    assert clone.answer("release", code=1)["diagnostics"][0]["id"] == "release-not-on-branch"
