"""Two projects of one repository, made from one template: nothing of the one is taken for the other's."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from mlops_ci.core.errors import Findings
from mlops_ci.core.records.base import ProjectRef
from mlops_ci.registry.holdout_ledger import read_ledger
from mlops_ci.registry.state import read_registry
from mlops_ci.repository.git import find_repository
from mlops_ci.repository.project_identity import ProjectIdentity, find_owner
from mlops_ci.spec.spec_types import FormerProject
from tests.governance.test_unverified_events import push_rogue
from tests.support.consumer import Consumer, copy_of, edit, home_of_ada
from tests.support.git_calls import git_in
from tests.support.keys import Keys
from tests.support.shop import HEAD
from tests.support.signed_world import World

FRAUD, CHURN = "teams/fraud", "teams/churn"


@pytest.fixture(scope="module")
def world_of_two(tmp_path_factory: pytest.TempPathFactory) -> Consumer:
    """The projects fraud and churn. Fraud's model is released and runs in staging; churn's has the same name."""
    with home_of_ada(tmp_path_factory):
        root = tmp_path_factory.mktemp("two")
        git_in(root)("init", "--quiet", "--bare", "origin.git")
        git_in(root)("clone", "--quiet", "origin.git", "clone")
        made = Consumer(root / "clone", root / "origin.git")
        for folder in (FRAUD, CHURN):
            made.ok("init", folder, "--template", "minimal")
        made.commit("start")
        made.git("push", "--quiet", "--set-upstream", "origin", "main")
        made.ok("gate", "-C", FRAUD)
        made.ok("release", "-C", FRAUD)
        made.ok("deploy", "diagnosis", "--env", "staging", "-C", FRAUD)
        made.git("pull", "--quiet")
    return made


@pytest.fixture
def two(world_of_two: Consumer, tmp_path: Path) -> Consumer:
    return copy_of(world_of_two, tmp_path)


def first(two: Consumer, *args: str, code: int) -> dict[str, str]:
    found: dict[str, str] = next(
        one for one in two.answer(*args, code=code)["diagnostics"] if one["severity"] == "error"
    )
    return found


def push(two: Consumer, message: str) -> None:
    two.commit(message)
    two.git("push", "--quiet")


@pytest.mark.parametrize(
    "command",
    [
        "train",
        "gate",
        "compare",
        "gate --power",
        "release",
        "deploy diagnosis --env staging",
        "deploy diagnosis@1.0.0 --env staging --force --reason mine",
        "rollback diagnosis --env staging --reason mine",
        "retire diagnosis --reason mine",
        "retire diagnosis@1.0.0 --reason mine",
        "retire diagnosis --env staging --reason mine",
        "approve diagnosis@1.0.0 --env prod",
        "fetch diagnosis@1.0.0 fetched",
        "predict diagnosis@1.0.0 data/patients.csv --out predicted.csv",
        "reproduce diagnosis@1.0.0",
        "diff diagnosis@1.0.0 diagnosis@staging",
        "show diagnosis",
        "show diagnosis --at 2100-01-01",
        "show diagnosis --runs",
        "history diagnosis",
    ],
)
def test_a_verb_refuses_the_model_of_another_project(two: Consumer, command: str) -> None:
    """Given fraud's model, when a verb is asked for churn's of the same name, then it names fraud, and nothing is written."""
    before = two.published()
    found = first(two, *command.split(), "-C", CHURN, code=1)
    assert found["id"] == "model-of-another-project"
    assert "'diagnosis' is a model of project 'fraud' in teams/fraud: diagnosis@v1.0.0 names it" in found["message"]
    assert "formerly: [{name: fraud, path: teams/fraud}]" in found["help"]
    assert two.published() == before
    assert not two.git("status", "--porcelain")


def test_the_way_to_the_other_project_starts_in_this_ones_folder(two: Consumer) -> None:
    """Given the help of a refusal, when its -C is given in the refused project's folder, then the command answers."""
    (place,) = re.findall(r"-C (\S+)\.\s", first(two, "history", "diagnosis", "-C", CHURN, code=1)["help"])
    assert place == "../fraud"
    assert "v1.0.0" in Consumer(two.root / CHURN, two.origin).ok("history", "diagnosis", "-C", place)


