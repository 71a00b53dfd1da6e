"""What `init --ci github` writes calls this toolkit's workflows with inputs that they have and no more rights than they need."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from mlops_ci.governance.doctor.codeowners import find_owners, parse_codeowners
from mlops_ci.governance.doctor.gate_calls import find_gate_calls
from tests.support.consumer import Consumer, edit
from tests.support.git_calls import git_in
from tests.support.workflow_files import ACTIONS, WORKFLOWS, read

PLACE = Path(sys.executable).parent
NAMES = {f".github/workflows/mlops-{name}.yml" for name in ("gate", "release", "promote", "audit", "gc", "comment")}
LEVELS = ("none", "read", "write")


@pytest.fixture
def made(tmp_path: Path) -> Consumer:
    consumer = Consumer(tmp_path, tmp_path)
    consumer.ok("init", ".", "--template", "minimal", "--ci", "github", "--owner", "@acme/ml")
    return consumer


def workflows(consumer: Consumer) -> dict[str, Any]:
    return {path.name: read(path) for path in sorted((consumer.root / ".github" / "workflows").glob("*.yml"))}


def called(name: str) -> dict[str, Any]:
    return read(WORKFLOWS[name])


def needed(name: str) -> dict[str, str]:
    """What the jobs of a workflow of ours ask for together."""
    most: dict[str, str] = defaultdict(lambda: "none")
    for job in called(name)["jobs"].values():
        for scope, level in job["permissions"].items():
            most[scope] = max(most[scope], level, key=LEVELS.index)
    return dict(most)


def test_a_new_project_has_the_workflows_the_owners_and_the_policy_and_is_valid(made: Consumer) -> None:
    assert {path for path in NAMES if not (made.root / path).is_file()} == set()
    made.ok("validate")
    assert "policy: {trust: separated}" in (made.root / "mlops.yaml").read_text()
    owners = parse_codeowners((made.root / ".github" / "CODEOWNERS").read_text())
    for path in ("mlops.yaml", "models/diagnosis.yaml", "signers", *NAMES, ".github/CODEOWNERS"):
        assert find_owners(owners, path) == ("@acme/ml",), path
    assert find_owners(owners, "README.md") == ()


def test_the_callers_give_only_inputs_that_there_are_and_exactly_the_rights_that_are_asked_for(made: Consumer) -> None:
    for caller in workflows(made).values():
        assert caller["permissions"] == {}
        ((job),) = caller["jobs"].values()
        owner, _, name = job["uses"].rpartition("/")
        assert owner == "mlops-ci/mlops-ci/.github/workflows"
        name, _, ref = name.partition("@")
        assert ref == "v1"
        asked = called(name)["on"]["workflow_call"]
        assert set(job.get("with", {})) <= set(asked.get("inputs", {}))
        assert {one for one, body in asked["inputs"].items() if body.get("required")} <= set(job.get("with", {}))
        assert set(job.get("secrets", {})) <= set(asked.get("secrets", {}))
        assert job["permissions"] == needed(name)


def test_each_starts_by_its_events_and_waits_for_its_own_kind(made: Consumer) -> None:
    found = workflows(made)
    assert found["mlops-gate.yml"]["on"] == {
        "pull_request": None,
        "merge_group": {"types": ["checks_requested"]},
        "workflow_dispatch": None,
    }
    assert found["mlops-release.yml"]["on"] == {"push": {"branches": ["main"]}, "workflow_dispatch": None}
    assert found["mlops-comment.yml"]["on"] == {"workflow_run": {"workflows": ["mlops-gate"], "types": ["completed"]}}
    assert found["mlops-gate.yml"]["name"] == "mlops-gate"
    assert set(found["mlops-audit.yml"]["on"]) == {"schedule", "push", "workflow_dispatch"}
    assert set(found["mlops-gc.yml"]["on"]) == {"schedule", "workflow_dispatch"}
    inputs = found["mlops-promote.yml"]["on"]["workflow_dispatch"]["inputs"]
    assert inputs["environment"]["type"] == "environment"  # of any project: GitHub lists them
    cancels = {name: body["concurrency"]["cancel-in-progress"] for name, body in found.items()}
    assert cancels.pop("mlops-gate.yml") == "${{ github.event_name == 'pull_request' }}"
    assert set(cancels.values()) == {False}


def test_whoever_promotes_by_hand_is_asked_for_all_that_the_verbs_take(made: Consumer) -> None:
    """Given the inputs of the Actions deploy and rollback, then the form has each, and hands it on as it is."""
    set_up = {"env", "dry-run", "working-directory", "requirements", "requirements-from"}
    taken = {one for verb in ("deploy", "rollback") for one in read(ACTIONS[verb])["inputs"]}
    caller = workflows(made)["mlops-promote.yml"]
    asked = set(caller["on"]["workflow_dispatch"]["inputs"])
    assert asked == taken - set_up | {"environment", "rollback"}
    handed = {one: f"${{{{ inputs.{one} }}}}" for one in asked}
    assert caller["jobs"]["promote"]["with"] == handed
    for step in called("promote.yml")["jobs"]["promote"]["steps"]:
        verb = step.get("uses", "").removeprefix("$/actions/")
        if verb in ("deploy", "rollback"):
            inputs = read(ACTIONS[verb])["inputs"]
            given = {one: text for one, text in step["with"].items() if one not in ("env", "working-directory")}
            assert given == {one: f"${{{{ inputs.{one} }}}}" for one in inputs if one not in set_up}


def test_a_promotion_or_release_that_waits_is_never_replaced_by_the_next(made: Consumer) -> None:
    """Given GitHub's rule that a group keeps one run that waits, then what must not be lost asks for a queue."""
    groups = {name: body["concurrency"] for name, body in workflows(made).items()}
    assert {name for name, group in groups.items() if group.get("queue") == "max"} == {
        "mlops-promote.yml",
        "mlops-release.yml",
    }
    promote, release = groups["mlops-promote.yml"]["group"], groups["mlops-release.yml"]["group"]
    assert (
        "inputs.model" in promote
    )  # one project's promotion, which may wait for its reviewers, does not block another's
    assert "github.sha" in release


