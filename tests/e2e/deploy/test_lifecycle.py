"""What comes after a release: deployed, rolled back from, brought back, retired. No model is trained for it."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mlops_ci.core.digest import digest_bytes
from mlops_ci.core.records.events import Assignment, Release, Retirement
from mlops_ci.registry import state as registry
from mlops_ci.registry.state import ModelState
from mlops_ci.repository import git
from tests.e2e.release.conftest import edit, merged
from tests.support.consumer import Consumer, copy_of, home_of_ada, make_consumer
from tests.support.git_calls import git_in
from tests.support.versions import released

FIRST, SECOND = "a" * 64, "b" * 64
LOCK = "deploy/prod/diagnosis/data.lock"
BACK = ("rollback", "diagnosis", "--env", "prod", "--reason", "alarms at night")


@pytest.fixture(scope="session")
def world_of_versions(tmp_path_factory: pytest.TempPathFactory) -> Consumer:
    with home_of_ada(tmp_path_factory):
        made = make_consumer(tmp_path_factory.mktemp("versions") / "minimal", "minimal")
        for version, model in (("1.0.0", FIRST), ("2.0.0", SECOND)):
            released(made, version, model)
            for environment in ("staging", "prod"):
                made.ok("deploy", "diagnosis", "--env", environment)
    return made


@pytest.fixture
def versions(world_of_versions: Consumer, tmp_path: Path) -> Consumer:
    """Versions 1.0.0 and 2.0.0, one after the other in staging and prod; six events."""
    return copy_of(world_of_versions, tmp_path)


def state_of(consumer: Consumer) -> ModelState:
    return registry.read_registry(git.find_repository(consumer.root), None).model("diagnosis")


def refused(consumer: Consumer, *args: str, code: int = 1) -> dict[str, Any]:
    """Insist on a refusal that writes nothing, and give its first finding."""
    before = consumer.published()
    found: dict[str, Any] = consumer.answer(*args, code=code)["diagnostics"][0]
    assert consumer.published() == before
    return found


def at_origin(consumer: Consumer, path: str) -> bytes:
    return subprocess.run(["git", "show", f"main:{path}"], cwd=consumer.origin, check=True, capture_output=True).stdout


def folder_at_origin(consumer: Consumer, environment: str) -> str:
    return git_in(consumer.origin)("ls-tree", "-r", "--name-only", "main", f"deploy/{environment}/diagnosis/")


def test_a_data_lock_says_on_which_data_the_version_that_runs_has_learned(versions: Consumer) -> None:
    content = at_origin(versions, LOCK)
    data = digest_bytes(b"2.0.0")
    newest = state_of(versions).current_assignments["prod"].record
    release = state_of(versions).releases["2.0.0"].record
    assert isinstance(newest, Assignment)
    assert isinstance(release, Release)
    assert json.loads(content) == {
        "kind": "DataLock",
        "format": 1,
        "dataset": "patients",
        "trainDigest": data,
        "trainRows": 400,
        "holdoutDigest": release.evidence.holdout_digest,
        "holdoutRows": release.evidence.holdout_rows,
        "schemaDigest": "5" * 64,
        "files": [{"path": "data/patients.csv", "sha256": data, "size": 5_000}],
        "commit": release.commit,
    }
    assert content.endswith(b"}\n")
    digests = {file.path: file.sha256 for file in newest.manifests}
    assert digests[LOCK] == digest_bytes(content)


def test_a_rollback_restores_the_version_its_data_lock_and_its_manifests(versions: Consumer) -> None:
    paths = (LOCK, LOCK.replace("data.lock", "release.yaml"))
    commits = versions.git("log", "--reverse", "--format=%H", "origin/main", "--", LOCK).split()
    first, second = ([versions.git("rev-parse", f"{commit}:{path}") for path in paths] for commit in commits)
    versions.ok(*BACK)
    assert [versions.git("rev-parse", f"origin/main:{path}") for path in paths] == first != second
    assert json.loads(at_origin(versions, LOCK))["trainDigest"] == digest_bytes(b"1.0.0")


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl")
def test_a_data_lock_is_no_resource_to_kustomize(versions: Consumer) -> None:
    versions.git("pull", "--quiet", "--rebase")
    assert (versions.root / LOCK).is_file()
    built = subprocess.run(
        ["kubectl", "kustomize", "deploy/prod/diagnosis"], cwd=versions.root, check=True, capture_output=True, text=True
    )
    assert "kind: Deployment" in built.stdout
    assert "DataLock" not in built.stdout


def test_a_run_that_tells_of_other_data_than_the_release_is_not_deployed(versions: Consumer) -> None:
    released(versions, "3.0.0", "c" * 64, snapshot_of="0" * 64)
    found = refused(versions, "deploy", "diagnosis", "--env", "staging", code=3)
    assert (found["id"], "describes other data than the release" in found["message"]) == ("store-corrupt", True)


def test_a_pin_that_holds_another_run_than_the_release_names_is_not_deployed(versions: Consumer) -> None:
    pins = [f"refs/mlops/releases/diagnosis/v{version}" for version in ("1.0.0", "2.0.0")]
    versions.git("update-ref", pins[0], versions.git("rev-parse", pins[1]))
    found = refused(versions, *BACK, code=3)
    assert (found["id"], pins[0] in found["message"]) == ("store-corrupt", True)


@pytest.mark.parametrize("environment", ["staging", "prod"])
def test_what_was_rolled_back_from_is_deployed_nowhere(versions: Consumer, environment: str) -> None:
    versions.ok(*BACK)
    versions.ok("retire", "diagnosis", "--env", "staging", "--reason", "to see")
    found = refused(versions, "deploy", "diagnosis@2.0.0", "--env", environment)
    assert found["id"] == "model-abandoned"
    for told in ("diagnosis#prod#5", "alarms at night", "Ada Lovelace", "(v2.0.0 of 'diagnosis') with v1.0.0"):
        assert told in found["message"]


def test_who_forces_says_why_and_from_then_on_it_is_not_abandoned(versions: Consumer) -> None:
    versions.ok(*BACK)
    command = ("deploy", "diagnosis@2.0.0", "--env", "prod")
    help = refused(versions, *command)["help"]
    assert f"mlops-ci {' '.join(command)} --force --reason TEXT" in help
    for reason in ([], ["--reason", " "]):
        assert refused(versions, *command, "--force", *reason, code=2)["id"] == "reason-missing"
    versions.ok(*command, "--force", "--reason", "the sensor was at fault")
    made = state_of(versions).current_assignments["prod"].record
    assert isinstance(made, Assignment)
    assert made.overrides is not None
    assert (made.version, made.reason, made.overrides.name) == ("2.0.0", "the sensor was at fault", "diagnosis#prod#5")
    assert state_of(versions).rolled_back_models == {}


def test_a_rollback_goes_back_to_an_abandoned_version_without_force(versions: Consumer) -> None:
    versions.ok(*BACK)
    versions.ok(*BACK, "--version", "2.0.0")
    assert set(state_of(versions).rolled_back_models) == {FIRST}


def test_a_forced_deployment_by_request_is_finished_by_the_command_it_names(versions: Consumer) -> None:
    versions.ok(*BACK)
    by_request(versions)
    asked = versions.answer("deploy", "diagnosis@2.0.0", "--env", "prod", "--force", "--reason", "it's fine")["record"]
    assert asked["state"] == "requested"
    merged(versions, asked["branch"])
    versions.ok(*shlex.split(asked["followUpCommand"])[1:])
    assert state_of(versions).current_assignments["prod"].version == "2.0.0"


def test_an_environment_is_emptied_and_no_earlier_version_is_left_standing(versions: Consumer) -> None:
    answer = versions.answer("retire", "diagnosis", "--env", "prod", "--reason", "nobody asks")["record"]
    assert answer["tags"] == ["diagnosis#prod!#5", "diagnosis#prod!#6"]
    assert folder_at_origin(versions, "prod") == ""
    assert folder_at_origin(versions, "staging") != ""
    state = state_of(versions)
    assert state.active_assignments("prod") == ()
    assert set(state.current_assignments) == {"staging"}
    commits = {version: event.commit for version, event in state.releases.items()}
    assert [(event.kind, event.commit) for event in state.events[-2:]] == [
        ("unassignment", commits["2.0.0"]),
        ("unassignment", commits["1.0.0"]),
    ]
    row = versions.answer("show")["record"]["models"][0]
    assert row["environments"] == {"staging": "2.0.0"}
    newest = versions.answer("history")["record"]["events"][0]
    assert (newest["event"], newest["reason"]) == ("undeploy", "nobody asks")


def test_events_of_one_push_are_one_chain_and_one_log_with_dates_that_rise(versions: Consumer) -> None:
    versions.ok("retire", "diagnosis", "--env", "prod", "--reason", "nobody asks")
    events = state_of(versions).events
    assert [event.record.previous if event.record else None for event in events[1:]] == [
        event.ref for event in events[:-1]
    ]
    names = [event.name for event in events]
    assert git_in(versions.origin)("log", "--format=%s", "refs/mlops/log/diagnosis").split() == names[::-1]
    dates = [event.date for event in events]
    assert dates == sorted(set(dates))
    kept = json.loads(git_in(versions.origin)("show", "refs/mlops/log/diagnosis:record.json"))
    assert kept["previous"] == {"name": events[-2].name, "oid": events[-2].oid}


def test_what_is_retired_already_is_left_alone(versions: Consumer) -> None:
    for what in (
        ("diagnosis", "--env", "prod"),
        ("diagnosis", "--env", "staging"),
        ("diagnosis@1.0.0",),
        ("diagnosis",),
    ):
        versions.ok("retire", *what, "--reason", "x")
        before = versions.published()
        assert versions.answer("retire", *what, "--reason", "y")["record"]["state"] == "unchanged"
        assert versions.published() == before


@pytest.mark.parametrize("version", [None, "1.0.0", "2.0.0"])
def test_a_rollback_fills_an_empty_environment_with_what_ran_there(versions: Consumer, version: str | None) -> None:
    versions.ok("retire", "diagnosis", "--env", "prod", "--reason", "a mistake")
    versions.ok(*BACK, *(["--version", version] if version else []))
    state = state_of(versions)
    assert state.current_assignments["prod"].version == (version or "2.0.0")
    assert json.loads(at_origin(versions, LOCK))["trainDigest"] == digest_bytes((version or "2.0.0").encode())
    assert versions.answer("history")["record"]["events"][0]["event"] == "rollback"
    assert set(state.rolled_back_models) == ({SECOND} if version == "1.0.0" else set())


def test_a_retirement_by_request_is_finished_by_the_command_it_names(versions: Consumer) -> None:
    by_request(versions)
    command = ("retire", "diagnosis", "--env", "prod", "--reason", "it's over")
    asked = versions.answer(*command)["record"]
    assert asked["state"] == "requested"
    assert versions.answer(*command)["record"] == asked
    assert set(state_of(versions).current_assignments) == {"staging", "prod"}
    merged(versions, asked["branch"])
    assert folder_at_origin(versions, "prod") == ""
    assert versions.answer(*shlex.split(asked["followUpCommand"])[1:])["record"]["state"] == "retired"
    assert set(state_of(versions).current_assignments) == {"staging"}


def test_without_a_remote_the_work_tree_follows_a_retirement(versions: Consumer) -> None:
    versions.git("pull", "--quiet", "--rebase")
    versions.git("remote", "remove", "origin")
    versions.ok("retire", "diagnosis", "--env", "prod", "--reason", "x")
    assert not (versions.root / "deploy/prod").exists()
    assert versions.git("status", "--porcelain") == ""
    assert versions.answer("retire", "diagnosis", "--env", "prod", "--reason", "x")["diagnostics"] == []
    versions.git("read-tree", "HEAD^")  # as after a kill: the branch has moved, index and files have not
    versions.git("checkout-index", "--all", "--force")
    found = versions.answer("retire", "diagnosis", "--env", "prod", "--reason", "x")["diagnostics"][0]
    assert found["id"] == "worktree-behind"
    versions.git(*found["help"].split()[1:])
    assert versions.git("status", "--porcelain") == ""


def test_a_version_is_taken_back_and_what_others_rest_on_is_not(versions: Consumer) -> None:
    versions.ok("retire", "diagnosis", "--env", "prod", "--reason", "x")
    found = refused(versions, "retire", "diagnosis@2.0.0", "--reason", "x")
    assert (found["id"], "'staging'" in found["message"]) == ("retire-in-use", True)
    versions.ok(*shlex.split(found["help"].partition("first: mlops-ci ")[2]))
    found = refused(versions, "retire", "diagnosis@2.0.0", "--reason", "x")
    assert (found["id"], "candidates must beat" in found["message"]) == ("retire-in-use", True)
    assert versions.answer("retire", "diagnosis@v1.0.0", "--reason", "leaks")["record"]["tags"] == ["diagnosis@v1.0.0!"]
    assert list(state_of(versions).releases) == ["2.0.0"]
    assert versions.answer("history")["record"]["events"][0]["event"] == "retire"
    assert refused(versions, "deploy", "diagnosis@1.0.0", "--env", "staging", code=2)["id"] == "release-unknown"


def test_a_deprecated_model_comes_back_for_a_reason_only(versions: Consumer) -> None:
    found = refused(versions, "retire", "diagnosis", "--reason", "x")
    assert (found["id"], "'staging' (v2.0.0) and 'prod' (v2.0.0)" in found["message"]) == ("retire-in-use", True)
    for environment in ("staging", "prod"):
        versions.ok("retire", "diagnosis", "--env", environment, "--reason", "x")
    assert versions.answer("retire", "diagnosis", "--reason", "no funds")["record"]["tags"] == [
        "diagnosis@deprecated#9"
    ]
    event = state_of(versions).events[-1]
    assert isinstance(event.record, Retirement)
    assert (event.commit, event.record.version) == (state_of(versions).releases["2.0.0"].commit, "2.0.0")
    assert versions.answer("show")["record"]["models"] == []
    assert "v2.0.0 (deprecated)" in versions.ok("show", "diagnosis")
    assert versions.answer("history")["record"]["events"][0]["event"] == "deprecate"
    command = ("deploy", "diagnosis", "--env", "staging")
    found = refused(versions, *command)
    assert (found["id"], "no funds" in found["message"]) == ("model-deprecated", True)
    versions.ok(*command, "--force", "--reason", "funds again")
    assert not state_of(versions).is_deprecated


def test_what_does_not_run_somewhere_cannot_be_retired_from_there(versions: Consumer) -> None:
    here = ("--env", "prod", "--reason", "x")
    assert refused(versions, "retire", "diagnosis@1.0.0", *here)["id"] == "retire-nowhere"
    assert (
        refused(versions, "retire", "diagnosis", "--env", "prd", "--reason", "x", code=2)["id"] == "environment-unknown"
    )
    assert refused(versions, "retire", "diagnosis", "--env", "prod", "--reason", " ", code=2)["id"] == "reason-missing"
    edit(versions, "mlops.yaml", "[staging, prod]", "[staging, prod, edge]")
    assert refused(versions, "retire", "diagnosis", "--env", "edge", "--reason", "x")["id"] == "retire-nowhere"


def test_an_environment_that_the_project_has_dropped_is_emptied_all_the_same(versions: Consumer) -> None:
    for path in (versions.root / "deploy").glob("*.yaml"):
        path.unlink()
    edit(versions, "mlops.yaml", "[staging, prod]", "[edge]")
    versions.commit()
    versions.git("pull", "--quiet", "--rebase")
    versions.git("push", "--quiet")
    versions.ok("retire", "diagnosis@2.0.0", "--env", "prod", "--reason", "moved")
    assert set(state_of(versions).current_assignments) == {"staging"}


def test_what_another_tool_assigned_can_be_retired(versions: Consumer) -> None:
    for name in ("diagnosis@v3.0.0", "diagnosis#prod#9"):
        versions.git("tag", "-a", name, "-m", "Registering artifact")
    versions.git("push", "--quiet", "--tags")
    versions.ok("retire", "diagnosis@3.0.0", "--env", "prod", "--reason", "ours now")
    assert set(state_of(versions).current_assignments) == {"staging"}


def by_request(consumer: Consumer) -> None:
    """Have the project's manifests delivered by pull request."""
    edit(consumer, "mlops.yaml", "spec:\n", "spec:\n  delivery: pull-request\n")
    consumer.commit("Deliver by request")
    consumer.git("pull", "--quiet", "--rebase")
    consumer.git("push", "--quiet")