def test_lists_leave_other_projects_apart(two: Consumer) -> None:
    """Given fraud's release, when churn lists its own, then fraud's is named and not shown; at the top all are shown."""
    for verb in (("show",), ("history",), ("show", "--at", "2100-01-01"), ("history", "--at", "diagnosis@v1.0.0")):
        said = two.ok(*verb, "-C", CHURN)
        assert "v1.0.0" not in said
        assert "not shown: diagnosis of project 'fraud' in teams/fraud" in said
        assert "v1.0.0" in two.ok(*verb, "-C", FRAUD)
        assert "v1.0.0" in two.ok(*verb)
    (other,) = two.answer("show", "-C", CHURN)["record"]["others"]
    assert other == {"name": "fraud", "path": FRAUD, "models": ["diagnosis"]}
    assert "diagnosis" in two.ok("show", "--runs", "-C", FRAUD)
    assert "this clone has no runs" in two.ok("show", "--runs", "-C", CHURN)


def test_an_audit_in_another_project_finds_nothing_wrong(two: Consumer) -> None:
    two.run("doctor", "-C", FRAUD)  # asks the remote for its default branch, which the audit does not
    for folder in (FRAUD, CHURN, "."):
        assert two.answer("audit", "-C", folder)["diagnostics"] == []


def test_a_model_of_a_project_that_the_branch_has_no_more(two: Consumer) -> None:
    """Given fraud's folder deleted, then its model has an unknown project; churn's spec of its name makes its events foreign."""
    two.run("doctor", "-C", FRAUD)  # asks the remote for its default branch, which the audit does not
    two.git("rm", "-r", "--quiet", FRAUD)
    push(two, "Delete fraud")
    assert {one["id"] for one in two.answer("audit", "-C", CHURN, code=1)["diagnostics"]} >= {"audit-project-foreign"}
    edit(two, f"{CHURN}/models/diagnosis.yaml", "name: diagnosis", "name: leaving")
    for environment in ("staging", "prod"):
        edit(two, f"{CHURN}/deploy/{environment}.yaml", "model: diagnosis", "model: leaving")
    push(two, "Rename churn's")
    found = two.answer("audit", "-C", CHURN, code=1)["diagnostics"]
    assert [one["severity"] for one in found if one["id"] == "audit-project-unknown"] == ["warning"]


def test_gc_deletes_no_run_of_another_project(two: Consumer) -> None:
    """Given a run of fraud that was never released, when churn deletes old runs, then that one stays; fraud deletes it."""
    tree = two.git("rev-parse", "refs/mlops/releases/diagnosis/v1.0.0^{tree}")
    ref = f"refs/mlops/runs/diagnosis/{'0' * 32}"
    two.git("update-ref", ref, two.git("commit-tree", tree, "-m", "a run"))
    two.git("push", "--quiet", "origin", ref)
    assert two.answer("gc", "--keep", "0s", "-C", CHURN)["record"]["runs"]["kept"]["of another project"] == 1
    assert ref in two.published()
    two.ok("gc", "--keep", "0s", "-C", FRAUD)
    assert ref not in two.published()


def test_a_run_of_another_project_is_not_used(two: Consumer) -> None:
    """Given a clone that has fraud's run and not its events, when churn trains the same, then the run is not taken for its own."""
    for ref in two.git("for-each-ref", "--format=%(refname)", "refs/tags", "refs/mlops/log").split():
        two.git("update-ref", "-d", ref)
    two.git("fetch", "--quiet", "--no-tags", "origin", "refs/mlops/runs/*:refs/mlops/runs/*")
    assert first(two, "train", "-C", CHURN, code=1)["id"] == "run-of-another-project"
    two.ok("train", "-C", FRAUD)


