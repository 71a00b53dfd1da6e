"""The main job, end to end, in a consumer's repository with a bare origin."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlops_ci.spec.load import load_specs
from mlops_ci.training.fit import UninspectedModel, run_training
from mlops_ci.training.training_task import TrainingTask
from tests.e2e.release.conftest import MODEL, edit, retrained
from tests.support.consumer import Consumer
from tests.support.git_calls import git_in


def test_a_release_is_a_tag_with_its_evidence_and_everything_it_names_is_at_the_origin(gated: Consumer) -> None:
    gated.ok("release")
    text = git_in(gated.origin)("cat-file", "tag", "diagnosis@v1.0.0")
    statement = json.loads(text.splitlines()[-1])
    evidence = statement["predicate"]["runDetails"]["byproducts"][1]["annotations"]
    assert evidence["verdict"] == "pass"
    assert f"\n\n{evidence['sentence']}\n\n" in text
    files = git_in(gated.origin)("ls-tree", "-r", "--name-only", "refs/mlops/releases/diagnosis/v1.0.0").split()
    assert {"run.json", "metrics.json", "comparison.json", "snapshot.json", "report.md", "model/model.skops"} <= set(
        files
    )
    digest = git_in(gated.origin)("show", "refs/mlops/log/diagnosis:tag").split()
    assert digest == [gated.published()["refs/tags/diagnosis@v1.0.0"], "diagnosis@v1.0.0"]


def test_a_second_release_of_the_same_says_so_and_writes_nothing(gated: Consumer) -> None:
    gated.ok("release")
    before = gated.published()
    assert gated.answer("release")["record"]["models"][0]["state"] == "unchanged"
    assert gated.published() == before


def test_versions_are_minor_for_a_changed_spec_and_major_for_changed_inputs(gated: Consumer) -> None:
    gated.ok("release")
    retrained(gated)
    assert gated.answer("release")["record"]["models"][0]["version"] == "1.1.0"
    edit(gated, MODEL, "    - mean_texture\n", "")
    gated.commit("One input less")
    gated.git("push", "--quiet")
    gated.ok("gate")
    assert gated.answer("release")["record"]["models"][0]["version"] == "2.0.0"


def test_a_commit_holds_one_version(gated: Consumer, monkeypatch: pytest.MonkeyPatch) -> None:
    gated.ok("release")
    monkeypatch.setattr(
        "mlops_ci.evaluation.candidates.candidate.TRAIN_FORMAT", 99
    )  # another candidate of the same files, as a new library makes
    gated.ok("gate")
    assert gated.answer("release", code=1)["diagnostics"][0]["id"] == "release-commit-taken"
    gated.git("tag", "-a", "diagnosis@v1.0.0!", "-m", "taken back")
    assert gated.answer("release", code=1)["diagnostics"][0]["id"] == "release-commit-taken"


def test_deploy_follows_the_order_of_environments(gated: Consumer) -> None:
    gated.ok("release")
    assert gated.answer("deploy", "diagnosis", "--env", "prod", code=1)["diagnostics"][0]["id"] == "deploy-out-of-order"


def test_a_protected_branch_gets_a_request_and_its_merge_the_assignment(gated: Consumer) -> None:
    gated.ok("release")
    hook = gated.origin / "hooks" / "update"
    hook.write_text('#!/bin/sh\n[ "$1" != refs/heads/main ] || { echo "GH006: Protected branch" >&2; exit 1; }\n')
    hook.chmod(0o755)
    command = ("deploy", "diagnosis", "--env", "staging")
    asked = gated.answer(*command)["record"]
    assert asked["state"] == "requested"
    published = gated.published()
    assert f"refs/heads/{asked['branch']}" in published
    assert "refs/tags/diagnosis#staging#1" not in published
    assert gated.answer(*command)["record"]["state"] == "requested"
    assert gated.published() == published
    hook.unlink()
    gated.git("fetch", "--quiet")
    gated.git("push", "--quiet", "origin", f"origin/{asked['branch']}:main")  # somebody merges it
    assert gated.answer(*command)["record"]["state"] == "assigned"
    assert "refs/tags/diagnosis#staging#1" in gated.published()


def test_a_project_may_always_ask_for_requests(gated: Consumer) -> None:
    gated.ok("release")
    edit(gated, "mlops.yaml", "spec:\n", "spec:\n  delivery: pull-request\n")
    gated.commit("Deliver by request")
    gated.git("push", "--quiet")
    assert gated.answer("deploy", "diagnosis", "--env", "staging")["record"]["state"] == "requested"


def test_a_push_that_the_rules_refuse_altogether_is_an_error(gated: Consumer) -> None:
    hook = gated.origin / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho no tags for you >&2\nexit 1\n")
    hook.chmod(0o755)
    before = gated.published()
    assert gated.answer("release", code=3)["diagnostics"][0]["id"] == "push-refused"
    assert gated.published() == before


def test_whoever_loses_the_race_plans_again_on_what_won(gated: Consumer, tmp_path: Path) -> None:
    """Given a clone that does not know of an assignment yet, when it assigns too, then numbers are dense and none is lost."""
    gated.ok("release")
    git_in(tmp_path)("clone", "--quiet", str(gated.origin), "other")
    other = Consumer(tmp_path / "other", gated.origin)
    hook = gated.origin / "hooks" / "pre-receive"
    script = f'"{sys.executable}" -m mlops_ci deploy diagnosis --env staging'
    # the first push is overtaken by another clone's before it is accepted
    hook.write_text(
        "#!/bin/sh\n"
        f'rm "{hook}"\ncd "{other.root}" && env -u GIT_DIR -u GIT_QUARANTINE_PATH -u GIT_OBJECT_DIRECTORY'
        f" -u GIT_ALTERNATE_OBJECT_DIRECTORIES {script} >/dev/null 2>&1\n"
    )
    hook.chmod(0o755)
    answer = gated.answer("deploy", "diagnosis", "--env", "staging", "--reason", "me too")
    assert answer["record"]["state"] == "unchanged"
    assert [name for name in gated.published() if "#" in name] == ["refs/tags/diagnosis#staging#1"]


def test_what_is_fetched_loads_and_predicts_by_the_three_lines(gated: Consumer, tmp_path: Path) -> None:
    gated.ok("release")
    lines = gated.answer("fetch", "diagnosis@1.0.0", str(tmp_path / "model"))["record"]["lines"]
    assert len(lines) == 3
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(lines)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(done.stdout.split()) <= set("[]01 ") | {"[0", "[1", "0]", "1]"}


def test_a_changed_byte_in_the_store_is_never_written(gated: Consumer, tmp_path: Path) -> None:
    gated.ok("release")
    ref = "refs/mlops/releases/diagnosis/v1.0.0"
    (tmp_path / "evil").write_bytes(b"PK other bytes")
    blob = gated.git("hash-object", "-w", str(tmp_path / "evil"))
    listing = gated.git("ls-tree", f"{ref}:model").splitlines()
    evil = "\n".join(f"100644 blob {blob}\tmodel.skops" if "model.skops" in line else line for line in listing)
    tree = subprocess.run(
        ["git", "mktree"], cwd=gated.root, input=evil + "\n", capture_output=True, text=True, check=True
    )
    whole = subprocess.run(
        ["git", "mktree"],
        cwd=gated.root,
        input=f"040000 tree {tree.stdout.strip()}\tmodel\n",
        capture_output=True,
        text=True,
        check=True,
    )
    gated.git("update-ref", ref, gated.git("commit-tree", whole.stdout.strip(), "-m", "evil"))
    assert (
        gated.answer("fetch", "diagnosis", str(tmp_path / "model"), code=3)["diagnostics"][0]["id"] == "store-corrupt"
    )
    assert not (tmp_path / "model").exists()


def test_a_clone_gets_the_champion_from_the_origin(candidate: Consumer, tmp_path: Path) -> None:
    """A fresh clone has neither runs nor releases: the champion's files are fetched when they are needed."""
    git_in(tmp_path)("clone", "--quiet", str(candidate.origin), "fresh")
    fresh = Consumer(tmp_path / "fresh", candidate.origin)
    comparison = fresh.answer("gate")["record"]["models"][0]["comparison"]
    assert comparison["championState"] == "compared"
    assert comparison["champion"]["version"] == "1.0.0"


