"""What no local runner enforces stands in the YAML itself: rights, secrets, events, concurrency, environments, pins."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mlops_ci.cli.verbs import all_verbs
from tests.support.act import LABELS, PLACE
from tests.support.toolkit import PINNED
from tests.support.workflow_files import ACTIONS, WORKFLOWS, jobs, read, steps, used

CHECKOUT = "3d3c42e5aac5ba805825da76410c181273ba90b1"
CALLED = sorted(set(WORKFLOWS) - {"ci.yml"})
READS = {"contents": "read"}
TELLS = {"contents": "write", "pull-requests": "write", "checks": "write"}
DEPLOYS = {"contents": "write", "pull-requests": "write", "actions": "write", "deployments": "write"}
PERMISSIONS: dict[str, dict[str, dict[str, str]]] = {
    "attest.yml": {"attest": {**READS, "id-token": "write", "attestations": "write"}},
    "audit.yml": {"audit": READS},
    "ci.yml": {"nox": READS, "actions": READS, "passed": {}},
    "comment.yml": {"comment": {"actions": "read", "pull-requests": "write", "checks": "write"}},
    "gate.yml": {"affected": READS, "project": TELLS, "verdict": {}},
    "gate-project.yml": {"train": READS, "features": READS, "predict": {}, "judge": READS, "keep": TELLS},
    "gc.yml": {"projects": READS, "gc": {"contents": "write"}},
    "promote.yml": {"promote": DEPLOYS},
    "release.yml": {"affected": READS, "project": {**TELLS, **DEPLOYS}},
    "release-project.yml": {
        "passed": {"contents": "write"},
        "judged": {"contents": "write"},
        "gate": TELLS,
        "deploy-passed": DEPLOYS,
        "deploy-judged": DEPLOYS,
    },
}
FOLDER = "${{ inputs.working-directory }}"
HOLDOUT = {"HOLDOUT_ACCESS_KEY_ID", "HOLDOUT_SECRET_ACCESS_KEY", "HOLDOUT_SESSION_TOKEN"}
SIGNING = {"MLOPS_CI_SIGNING_KEY"}
SECRETS: dict[tuple[str, str], set[str]] = {
    ("gate-project.yml", "features"): HOLDOUT,
    ("gate-project.yml", "judge"): HOLDOUT,
    ("gate.yml", "project"): HOLDOUT,  # handed on to the two above
    ("release-project.yml", "gate"): HOLDOUT,  # the same
    ("release-project.yml", "passed"): SIGNING | HOLDOUT,
    ("release-project.yml", "judged"): SIGNING | HOLDOUT,
    ("release-project.yml", "deploy-passed"): SIGNING,  # handed on to promote
    ("release-project.yml", "deploy-judged"): SIGNING,
    ("release.yml", "project"): SIGNING | HOLDOUT,  # handed on to all of them
    ("promote.yml", "promote"): SIGNING,
}

every_workflow = pytest.mark.parametrize("name", WORKFLOWS)
every_action = pytest.mark.parametrize("name", ACTIONS)
every_file = pytest.mark.parametrize("path", [*WORKFLOWS.values(), *ACTIONS.values()], ids=lambda path: str(path)[-30:])


@every_workflow
def test_nothing_is_allowed_but_what_each_job_needs(name: str) -> None:
    assert read(WORKFLOWS[name])["permissions"] == {}
    assert {job: body["permissions"] for job, body in jobs(WORKFLOWS[name]).items()} == PERMISSIONS[name]


@every_workflow
def test_why_each_permission_is_needed_stands_beside_it(name: str) -> None:
    lines = [
        line for line in WORKFLOWS[name].read_text().splitlines() if re.match(r"      [a-z-]+: (read|write)", line)
    ]
    assert len(lines) == sum(len(one) for one in PERMISSIONS[name].values())
    assert [line for line in lines if " # " not in line] == []


@every_workflow
def test_secrets_reach_only_the_jobs_that_need_them(name: str) -> None:
    for job, body in jobs(WORKFLOWS[name]).items():
        found = set(re.findall(r"secrets\.(\w+)", str(body)))
        assert found == SECRETS.get((name, job), set()), job
        assert body.get("secrets") != "inherit"


def test_no_job_that_runs_the_changes_code_is_handed_a_token() -> None:
    for job in ("train", "predict"):
        body = str(jobs(WORKFLOWS["gate-project.yml"])[job])
        assert re.findall(r"secrets|github\.token|GITHUB_TOKEN|id-token", body) == []
    for verb in ("train", "predict"):
        if verb in ACTIONS:
            (step,) = steps(ACTIONS[verb])
            assert (step["env"]["GITHUB_TOKEN"], step["env"]["MLOPS_CI_SIGNING_KEY"]) == ("", "")


@pytest.mark.parametrize("name", CALLED)
def test_the_others_workflows_are_called_and_start_by_no_event(name: str) -> None:
    assert list(read(WORKFLOWS[name])["on"]) == ["workflow_call"]
    assert "concurrency" not in read(WORKFLOWS[name])  # the group of the one that calls would wait for itself


def test_the_projects_own_runs_for_changes_and_cancels_only_older_ones_of_these() -> None:
    ci = read(WORKFLOWS["ci.yml"])
    assert ci["on"] == {
        "push": {"branches": ["main"]},
        "pull_request": None,
        "merge_group": None,
        "workflow_dispatch": None,
    }
    assert ci["concurrency"]["cancel-in-progress"] == "${{ github.event_name == 'pull_request' }}"


def test_what_writes_to_an_environment_waits_its_turn_and_is_guarded() -> None:
    guarded = {
        (name, job): (body["environment"], body["concurrency"])
        for name in CALLED
        for job, body in jobs(WORKFLOWS[name]).items()
        if "environment" in body or "concurrency" in body
    }
    waits = {"cancel-in-progress": False, "queue": "max"}
    release = ("${{ inputs.release-environment }}", {"group": f"mlops-ci-release-{FOLDER}", **waits})
    group = "mlops-ci-deploy-${{ inputs.environment }}-${{ inputs.working-directory || inputs.model }}"
    promote = ("${{ inputs.environment }}", {"group": group, **waits})
    assert guarded == {
        ("release-project.yml", "passed"): release,
        ("release-project.yml", "judged"): release,
        ("promote.yml", "promote"): promote,
    }


@every_workflow
def test_a_checkout_leaves_no_token_and_has_all_history(name: str) -> None:
    for step in steps(WORKFLOWS[name]):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
            assert "ref" not in step["with"]
            assert name == "ci.yml" or step["with"]["fetch-depth"] == 0


def test_what_is_downloaded_from_a_fork_is_checked_out_nowhere() -> None:
    assert not any("checkout" in one for one in used(WORKFLOWS["comment.yml"]))
    predict = jobs(WORKFLOWS["gate-project.yml"])["predict"]["steps"]
    assert not any("checkout" in step.get("uses", "") for step in predict)


def test_a_job_that_runs_again_replaces_its_artifact_and_no_call_has_anothers() -> None:
    """Names of artifacts are taken for the whole run: by an earlier attempt, and by every other call of the workflow."""
    written, asked = [], []
    for name in CALLED:
        for step in steps(WORKFLOWS[name]):
            if "upload-artifact@" in step.get("uses", ""):
                assert step["with"]["overwrite"] is True, (name, step)
                written.append((name, step["with"]["name"]))
            if "download-artifact@" in step.get("uses", ""):
                asked.append((name, step["with"].get("name") or step["with"]["pattern"]))
    assert {name for name, _ in written} == {"gate-project.yml"}
    named = [artifact for _, artifact in written]
    assert len(set(named)) == len(named)
    assert [artifact for artifact in named if "-${{ inputs.key }}" not in artifact] == []
    inside = [artifact for name, artifact in asked if name == "gate-project.yml"]
    assert [artifact for artifact in inside if "-${{ inputs.key }}" not in artifact] == []
    assert [artifact for name, artifact in asked if name != "gate-project.yml"] == ["mlops-ci-gate-*"]
    for job in jobs(WORKFLOWS["gate-project.yml"]).values():
        legs = list(job.get("strategy", {}).get("matrix", ()))
        for step in job["steps"]:
            if legs and "upload-artifact@" in step.get("uses", ""):
                assert f"${{{{ matrix.{legs[0]} }}}}" in step["with"]["name"]


CACHES = {
    ("gate.yml", "affected"): "none",
    ("gate.yml", "verdict"): "none",
    ("gate-project.yml", "train"): "read",
    ("gate-project.yml", "features"): "none",
    ("gate-project.yml", "predict"): "none",
    ("gate-project.yml", "judge"): "none",
    ("gate-project.yml", "keep"): "none",
    ("release.yml", "affected"): "none",
    ("release-project.yml", "passed"): "write",
    ("release-project.yml", "judged"): "read",
}


def test_what_a_change_could_have_saved_is_the_start_of_no_job_that_is_trusted() -> None:
    """Any workflow of a pull request may save to its cache, whatever ours do: there, only a job that runs its code reads one."""
    found, from_cache = {}, {}
    for name in CALLED:
        for job, body in jobs(WORKFLOWS[name]).items():
            if "cache-mode" in body:
                found[name, job] = body["cache-mode"]
            for step in body.get("steps", ()):
                if "cache" in step.get("with", {}):
                    from_cache[name, job] = step["with"]["cache"]
                    assert step["with"]["cache-dependency-path"].split()[0] == ".github/workflows/*.y*ml"
    assert found == CACHES
    on_default_branch = "${{ github.ref_name == github.event.repository.default_branch && 'pip' || '' }}"
    assert from_cache == {
        ("gate-project.yml", "train"): "pip",
        ("release-project.yml", "passed"): on_default_branch,
        ("release-project.yml", "judged"): on_default_branch,
    }
    assert "secrets" not in str(jobs(WORKFLOWS["gate-project.yml"])["train"])


@every_workflow
def test_what_others_wrote_is_pinned_and_ours_comes_with_the_ref_that_runs(name: str) -> None:
    pins = {**PINNED, "actions/checkout": CHECKOUT}
    for one in used(WORKFLOWS[name]):
        if not one.startswith("$/"):
            owner, _, sha = one.partition("@")
            assert pins[owner] == sha
            assert re.search(rf"uses: {re.escape(one)} # v\d+\.\d+\.\d+$", WORKFLOWS[name].read_text(), re.MULTILINE)


@every_workflow
def test_every_input_that_a_step_gives_to_an_action_of_ours_is_one_of_its(name: str) -> None:
    for step in steps(WORKFLOWS[name]):
        action = re.fullmatch(r"\$/actions/([a-z]+)", step.get("uses", ""))
        if action:
            inputs = read(ACTIONS[action[1]])["inputs"]
            assert set(step.get("with", {})) <= set(inputs), action[1]
            assert {one for one, body in inputs.items() if body["required"]} <= set(step.get("with", {}))


@every_file
def test_no_expression_is_pasted_into_a_script(path: Path) -> None:
    scripts = [step for step in steps(path) if "run" in step]
    assert [step["run"] for step in scripts if "${{" in step["run"]] == []
    if path.name == "action.yml":
        assert {step["shell"] for step in scripts} == {"bash"}


@every_workflow
def test_every_job_ends(name: str) -> None:
    assert all("timeout-minutes" in body for body in jobs(WORKFLOWS[name]).values() if "uses" not in body)


def test_the_verdict_waits_for_every_job_and_is_skipped_only_where_there_is_nothing_to_say() -> None:
    every = jobs(WORKFLOWS["gate.yml"])
    assert set(every["verdict"]["needs"]) == set(every) - {"verdict"}
    nothing = "needs.affected.result == 'success' && needs.affected.outputs.any == 'false' && needs.project.result == 'skipped'"
    assert every["verdict"]["if"] == f"${{{{ always() && !({nothing}) }}}}"
    (step,) = every["verdict"]["steps"]
    assert step["env"]["NEEDS"] == "${{ toJSON(needs) }}"
    assert step["run"].startswith("printf '%s\\n' \"$NEEDS\"\n")
    ci = jobs(WORKFLOWS["ci.yml"])
    assert (set(ci["passed"]["needs"]), ci["passed"]["if"]) == (set(ci) - {"passed"}, "always()")


@every_action
def test_an_action_is_small_and_hands_its_inputs_on_as_data(name: str) -> None:
    action = read(ACTIONS[name])
    assert len(ACTIONS[name].read_text().splitlines()) <= 40
    assert (action["runs"]["using"], len(action["runs"]["steps"])) == ("composite", 1)
    (step,) = action["runs"]["steps"]
    assert step["run"] == f'"$GITHUB_ACTION_PATH/../run.sh" {name}'
    assert step["env"]["MLOPS_CI_INPUTS"] == "${{ toJSON(inputs) }}"
    assert all(set(body) == {"description", "required", "default"} for body in action["inputs"].values())
    outputs = {one: f"${{{{ steps.run.outputs.{one} }}}}" for one in action["outputs"]}
    assert {one: body["value"] for one, body in action["outputs"].items()} == outputs


def test_every_verb_that_promises_an_action_has_one() -> None:
    assert set(ACTIONS) == {"setup", *(verb.name for verb in all_verbs() if "action" in verb.surfaces)}


@every_workflow
def test_the_workflows_are_what_act_takes_for_valid(name: str, toolkit: Path, tmp_path: Path) -> None:
    command: list[Any] = [PLACE / "act", "--validate", "--strict", "-W", toolkit / ".github" / "workflows" / name]
    command += [part for label in LABELS for part in ("-P", f"{label}=-self-hosted")]
    done = subprocess.run(
        command,
        cwd=toolkit,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