def test_names_are_unique_over_all_projects(two: Consumer) -> None:
    """Given two projects from one template, when either is validated, then each shared name is an error that names the other."""
    found = two.answer("validate", "-C", CHURN, code=2)["diagnostics"]
    assert [(one["id"], one["location"]["path"]) for one in found] == [
        ("spec-name-taken", "data/patients.yaml"),
        ("spec-name-taken", "models/diagnosis.yaml"),
    ]
    assert "has a Model 'diagnosis', too: teams/fraud/models/diagnosis.yaml:" in found[1]["message"]
    assert re.search(r"models/diagnosis.yaml:\d+:\d+$", found[1]["message"])
    assert found[1]["location"]["line"] > 1
    two.git("status")  # git leaves files that it takes for changed, as those of a copied clone
    two.git("sparse-checkout", "set", CHURN)
    assert not (two.root / FRAUD / "models/diagnosis.yaml").exists()
    assert two.answer("validate", "-C", CHURN, code=2)["diagnostics"] == found
    edit(two, f"{CHURN}/mlops.yaml", "name: churn", "name: fraud")
    places = [one["location"]["path"] for one in two.answer("validate", "-C", CHURN, code=2)["diagnostics"]]
    assert "mlops.yaml" in places


def test_init_warns_of_the_names_that_another_project_has(two: Consumer) -> None:
    """Given two projects from a template, when a third one is made from it, then init names each name that is taken, and by whom."""
    made = two.answer("init", "teams/third", "--template", "minimal")
    found = {one["location"]["path"]: one["message"] for one in made["diagnostics"]}
    assert {one["id"] for one in made["diagnostics"]} == {"spec-name-taken"}
    assert set(found) == {"data/patients.yaml", "models/diagnosis.yaml"}
    assert "teams/fraud has a Model 'diagnosis', too" in found["models/diagnosis.yaml"]
    assert made["record"]["next"][1] == "give the specs that are named above other names"


def test_the_gate_warns_of_a_name_and_refuses_the_project_that_comes_second(two: Consumer) -> None:
    """Given names that the base has twice, then the gate warns; a project that only the change has is refused untrained."""
    found = two.answer("gate", "-C", FRAUD)["diagnostics"]
    assert [one["severity"] for one in found if one["id"] == "spec-name-taken"] == ["warning", "warning"]
    two.git("switch", "--quiet", "--create", "third")
    shutil.copytree(two.root / CHURN, two.root / "teams/third")
    edit(two, "teams/third/mlops.yaml", "name: churn", "name: third")
    two.commit("A third project")
    refused = two.answer("gate", "-C", "teams/third", code=1)["diagnostics"]
    assert {(one["id"], one["severity"]) for one in refused} == {("spec-name-taken", "error")}


def test_a_project_that_is_moved_and_renamed_says_so_and_goes_on(two: Consumer) -> None:
    """Given fraud in another folder under another name, when mlops.yaml names what it was, then its history goes on."""
    two.git("mv", FRAUD, "risk")
    edit(two, "risk/mlops.yaml", "name: fraud", "name: risk")
    push(two, "Move fraud")
    assert first(two, "release", "-C", "risk", code=1)["id"] == "model-of-another-project"
    edit(two, "risk/mlops.yaml", "spec:\n", "spec:\n  formerly: [{name: fraud, path: teams/fraud}]\n")
    assert first(two, "deploy", "diagnosis", "--env", "prod", "-C", "risk", code=1)["id"] == "project-not-on-branch"
    push(two, "Say what it was")
    two.ok("deploy", "diagnosis", "--env", "prod", "-C", "risk")
    assert "v1.0.0" in two.ok("show", "-C", "risk")
    refused = first(two, "history", "diagnosis", "-C", CHURN, code=1)
    assert "'diagnosis' is a model of project 'risk' in risk: diagnosis#prod#2 names it" in refused["message"]
    assert refused["help"].endswith("formerly: [{name: fraud, path: teams/fraud}, {name: risk, path: risk}]")
    assert two.answer("release", "-C", "risk")["record"]["models"][0]["state"] == "unchanged"
    assert two.answer("audit", "-C", "risk")["diagnostics"] == []
    assert (
        first(two, "deploy", "diagnosis", "--env", "staging", "-C", CHURN, code=1)["id"] == "model-of-another-project"
    )
    assert '"project":{"name":"risk","path":"risk"}' in two.git("cat-file", "tag", "diagnosis#prod#2")


