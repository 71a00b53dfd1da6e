"""What an audit says of a registry that is whole, wherever it is asked, and of one that others had a hand in."""

from __future__ import annotations

import contextlib
import io
import json
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops_ci.cli.main import run_command_line
from mlops_ci.repository.git import Repository
from mlops_ci.repository.git_values import Person
from tests.governance.audit.conftest import SIGNING, Keys
from tests.support.attacker import Attacker, audit
from tests.support.consumer import Done
from tests.support.forge import forge
from tests.support.git_calls import git_in

FLOORS = b"      - {metric: auc, min: 0.7}\n"


def said(*args: str) -> Done:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run_command_line(["audit", *args])
    return Done(code, out.getvalue(), err.getvalue())


@pytest.mark.slow
def test_a_mirror_of_five_hundred_signed_events_has_no_breaks(tmp_path: Path, keys: Keys) -> None:
    files = {".mlops/allowed_signers": keys.signers}
    forge(tmp_path / "repo", 500, key=keys.ada, project=SIGNING, files=files)
    subprocess.run(["git", "clone", "--quiet", "--mirror", "repo", "mirror.git"], cwd=tmp_path, check=True)

    found = audit(tmp_path / "mirror.git")

    assert (found.code, found.breaks) == (0, ())
    told = {name: found.record[name] for name in ("events", "signatures", "runs", "files", "manifests")}
    assert told == {"events": 500, "signatures": 500, "runs": 128, "files": 640, "manifests": 32}


def test_a_clone_with_the_registry_is_audited_against_its_remotes_branch(world: Path, tmp_path: Path) -> None:
    git = git_in(tmp_path)
    git("clone", "--quiet", "--config", "remote.origin.fetch=refs/mlops/*:refs/mlops/*", str(world), "clone")
    (tmp_path / "clone" / "mlops.yaml").unlink()
    git_in(tmp_path / "clone")("commit", "--quiet", "--all", "-m", "mine alone")

    found = audit(tmp_path / "clone")
    assert (found.code, found.ids) == (
        3,
        {"default-branch-unknown"},
    )  # refs/remotes/origin/HEAD is not the remote's word

    found = audit(tmp_path / "clone", "--branch", "main")
    assert (found.code, found.breaks) == (0, ())
    assert (found.record["branch"], found.record["commit"]) == ("main", git_in(world)("rev-parse", "main"))


def test_a_plain_clone_is_told_what_it_lacks_and_nothing_else(world: Path, tmp_path: Path) -> None:
    git_in(tmp_path)("clone", "--quiet", str(world), "clone")
    found = audit(tmp_path / "clone", "--branch", "main")
    assert (found.code, found.ids, len(found.breaks)) == (3, {"registry-not-fetched"}, 1)
    command = found.breaks[0]["help"].partition(": ")[2]
    git_in(tmp_path / "clone")(*shlex.split(command)[1:])
    assert audit(tmp_path / "clone", "--branch", "main").code == 0


def test_what_the_remote_lacks_too_is_gone(world: Path, tmp_path: Path) -> None:
    for name in ("origin", "clone"):
        git_in(tmp_path)("clone", "--quiet", "--mirror", str(world if name == "origin" else tmp_path / "origin"), name)
        git_in(tmp_path / name)("update-ref", "-d", "refs/tags/model-0@v1.0.0")
    assert audit(tmp_path / "clone").names("audit-tag-missing", "model-0@v1.0.0")


def test_what_a_remote_that_is_gone_has_is_not_known(world: Path, tmp_path: Path) -> None:
    git_in(tmp_path)("clone", "--quiet", str(world), "clone")
    git_in(tmp_path / "clone")("remote", "set-url", "origin", str(tmp_path / "gone"))
    found = audit(tmp_path / "clone")
    assert (found.code, found.ids) == (3, {"registry-not-fetched"})
    assert "cannot be asked whether it has them" in found.breaks[0]["message"]