def test_a_dry_run_prints_the_plan_and_writes_nothing(candidate: Consumer) -> None:
    reason = ("--reason", "x")
    unwritten(candidate, "release")
    unwritten(candidate, "deploy", "diagnosis@1.0.0", "--env", "staging", *reason)
    unwritten(candidate, "rollback", "diagnosis", "--env", "prod", *reason, "--version", "1.0.0")
    unwritten(candidate, "retire", "diagnosis", "--env", "prod", *reason)
    unwritten(candidate, "init", "../elsewhere", "--template", "minimal")
    edit(candidate, MODEL, "C: 0.5", "C: 0.4")
    unwritten(candidate, "train")
    unwritten(candidate, "gate")


def unwritten(consumer: Consumer, *args: str) -> None:
    before = (consumer.git("for-each-ref"), consumer.git("status", "--porcelain"), consumer.published())
    printed = consumer.ok(*args, "--dry-run")
    assert "dry run: nothing is written" in printed
    assert "\nplan:\n" in printed
    assert (consumer.git("for-each-ref"), consumer.git("status", "--porcelain"), consumer.published()) == before


def test_only_what_is_merged_is_released(gated: Consumer) -> None:
    edit(gated, MODEL, "{max_iter: 1000}", "{max_iter: 1000, C: 0.5}")
    gated.commit("Not pushed yet")
    gated.ok("gate")
    found = gated.answer("release", code=1)["diagnostics"][0]
    assert found["id"] == "release-not-on-branch"
    gated.git(*found["help"].partition("git ")[2].split())
    gated.ok("release")