def test_an_event_by_plain_git_gives_a_model_to_no_other_project(two: Consumer, keys: Keys) -> None:
    """Given an event of fraud's model that names churn, then fraud goes on, churn gets nothing, and `audit` reports that event alone."""
    repo = find_repository(two.root)
    assert repo is not None
    push_rogue(World(repo, two.origin, keys), 2, "diagnosis", project=ProjectRef("churn", CHURN))
    errors = {
        one["id"]
        for one in two.answer("audit", "--branch", "main", code=1)["diagnostics"]
        if one["severity"] == "error"
    }
    assert errors == {"audit-project-foreign"}
    found = first(two, "deploy", "diagnosis", "--env", "prod", "-C", FRAUD, code=1)
    assert found["id"] == "event-unverified"
    assert "names project 'churn' in teams/churn, but 'diagnosis' is a model of project 'fraud'" in found["message"]
    gone = two.answer("retire", "diagnosis", "--env", "staging", "--reason", "x", "-C", FRAUD)
    assert gone["record"]["tags"] == ["diagnosis#staging!#3"]
    assert first(two, "retire", "diagnosis", "--reason", "x", "-C", CHURN, code=1)["id"] == "model-of-another-project"
    two.git("fetch", "--quiet", "origin")
    foreign = [
        one["message"]
        for one in two.answer("audit", "--branch", "main", code=1)["diagnostics"]
        if one["id"] == "audit-project-foreign"
    ]
    assert len(foreign) == 1
    assert foreign[0].startswith("diagnosis#staging#2 names project 'churn'")


def test_the_first_event_says_whose_a_model_is_unless_a_project_continues_it() -> None:
    ours, theirs = (ProjectIdentity(ProjectRef(name, name)) for name in ("ours", "theirs"))
    heir = ProjectIdentity(ProjectRef("heir", "heir"), (FormerProject("ours", "ours", ("delay",)),))
    assert find_owner([theirs, ours], "delay", ("ours", "ours")) is ours
    assert find_owner([ours, heir], "delay", ("ours", "ours")) is heir
    assert find_owner([heir, ours], "cancel", ("ours", "ours")) is ours
    assert find_owner([ours, heir], "delay", ("gone", "gone")) is None


def test_a_model_moves_to_another_project(two: Consumer) -> None:
    """Given fraud's model in churn's folder, when churn names it and where it came from, then churn goes on with that model alone."""
    shutil.rmtree(two.root / FRAUD / "models")
    shutil.rmtree(two.root / FRAUD / "deploy")
    edit(two, f"{FRAUD}/data/patients.yaml", "name: patients", "name: persons")
    edit(two, f"{CHURN}/mlops.yaml", "spec:\n", f"spec:\n  formerly: [{{name: fraud, path: {FRAUD}}}]\n")
    assert first(two, "validate", "-C", CHURN, code=2)["id"] == "project-not-former"
    edit(two, f"{CHURN}/mlops.yaml", f"path: {FRAUD}", f"path: {FRAUD}, models: [diagnosis]")
    two.ok("validate", "-C", CHURN)
    two.ok("history", "diagnosis", "-C", CHURN)
    edit(two, f"{FRAUD}/mlops.yaml", "spec:\n", "spec:\n  formerly: [{name: old, path: old}]\n")
    edit(two, f"{CHURN}/mlops.yaml", "formerly: [", "formerly: [{name: old, path: old}, ")
    assert (
        "the project in teams/churn continues the history of 'old'"
        in first(two, "validate", "-C", FRAUD, code=2)["message"]
    )