def test_one_model_is_audited_alone(attacker: Attacker) -> None:
    attacker.point("refs/tags/model-1@v1.0.0", None)
    assert attacker.audit("model-0").code == 0
    assert attacker.audit("model-1").names("audit-tag-missing", "model-1@v1.0.0")
    unknown = attacker.audit("model-2")
    assert (unknown.code, unknown.ids) == (2, {"model-unknown"})


def test_a_repository_without_a_registry_has_nothing_to_break(repo: Repository) -> None:
    assert audit(repo.root).code == 0


def test_the_report_says_how_much_was_verified(world: Path) -> None:
    found = said("-C", str(world))
    assert found.returncode == 0
    head = git_in(world)("rev-parse", "refs/mlops/log/model-0")
    assert "16 events of 2 models, 16 signatures, 0 approvals, 16 manifests" in found.stdout
    assert "4 released runs with 20 model files" in found.stdout
    assert head in found.stdout


def test_every_format_points_at_the_ref(attacker: Attacker) -> None:
    attacker.point("refs/tags/model-0#prod#2", None)

    text = said("-C", str(attacker.root)).stdout
    assert "error[audit-tag-missing]" in text
    assert " --> refs/tags/model-0#prod#2\n" in text
    assert (
        "::error file=models/model-0.yaml,title=audit-tag-missing::"
        in said("-C", str(attacker.root), "--format", "github").stdout
    )
    log = json.loads(said("-C", str(attacker.root), "--format", "sarif").stdout)
    result = next(item for item in log["runs"][0]["results"] if item["ruleId"] == "audit-tag-missing")
    assert result["locations"] == [
        {
            "physicalLocation": {"artifactLocation": {"uri": "models/model-0.yaml", "uriBaseId": "%SRCROOT%"}},
            "logicalLocations": [{"fullyQualifiedName": "refs/tags/model-0#prod#2", "kind": "resource"}],
        }
    ]


# policies


def test_a_policy_that_moved_on_is_a_warning(attacker: Attacker) -> None:
    spec = (attacker.root / "models" / "model-0.yaml").read_bytes()
    floors = b"      - {metric: auc, min: 0.99}\n      - {metric: auc, against: champion, test: superiority}\n"
    attacker.push({"models/model-0.yaml": spec.replace(FLOORS, floors)})

    found = attacker.audit()

    assert (found.code, found.ids) == (0, {"audit-policy-drift"})
    older, warning = found.breaks  # v1.0.0 runs in staging still
    assert "model-0@v1.0.0 passed" in older["message"]
    assert warning["severity"] == "warning"
    assert "model-0@v1.0.1 passed under policy" in warning["message"]
    assert "auc: at least 0.99, but the recorded value is 0." in warning["message"]
    assert "auc: better than the champion: the gate did not test it" in warning["message"]
    assert warning["location"]["path"] == "models/model-0.yaml"


def test_a_policy_that_only_became_milder_is_none(attacker: Attacker) -> None:
    spec = (attacker.root / "models" / "model-0.yaml").read_bytes()
    attacker.push({"models/model-0.yaml": spec.replace(FLOORS, FLOORS.replace(b"0.7", b"0.5"))})
    assert attacker.audit().breaks == ()


# signatures and tags of other tools


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    forge(tmp_path / "plain", 6, models=1)
    return tmp_path / "plain"


def test_events_before_signing_began_are_vouched_for_by_the_first_that_is_signed(keys: Keys, tmp_path: Path) -> None:
    forge(
        tmp_path / "later",
        8,
        models=1,
        key=keys.ada,
        signed_from=3,
        project=SIGNING,
        files={".mlops/allowed_signers": keys.signers},
    )
    found = audit(tmp_path / "later")
    assert (found.code, found.ids) == (0, {"audit-signature-missing"})
    assert [item["severity"] for item in found.breaks] == ["warning"] * 3