def test_events_from_before_the_remote_are_published_before_anything_is_added(gated: Consumer) -> None:
    """Given a release that was made before there was a remote, when it is deployed, then the tool says how to publish it."""
    gated.git("remote", "remove", "origin")
    gated.ok("release")
    gated.git("remote", "add", "origin", str(gated.origin))
    found = gated.answer("deploy", "diagnosis", "--env", "staging", code=3)["diagnostics"][0]
    assert found["id"] == "registry-unpublished"
    gated.git(*found["help"].partition("git ")[2].split())
    gated.ok("deploy", "diagnosis", "--env", "staging")
    assert {"refs/tags/diagnosis@v1.0.0", "refs/mlops/releases/diagnosis/v1.0.0"} <= set(gated.published())


def test_a_file_in_the_place_of_the_manifests_folder_is_not_replaced(gated: Consumer) -> None:
    gated.ok("release")
    gated.git("mv", "deploy", "specs")
    (gated.root / "deploy").write_text("#!/bin/sh\n")
    gated.commit("A script called deploy")
    gated.git("push", "--quiet")
    assert gated.answer("deploy", "diagnosis", "--env", "staging", code=1)["diagnostics"][0]["id"] == "folder-taken"


@pytest.mark.slow
def test_a_model_with_code_of_its_own_is_fetched_with_it(gated: Consumer, tmp_path: Path) -> None:
    """Given a classifier of the repository's own, when it is fetched elsewhere, then the three lines load it there."""
    (gated.root / "models/own.py").write_text(
        "from sklearn.linear_model import LogisticRegression\n\n\n"
        "class Own(LogisticRegression):\n    pass\n\n\ndef build():\n    return Own(max_iter=5000)\n"
    )
    old = "estimator: sklearn.linear_model.LogisticRegression\n    params: {max_iter: 1000}"
    edit(gated, MODEL, old, "entrypoint: models/own.py:build\n    trusted: [own.Own]")
    gated.commit("A model of our own")
    gated.git("push", "--quiet")
    gated.ok("gate")
    gated.ok("release")
    lines = gated.answer("fetch", "diagnosis", str(tmp_path / "model"))["record"]["lines"]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    edit(gated, "models/own.py", "max_iter=5000", "max_iter=6000")
    assert gated.answer("gate")["record"]["models"][0]["comparison"]["championState"] == "compared"


def test_code_that_changes_while_it_trains_is_noticed(gated: Consumer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given training code that is edited while a model is fitted, then the gate does not store a run with it.

    What is fitted here is the library's estimator: that is what the code builds, and library code is fitted in a fork.
    """
    old = "estimator: sklearn.linear_model.LogisticRegression\n    params: {max_iter: 1000}"
    specs, _ = load_specs(gated.root)
    assert specs is not None
    (library,) = specs.models.values()
    fit = run_training

    def edited(task: TrainingTask, *given: Any) -> UninspectedModel:
        with (gated.root / "models/own.py").open("a") as file:
            file.write("#")
        return fit(replace(task, train=library.spec.train), *given)

    (gated.root / "models/own.py").write_text(
        "from sklearn.linear_model import LogisticRegression\n\n\n"
        "def build():\n    return LogisticRegression(max_iter=1000)\n"
    )
    edit(gated, MODEL, old, "entrypoint: models/own.py:build")
    monkeypatch.setattr("mlops_ci.evaluation.candidates.training.run_training", edited)
    before = gated.git("for-each-ref")
    assert gated.answer("gate", code=1)["diagnostics"][0]["id"] == "code-changed"
    assert gated.git("for-each-ref") == before
