"""No remote, no identity, a detached head, a dirty tree, no network, no commit, no repository: each works or is a diagnostic."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.consumer import Consumer
from tests.support.git_calls import git_in


def first_id(consumer: Consumer, *args: str, code: int) -> str:
    found: str = consumer.answer(*args, code=code)["diagnostics"][0]["id"]
    return found


def test_without_a_remote_the_same_plan_is_applied_here(gated: Consumer) -> None:
    gated.git("remote", "remove", "origin")
    gated.ok("release")
    gated.ok("deploy", "diagnosis", "--env", "staging")
    assert gated.git("tag").split() == ["diagnosis#staging#1", "diagnosis@v1.0.0"]
    assert gated.git("status", "--porcelain") == ""
    assert (gated.root / "deploy/staging/diagnosis/release.yaml").is_file()


def test_a_local_change_survives_a_deployment_without_a_remote(gated: Consumer) -> None:
    gated.git("remote", "remove", "origin")
    gated.ok("release")
    (gated.root / "README.md").write_text("mine\n")
    gated.ok("deploy", "diagnosis", "--env", "staging")
    assert (gated.root / "README.md").read_text() == "mine\n"


def test_without_an_identity_the_gate_works_and_a_release_says_what_to_do(
    gated: Consumer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    gated.ok("gate")
    assert first_id(gated, "release", code=3) == "git-identity-missing"


def test_in_a_github_job_the_actor_signs(gated: Consumer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in {
        "ACTIONS": "true", "ACTOR": "ada", "SERVER_URL": "https://github.com", "REPOSITORY": "o/r", "RUN_ID": "7"
    }.items():  # fmt: skip
        monkeypatch.setenv(f"GITHUB_{name}", value)
    gated.ok("release")
    tag = gated.git("cat-file", "tag", "diagnosis@v1.0.0")
    assert "tagger ada <ada@users.noreply.github.com>" in tag
    assert "https://github.com/o/r/actions/runs/7" in tag


def test_on_a_detached_head_a_release_works_and_deploys_to_the_remotes_branch(gated: Consumer) -> None:
    gated.git("switch", "--quiet", "--detach")
    gated.ok("release")
    gated.ok("deploy", "diagnosis", "--env", "staging")


def test_on_a_detached_head_without_a_remote_there_is_no_branch_to_write_to(gated: Consumer) -> None:
    gated.git("remote", "remove", "origin")
    gated.git("switch", "--quiet", "--detach")
    gated.ok("release")
    assert first_id(gated, "deploy", "diagnosis", "--env", "staging", code=1) == "branch-unknown"


def test_what_a_model_is_made_of_must_be_committed_and_nothing_else(gated: Consumer) -> None:
    (gated.root / "notes.txt").write_text("dirty\n")
    assert gated.run("release", "--dry-run").returncode == 0
    with (gated.root / "models/diagnosis.yaml").open("a") as stream:
        stream.write("# a comment\n")
    answer = gated.answer("release", code=1)["diagnostics"][0]
    assert answer["id"] == "worktree-dirty"
    assert "models/diagnosis.yaml" in answer["message"]


def test_data_that_git_ignores_cannot_be_released(gated: Consumer) -> None:
    gated.git("rm", "--quiet", "--cached", "data/patients.csv")
    (gated.root / ".gitignore").write_text("*.csv\n")
    gated.git("add", "--all")
    gated.git("commit", "--quiet", "-m", "hide the data")
    assert first_id(gated, "release", code=1) == "worktree-dirty"


def test_before_the_first_commit_the_gate_works_and_a_release_does_not(tmp_path: Path) -> None:
    consumer = Consumer(tmp_path, tmp_path)
    consumer.ok("init", ".", "--template", "minimal")
    consumer.ok("gate")
    assert first_id(consumer, "release", code=1) == "commit-missing"


def test_outside_a_repository_there_is_nowhere_to_store_a_run(tmp_path: Path) -> None:
    consumer = Consumer(tmp_path, tmp_path)
    (tmp_path / "mlops.yaml").write_text("apiVersion: mlops-ci/v1\nkind: Project\nmetadata: {name: p}\nspec: {}\n")
    consumer.ok("validate")
    assert first_id(consumer, "release", code=2) == "repository-missing"


def test_without_a_network_the_gate_warns_and_a_release_is_refused(gated: Consumer) -> None:
    gated.ok("release")
    gated.origin.rename(gated.origin.with_name("gone"))
    assert gated.answer("gate")["diagnostics"][0]["id"] == "registry-offline"
    assert first_id(gated, "release", code=3) == "remote-unreachable"


def test_a_rewritten_registry_is_noticed(gated: Consumer) -> None:
    gated.ok("release")
    gated.git("update-ref", "refs/tags/diagnosis@v1.0.0", gated.git("rev-parse", "HEAD"))
    assert first_id(gated, "release", code=3) == "registry-diverged"


def test_without_a_gate_nothing_is_released(gated: Consumer) -> None:
    path = gated.root / "models/diagnosis.yaml"
    path.write_text(path.read_text().replace("seed: 7", "seed: 8"))
    gated.commit()
    assert first_id(gated, "release", code=1) == "release-not-gated"


def test_a_deployment_needs_its_spec_as_the_branch_has_it(gated: Consumer) -> None:
    gated.ok("release")
    path = gated.root / "deploy/staging.yaml"
    path.write_text(path.read_text() + "# more\n")
    assert first_id(gated, "deploy", "diagnosis", "--env", "staging", code=1) == "spec-not-on-branch"
    path.unlink()
    (found,) = gated.answer("deploy", "diagnosis", "--env", "staging", code=2)[
        "diagnostics"
    ]  # as an unknown environment
    assert found["id"] == "deployment-missing"
    where, spec = found["help"].split(":\n", 1)  # what the help says leads to a deployment
    assert where == "write deploy/diagnosis-staging.yaml, and commit it"
    (gated.root / "deploy" / "diagnosis-staging.yaml").write_text(spec + "\n")
    gated.commit()
    gated.git("push", "--quiet")
    gated.ok("deploy", "diagnosis", "--env", "staging")


def test_unknown_names_get_a_suggestion(gated: Consumer) -> None:
    gated.ok("release")
    for args, id in (
        (("gate", "diagnoses"), "model-unknown"),
        (("show", "diagnoses"), "model-unknown"),
        (("check", "patient"), "dataset-unknown"),
        (("deploy", "diagnosis", "--env", "stagin"), "environment-unknown"),
    ):
        found = gated.answer(*args, code=2)["diagnostics"][0]
        assert found["id"] == id
        assert "did you mean" in found["help"]
    assert first_id(gated, "deploy", "diagnosis@9.9.9", "--env", "staging", code=2) == "release-unknown"


def test_a_folder_that_is_none_and_a_folder_without_a_project(gated: Consumer, tmp_path: Path) -> None:
    assert first_id(gated, "gate", "-C", "nowhere", code=2) == "folder-missing"
    assert first_id(gated, "gate", "-C", str(tmp_path.parent), code=2) == "project-not-found"


def test_a_subfolder_will_do(gated: Consumer) -> None:
    gated.ok("gate", "-C", "models")


def test_a_project_in_a_subfolder_of_its_repository(tmp_path: Path) -> None:
    consumer = Consumer(tmp_path, tmp_path)
    consumer.git("init", "--quiet")
    consumer.ok("init", "ml/diagnosis", "--template", "minimal")
    consumer.commit()
    inner = Consumer(tmp_path / "ml/diagnosis", tmp_path)
    inner.ok("gate")
    inner.ok("release")
    inner.ok("deploy", "diagnosis", "--env", "staging")
    assert consumer.git("ls-files", "ml/diagnosis/deploy/staging").splitlines()
    assert inner.answer("diff", "diagnosis@v1.0.0", "v1.0.0")["diagnostics"] == []  # the spec was found
    _require_project(inner, {"name": "diagnosis", "path": "ml/diagnosis"})


def _require_project(consumer: Consumer, project: dict[str, str]) -> None:
    """Insist that every record of the release and its deployment names the project and its folder."""
    pin = "refs/mlops/releases/diagnosis/v1.0.0"
    files = [json.loads(consumer.git("show", f"{pin}:{name}.json")) for name in ("run", "comparison", "snapshot")]
    assert [one["project"] for one in files] == [project] * 3
    assert json.dumps(project, separators=(",", ":")) in consumer.git("cat-file", "tag", "diagnosis@v1.0.0")
    assert json.dumps(project, separators=(",", ":")) in consumer.git("cat-file", "tag", "diagnosis#staging#1")


def test_github_is_told_of_places_as_the_repository_has_them(tmp_path: Path) -> None:
    """Given a project in a folder of its repository, when a spec is broken, then the annotation names the file from the top."""
    repository = tmp_path / "repository"
    repository.mkdir()
    git_in(repository)("init", "--quiet")
    made = Consumer(repository, repository)
    made.ok("init", "ml", "--template", "minimal")
    spec = repository / "ml" / "models" / "diagnosis.yaml"
    spec.write_text(spec.read_text().replace("task:", "tusk:"))
    for verb in ("validate", "gate"):
        said = made.run(verb, "-C", "ml", "--format", "github").stdout
        assert "::error file=ml/models/diagnosis.yaml,line=" in said, verb
    log = json.loads(made.run("validate", "-C", "ml", "--format", "sarif").stdout)
    place = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place["uri"] == "ml/models/diagnosis.yaml"


def test_before_the_first_push_there_is_no_branch_to_write_to(gated: Consumer) -> None:
    gated.ok("release")
    edit_project = gated.root / "mlops.yaml"
    edit_project.write_text(edit_project.read_text().replace("spec:\n", "spec:\n  branch: releases\n"))
    gated.commit("Release from a branch of its own")
    gated.git("push", "--quiet")
    assert first_id(gated, "deploy", "diagnosis", "--env", "staging", code=1) == "branch-missing"
    assert first_id(gated, "gate", code=3) == "base-missing"


def test_manifests_of_a_repository_without_a_remote_say_that_no_cluster_reaches_it(gated: Consumer) -> None:
    gated.git("remote", "remove", "origin")
    gated.ok("release")
    assert gated.answer("deploy", "diagnosis", "--env", "staging")["diagnostics"][0]["id"] == "repository-local"


def test_an_interrupted_local_deployment_says_how_to_bring_the_files_here(gated: Consumer) -> None:
    """Given a deployment that was killed after it moved the branch, when it is run again, then it says what is left to do."""
    gated.git("remote", "remove", "origin")
    gated.ok("release")
    gated.ok("deploy", "diagnosis", "--env", "staging")
    gated.git("read-tree", "HEAD^")  # the index as it was before
    gated.git("clean", "--quiet", "--force", "-d", "deploy/staging")
    found = gated.answer("deploy", "diagnosis", "--env", "staging")["diagnostics"][0]
    assert found["id"] == "worktree-behind"
    gated.git(*found["help"].split()[1:])
    assert gated.git("status", "--porcelain") == ""


def test_a_tag_of_another_tool_cannot_be_deployed(gated: Consumer) -> None:
    gated.git("tag", "-a", "diagnosis@v3.0.0", "-m", "Registering artifact")
    assert first_id(gated, "deploy", "diagnosis", "--env", "staging", code=1) == "release-without-evidence"


def test_a_release_whose_files_are_nowhere_cannot_be_fetched(gated: Consumer, tmp_path: Path) -> None:
    gated.ok("release")
    for folder in (gated.root, gated.origin):
        git_in(folder)("update-ref", "-d", "refs/mlops/releases/diagnosis/v1.0.0")
    assert first_id(gated, "fetch", "diagnosis", str(tmp_path / "model"), code=3) == "store-missing"


def test_a_file_in_the_way_of_a_folder_is_a_diagnostic(gated: Consumer) -> None:
    gated.ok("release")
    (gated.root / "model").write_text("in the way")
    assert first_id(gated, "fetch", "diagnosis", "model", code=3) == "file-not-written"


def test_a_link_in_the_way_of_a_file_is_not_written_through(gated: Consumer, tmp_path: Path) -> None:
    gated.ok("release")
    (tmp_path / "model").mkdir()
    (tmp_path / "model/model.skops").symlink_to(tmp_path / "elsewhere")
    assert first_id(gated, "fetch", "diagnosis", str(tmp_path / "model"), code=2) == "file-exists"
    assert not (tmp_path / "elsewhere").exists()


def test_tags_of_others_may_move(gated: Consumer) -> None:
    gated.git("tag", "nightly")
    gated.git("push", "--quiet", "origin", "nightly")
    git_in(gated.origin)(
        "update-ref", "refs/tags/nightly", git_in(gated.origin)("commit-tree", "main^{tree}", "-m", "x")
    )
    gated.ok("gate")
    gated.ok("release")


def test_the_users_git_settings_change_nothing(gated: Consumer) -> None:
    gated.git("config", "fetch.prune", "true")
    gated.git("config", "fetch.pruneTags", "true")
    gated.git("config", "push.followTags", "true")
    gated.git("tag", "-a", "private-draft", "-m", "mine")
    gated.ok("release")
    gated.ok("deploy", "diagnosis", "--env", "staging")
    assert "private-draft" in gated.git("tag").split()
    assert "refs/tags/private-draft" not in gated.published()
    assert gated.git("for-each-ref", "refs/mlops/runs") != ""
    gated.git("fetch", "--quiet")
    assert gated.git("for-each-ref", "refs/mlops/runs") != ""


def test_the_repositorys_hooks_do_not_run_with_this_commands_rights(gated: Consumer, tmp_path: Path) -> None:
    for name in ("reference-transaction", "pre-push", "post-index-change"):
        hook = gated.root / ".git/hooks" / name
        hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        hook.chmod(0o755)
    gated.ok("release")
    gated.ok("deploy", "diagnosis", "--env", "staging")
    assert not (tmp_path / "ran").exists()


def test_a_repository_of_somebody_else_is_not_worked_in(gated: Consumer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    assert first_id(gated, "show", code=3) == "repository-not-trusted"


def test_a_branch_that_another_work_tree_has_checked_out_is_not_moved(gated: Consumer, tmp_path: Path) -> None:
    gated.git("remote", "remove", "origin")
    gated.ok("release")
    gated.git("worktree", "add", "--quiet", "-b", "other", str(tmp_path / "linked"))
    project = tmp_path / "linked" / "mlops.yaml"
    project.write_text(project.read_text().replace("spec:\n", "spec:\n  branch: main\n"))
    linked = Consumer(tmp_path / "linked", gated.origin)
    assert first_id(linked, "deploy", "diagnosis", "--env", "staging", code=3) == "branch-checked-out"


def test_several_remotes_need_a_word_which_one_it_is(gated: Consumer) -> None:
    gated.git("remote", "rename", "origin", "canon")
    gated.git("remote", "add", "fork", str(gated.origin))
    gated.git("branch", "--unset-upstream")
    found = gated.answer("release", code=3)["diagnostics"][0]
    assert found["id"] == "remote-ambiguous"
    gated.git("config", "remote.pushDefault", "canon")
    gated.ok("release")


def test_offline_without_a_known_champion_nothing_is_judged(gated: Consumer) -> None:
    gated.ok("ci", "affected")  # which asks the remote for its default branch
    gated.origin.rename(gated.origin.with_name("gone"))
    assert first_id(gated, "gate", code=3) == "champion-unknown"


def test_a_deleted_champion_is_not_the_state_before_the_first_one(gated: Consumer) -> None:
    gated.ok("release")
    gated.ok("deploy", "diagnosis", "--env", "staging")
    gated.ok("deploy", "diagnosis", "--env", "prod")
    for folder in (gated.root, gated.origin):
        git_in(folder)("update-ref", "-d", "refs/tags/diagnosis@v1.0.0")
    assert first_id(gated, "gate", code=1) == "champion-missing"


def test_projects_of_one_repository_do_not_share_a_models_name(gated: Consumer) -> None:
    gated.ok("release")
    path = gated.root / "mlops.yaml"
    path.write_text(re.sub(r"name: \S+?([},\n])", r"name: another\1", path.read_text(), count=1))
    model = gated.root / "models/diagnosis.yaml"
    model.write_text(model.read_text().replace("seed: 7", "seed: 8"))
    gated.commit()
    gated.git("push", "--quiet")
    gated.run("gate")
    assert first_id(gated, "release", code=1) == "model-of-another-project"


def test_a_project_without_a_model_says_how_to_get_one(tmp_path: Path) -> None:
    consumer = Consumer(tmp_path, tmp_path)
    consumer.ok("init")
    assert first_id(consumer, "gate", code=2) == "model-none"


def test_an_argument_that_is_not_text_is_a_usage_problem(gated: Consumer) -> None:
    done = gated.run("rollback", "diagnosis", "--env", "prod", "--reason", "caf\udce9")
    assert (done.returncode, "argument-encoding" in done.stderr) == (2, True)


def test_a_full_disk_is_an_environment_problem(gated: Consumer) -> None:
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-m", "mlops_ci", "check"]
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        done = subprocess.run(command, cwd=gated.root, env=buffered, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, "disk-full" in done.stderr, "Traceback" in done.stderr) == (3, True, False)