def test_the_manifests_of_a_model_that_moved_are_expected_in_its_new_project(two: Consumer) -> None:
    """Given fraud's model in churn's folder, when its manifests stay where they were, then `audit` names both folders; moved, none."""
    shutil.rmtree(two.root / FRAUD / "models")
    edit(two, f"{FRAUD}/data/patients.yaml", "name: patients", "name: persons")
    for environment in ("staging", "prod"):
        (two.root / FRAUD / f"deploy/{environment}.yaml").unlink()
    edit(
        two,
        f"{CHURN}/mlops.yaml",
        "spec:\n",
        f"spec:\n  formerly: [{{name: fraud, path: {FRAUD}, models: [diagnosis]}}]\n",
    )
    push(two, "Move the model")
    found = {(one["id"], one["about"]) for one in two.answer("audit", "--branch", "main", code=1)["diagnostics"]}
    assert found == {
        ("audit-manifest-changed", "refs/tags/diagnosis#staging#1"),
        ("audit-manifest-unassigned", f"main:{FRAUD}/deploy/staging/diagnosis"),
    }
    (two.root / CHURN / "deploy/staging").mkdir()
    two.git("mv", f"{FRAUD}/deploy/staging/diagnosis", f"{CHURN}/deploy/staging/diagnosis")
    push(two, "Move its manifests, too")
    assert two.answer("audit", "--branch", "main")["diagnostics"] == []


def test_a_project_inside_of_another_is_refused(two: Consumer) -> None:
    """Given a project around others, then every command stops; `init` makes none around, and none inside."""
    for folder in (".", f"{FRAUD}/inside"):
        assert first(two, "init", folder, "--template", "minimal", code=2)["id"] == "project-nested"
    assert not two.git("status", "--porcelain")
    two.ok("init", FRAUD)  # its own
    (two.root / "mlops.yaml").write_text(HEAD.format(kind="Project", name="around") + "spec: {}\n")
    for verb in ("validate", "gate", "deploy diagnosis --env staging"):
        assert first(two, *verb.split(), "-C", FRAUD, code=2)["id"] == "project-nested"
        assert first(two, *verb.split(), code=2)["id"] == "project-duplicate"


def test_a_ledger_of_another_project_is_not_charged(two: Consumer) -> None:
    """Given a ledger with an evaluation for fraud, when churn's dataset of the same name is evaluated, then that is refused."""
    entry = {
        "dataset": "patients",
        "epoch": 1,
        "holdoutDigest": "0" * 64,
        "modelDigest": "1" * 64,
        "model": "diagnosis",
        "run": "2" * 32,
        "askedOn": "2026-01-01T00:00:00+00:00",
        "project": {"name": "fraud", "path": FRAUD},
        "kind": "Question",
        "format": 1,
    }
    repo = find_repository(two.root)
    assert repo is not None
    (two.root / "question.json").write_text(json.dumps(entry))
    blob = two.git("hash-object", "-w", "question.json")
    tree = repo.run("mktree", stdin=f"100644 blob {blob}\tquestion.json\n".encode()).text
    two.git("update-ref", "refs/mlops/ledger/patients/1", two.git("commit-tree", tree, "-m", "asked"))
    fraud, churn = (ProjectIdentity(ProjectRef(name, f"teams/{name}")) for name in ("fraud", "churn"))
    assert len(read_ledger(repo, "patients", 1, fraud).questions) == 1
    with pytest.raises(Findings, match="counts evaluations for project 'fraud' in teams/fraud") as refused:
        read_ledger(repo, "patients", 1, churn)
    assert refused.value.diagnostics[0].id == "dataset-of-another-project"
    moved = ProjectIdentity(ProjectRef("risk", "risk"), (FormerProject("fraud", FRAUD),))
    assert len(read_ledger(repo, "patients", 1, moved).questions) == 1
    assert "diagnosis" in read_registry(repo, moved).split_by_owner()[0].models