def test_the_linters_have_nothing_to_say(made: Consumer, tmp_path: Path) -> None:
    config = tmp_path / "zizmor.yml"  # the toolkit is asked for by its tag, until whoever uses it pins a commit
    config.write_text('rules: {unpinned-uses: {config: {policies: {"mlops-ci/*": ref-pin, "*": hash-pin}}}}\n')
    files = [str(made.root / path) for path in sorted(NAMES)]
    env = {"PATH": f"{PLACE}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}
    for command in (
        ["actionlint", "-no-color", "-shellcheck=", "-pyflakes=", *files],
        ["zizmor", "--offline", "--no-progress", "--persona", "pedantic", "--config", str(config), *files],
        ["check-jsonschema", "--builtin-schema", "vendor.github-workflows", *files],
    ):
        done = subprocess.run(command, cwd=made.root, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_project_in_a_folder_of_a_repository_gets_them_at_its_root(tmp_path: Path) -> None:
    git = git_in(tmp_path)
    git("init", "--quiet", "--initial-branch=trunk")
    (tmp_path / "ml").mkdir()
    (tmp_path / "ml" / "mlops.yaml").write_text(
        "apiVersion: mlops-ci/v1\nkind: Project\nmetadata: {name: p}\nspec: {environments: [dev, live]}\n"
    )
    consumer = Consumer(tmp_path, tmp_path)
    report = consumer.answer("init", "ml", "--ci", "github")["record"]
    assert "../.github/workflows/mlops-gate.yml" in report["written"]
    assert "in mlops.yaml, add below `spec`: policy: {trust: separated}" in report["next"]
    found = workflows(consumer)
    release = found["mlops-release.yml"]
    assert release["on"]["push"] == {"branches": ["trunk"]}
    assert release["jobs"]["release"]["with"] == {"deploy": True}
    text = (tmp_path / ".github" / "CODEOWNERS").read_text()
    assert parse_codeowners(text) == ()  # nobody owns anything until somebody is named
    assert "# /ml/**/*.yaml @YOUR-ORG/TEAM\n" in text
    again = consumer.answer("init", "ml", "--ci", "github")["record"]
    assert again["written"] == []


def test_a_second_project_is_gated_by_the_same_callers_and_owned_by_its_own_team(tmp_path: Path) -> None:
    """Given a repository with a project, when a second one is set up, then nothing of the first changes, and both are gated."""
    git_in(tmp_path)("init", "--quiet", "--initial-branch=main")
    consumer = Consumer(tmp_path, tmp_path)
    consumer.ok("init", "team-a", "--template", "minimal", "--ci", "github", "--owner", "@acme/a")
    before = {path: path.read_bytes() for path in sorted((tmp_path / ".github").rglob("*")) if path.is_file()}
    report = consumer.answer("init", "my team", "--template", "minimal", "--ci", "github", "--owner", "@acme/b")[
        "record"
    ]
    changed = [path.name for path, content in before.items() if path.read_bytes() != content]
    assert changed == ["CODEOWNERS"]
    assert [path for path in report["written"] if path.startswith("..")] == ["../.github/CODEOWNERS"]
    assert not any("working-directory" in step for step in report["next"])
    lines = parse_codeowners((tmp_path / ".github" / "CODEOWNERS").read_text())
    for path, owner in {
        "team-a/mlops.yaml": "@acme/a",
        "team-a/models/diagnosis.yaml": "@acme/a",
        "my team/mlops.yaml": "@acme/b",
        "my team/deploy/prod.yaml": "@acme/b",
        ".github/workflows/mlops-gate.yml": "@acme/a",
    }.items():
        assert find_owners(lines, path) == (owner,), path
    (call,) = find_gate_calls(workflows(consumer)["mlops-gate.yml"])
    assert [call.evaluates(folder) for folder in ("team-a", "my team")] == [True, True]
    assert consumer.answer("init", "my team", "--ci", "github", "--owner", "@acme/c")["record"]["written"] == []


def test_a_caller_that_names_another_projects_folder_is_kept_and_told(tmp_path: Path) -> None:
    git_in(tmp_path)("init", "--quiet", "--initial-branch=main")
    consumer = Consumer(tmp_path, tmp_path)
    consumer.ok("init", "team-a", "--ci", "github")
    caller = tmp_path / ".github" / "workflows" / "mlops-gate.yml"
    caller.write_text(caller.read_text() + "    with: {working-directory: team-a}\n")
    step = "in .github/workflows/mlops-gate.yml, delete `working-directory`: the gate then evaluates every project"
    assert step in consumer.answer("init", "team-b", "--ci", "github")["record"]["next"]
    assert step not in consumer.answer("init", "team-a", "--ci", "github")["record"]["next"]
    (tmp_path / "CODEOWNERS").write_text("* @acme/all\n")
    (tmp_path / ".github" / "CODEOWNERS").unlink()
    consumer.ok("init", "team-c", "--ci", "github", "--owner", "@acme/c")  # GitHub reads the first file that there is
    assert not (tmp_path / ".github" / "CODEOWNERS").exists()
    assert (tmp_path / "CODEOWNERS").read_text().startswith("* @acme/all\n\n# team-c\n/team-c/**/*.yaml @acme/c\n")


COMMAND = re.compile(r"^\$ (.*)$", re.MULTILINE)


def test_the_page_for_pull_requests_is_followed(made: Consumer, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Given a new repository, when somebody does what the page says, from the first gate to the rollback, then each command works."""
    page = (made.root / ".github" / "PULL_REQUESTS.md").read_text()
    origin = tmp_path_factory.mktemp("origin")
    git_in(origin)("init", "--quiet", "--bare", "--initial-branch=main")
    made.git("remote", "add", "origin", str(origin))
    edit(
        made, "mlops.yaml", "policy: {trust: separated}", "policy: {trust: local}"
    )  # the commands are given on one machine
    made.commit("Start")
    made.git("push", "--quiet", "--set-upstream", "origin", "main")
    commands = COMMAND.findall(page)
    assert {line.split()[1] for line in commands} >= {"gate", "release", "deploy", "rollback", "audit", "doctor"}
    for line in commands:
        words = shlex.split(line.replace("MODEL", "diagnosis").replace("ENV", "staging"))
        if words[1] == "rollback":  # there is something to roll back to
            edit(made, "models/diagnosis.yaml", "{max_iter: 1000}", "{max_iter: 1000, C: 0.5}")
            made.commit("Better")
            made.git("pull", "--quiet", "--rebase")  # the deployment's manifests
            made.git("push", "--quiet")
            for again in (["gate", "diagnosis"], ["release", "diagnosis"], ["deploy", "diagnosis", "--env", "staging"]):
                made.ok(*again)
        done = made.run(*words[1:])
        assert done.returncode == 0, (line, done.stdout, done.stderr)


def test_the_page_names_the_jobs_and_workflows_that_there_are(made: Consumer) -> None:
    page = (made.root / ".github" / "PULL_REQUESTS.md").read_text()
    names = {re.sub(r"\$\{\{ matrix\.models? \}\}", "MODEL", body["name"]) for name in ("gate", "gate-project")
             for body in called(f"{name}.yml")["jobs"].values() if "uses" not in body}  # fmt: skip
    rows = re.findall(r"^\| ([^|]+) \|", page, re.MULTILINE)
    assert {name for row in rows[1:] for name in row.split(", ")} == names
    assert set(re.findall(r"`(mlops-[a-z]+)`", page)) - {"mlops-ci"} <= {
        body["name"] for body in workflows(made).values()
    }


@pytest.mark.parametrize("args", [["--owner", "@acme/ml"], ["--ci", "github", "--owner", "acme ml\n* @eve"]])
def test_owners_that_do_not_fit_are_usage_problems(tmp_path: Path, args: list[str]) -> None:
    consumer = Consumer(tmp_path, tmp_path)
    assert consumer.answer("init", *args, code=2)["diagnostics"][0]["id"] == "init-options"


def test_every_kind_of_start_keeps_the_policy_valid(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b,y\n" + "".join(f"{n},{n % 7},{n % 2}\n" for n in range(60)))
    for number, args in enumerate((["--from", "../x.csv", "--target", "y"], [])):
        folder = tmp_path / str(number)
        folder.mkdir()
        consumer = Consumer(folder, folder)
        consumer.ok("init", ".", *args, "--ci", "github")
        consumer.ok("validate")