def test_tags_that_another_tool_made_before_are_a_note(plain: Path) -> None:
    git = git_in(plain)
    first = git("rev-list", "--max-parents=0", "main")
    for model, date in (("model-0", "1600000000"), ("other", "1900000000")):
        command = ["git", "tag", "-a", "-m", "Registering", f"{model}@v0.0.1", first]
        subprocess.run(command, cwd=plain, check=True, env=_dated(plain, date))
    found = audit(plain)
    assert found.ids >= {"audit-tag-foreign"}
    assert {item["severity"] for item in found.breaks if item["id"] == "audit-tag-foreign"} == {"note"}


def test_a_tag_that_another_tool_made_since_is_an_error(plain: Path) -> None:
    command = ["git", "tag", "-a", "-m", "Registering", "model-0#prod#7"]
    subprocess.run(command, cwd=plain, check=True, env=_dated(plain, "1900000000"))
    assert audit(plain).names("audit-tag-foreign", "model-0#prod#7")


def _dated(folder: Path, seconds: str) -> dict[str, str]:
    names = ("AUTHOR", "COMMITTER")
    people = {f"GIT_{name}_{what}": f"{what}@example.org" for name in names for what in ("NAME", "EMAIL")}
    return {"PATH": "/usr/bin:/bin", "HOME": str(folder), "GIT_COMMITTER_DATE": f"@{seconds} +0000", **people}


# whatever is done to a ref, it is found


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("small") / "repo"
    forge(root, 10, models=2)
    return root


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_ref_is_deleted_moved_or_replaced_unseen(small: Path, tmp_path: Path, data: st.DataObject) -> None:
    root = tmp_path / "copy"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(small, root)
    git = git_in(root)
    listing = [line.split() for line in git("for-each-ref", "--format=%(refname) %(objectname)").splitlines()]
    refs = {
        name: oid for name, oid in listing if name.startswith(("refs/tags/", "refs/mlops/log/", "refs/mlops/releases/"))
    }
    ref = data.draw(st.sampled_from(sorted(refs)))
    others = sorted({*refs.values(), git("rev-parse", "main")} - {refs[ref]})
    oid = data.draw(st.none() | st.sampled_from(others))
    if oid is None:
        git("update-ref", "-d", ref)
    else:
        git("update-ref", ref, oid)

    found = audit(root)

    assert found.code == 1
    name = ref.rpartition("/")[2] if ref.startswith("refs/tags/") else ref
    told = str([item for item in found.breaks if item["severity"] == "error"])
    assert name in told or "audit-tag-unlogged" in told  # a log that was cut is told by what it lacks


def test_the_forged_registry_is_whole_to_git_too(small: Path) -> None:
    done = subprocess.run(
        ["git", "fsck", "--strict", "--no-dangling"], cwd=small, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


# what git cannot tell


def test_objects_are_looked_up_in_the_order_asked_for(attacker: Attacker) -> None:
    repo = attacker.repo
    blob = repo.write_blob(b"four")
    found = repo.read_object_infos([blob, "f" * 40, "HEAD:no such file", "HEAD"])
    assert [one and (one.type, one.size) for one in (found[0], found[1], found[2])] == [("blob", 4), None, None]
    assert found[3] is not None
    assert found[3].type == "commit"


def test_a_chain_is_every_commit_that_its_heads_lead_to(attacker: Attacker) -> None:
    repo = attacker.repo
    tree = repo.write_tree({"a": repo.write_blob(b"")})
    who = Person("Eve", "eve@example.org")
    first = repo.write_commit(tree, (), "first\n\nwith a body", who, 1)
    second = repo.write_commit(tree, (first,), "second", who, 2)
    found = repo.reachable_commits([second])
    assert (found[second].parents, found[second].tree) == ((first,), tree)
    assert (found[first].parents, found[first].message.strip()) == ((), "first\n\nwith a body")
    assert repo.reachable_commits([]) == {}
