"""Whoever may push cannot take a question out of the count of a holdout unseen: signed releases say where it was."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from mlops_ci.cli.main import run_command_line
from mlops_ci.core.codec import decode_json, encode
from mlops_ci.core.digest import canonical_json
from mlops_ci.core.records.comparison import HoldoutLedgerEntry
from mlops_ci.repository import git
from tests.governance.audit.conftest import SIGNING, Keys
from tests.support.attacker import EVE, Attacker, after, audit
from tests.support.forge import forge
from tests.support.git_calls import git_in

REF = "refs/mlops/ledger/data-of-model-0/1"
SPLIT = "  split: {holdoutBudget: 4}\n"
SPEC = "data/model-0.yaml"


@pytest.fixture(scope="session")
def world_of_counted(tmp_path_factory: pytest.TempPathFactory, keys: Keys) -> Path:
    """A model with two releases, each the second of two questions to its holdout: 2 and 4 of 4."""
    root = tmp_path_factory.mktemp("counted") / "repo"
    forge(root, 8, models=1, key=keys.ada, project=SIGNING, split=SPLIT, files={".mlops/allowed_signers": keys.signers})
    return root


@pytest.fixture
def counted(world_of_counted: Path, tmp_path: Path, keys: Keys) -> Attacker:
    shutil.copytree(world_of_counted, tmp_path / "repo")
    found = git.find_repository(tmp_path / "repo")
    assert found is not None
    return Attacker(found, keys.eve)


def question(attacker: Attacker, at: str = REF) -> HoldoutLedgerEntry:
    return decode_json(HoldoutLedgerEntry, attacker.repo.read_blob(f"{at}:question.json") or b"")


def ask(attacker: Attacker, content: HoldoutLedgerEntry | bytes, *parents: str, path: str = "question.json") -> str:
    """Put a commit at the end of the ledger."""
    data = content if isinstance(content, bytes) else canonical_json(encode(content)).encode()
    tree = attacker.repo.write_tree({path: attacker.repo.write_blob(data)})
    oid = attacker.repo.write_commit(tree, [attacker.git("rev-parse", one) for one in parents], "asked", EVE, 1)
    attacker.point(REF, oid)
    return oid


def other(attacker: Attacker) -> HoldoutLedgerEntry:
    """A question that was not asked before."""
    return replace(question(attacker), model_digest="0" * 64)


def test_what_nobody_touched_has_no_breaks_anywhere(counted: Attacker, tmp_path: Path) -> None:
    found = counted.audit()
    assert (found.code, found.breaks) == (0, ())
    head = counted.git("rev-parse", REF)
    assert found.record["ledgers"] == [{"ref": REF, "questions": 4, "head": head}]
    git_in(tmp_path)("clone", "--quiet", "--mirror", "repo", "mirror.git")
    assert audit(tmp_path / "mirror.git").breaks == ()
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert run_command_line(["audit", "-C", str(counted.root)]) == 0
    assert [line.split() for line in out.getvalue().splitlines() if REF in line] == [[REF, "4", head]]


def test_questions_after_the_last_release_are_nobodys_break(counted: Attacker) -> None:
    counted.push({SPEC: (counted.root / SPEC).read_bytes().replace(b"holdoutBudget: 4", b"holdoutBudget: 5")})
    ask(counted, other(counted), REF)
    assert counted.audit().breaks == ()


def test_a_ledger_that_was_cut_back(counted: Attacker) -> None:
    counted.point(REF, counted.git("rev-parse", f"{REF}~1"))
    found = counted.audit()
    assert found.names("audit-ledger-rewritten", "when model-0@v1.0.1 was released")
    assert len(found.breaks) == 1  # what v1.0.0 saw is there still


def test_a_question_that_was_replaced(counted: Attacker) -> None:
    last = question(counted)
    ask(counted, other(counted), f"{REF}~2")
    ask(counted, last, REF)
    found = counted.audit()
    assert found.names("audit-ledger-rewritten", "model-0@v1.0.1")
    assert len(found.breaks) == 1


def test_a_ledger_that_was_started_anew(counted: Attacker) -> None:
    ask(counted, question(counted))
    found = counted.audit()
    assert found.ids == {"audit-ledger-rewritten"}
    assert len(found.breaks) == 2


def test_a_ledger_that_was_emptied(counted: Attacker) -> None:
    tree = counted.git("mktree")
    counted.point(REF, counted.repo.write_commit(tree, (), "nothing was asked", EVE, 1))
    assert counted.audit().ids == {"audit-ledger-malformed", "audit-ledger-rewritten"}


def test_a_ledger_that_is_not_here_is_fetched_by_the_command_that_is_told(
    counted: Attacker, world_of_counted: Path
) -> None:
    counted.point(REF, None)
    found = counted.audit()
    assert found.ids == {"audit-ledger-missing"}
    assert found.names("audit-ledger-missing", f"{REF}, the ledger that counted the evaluation of model-0@v1.0.0")
    assert "git fetch origin 'refs/mlops/*:refs/mlops/*'" in found.breaks[0]["help"]
    counted.git("remote", "add", "origin", str(world_of_counted))
    counted.git("fetch", "--quiet", "origin", "refs/mlops/*:refs/mlops/*")
    assert counted.audit("--branch", "main").breaks == ()


def test_a_question_that_was_asked_twice(counted: Attacker) -> None:
    counted.push({SPEC: (counted.root / SPEC).read_bytes().replace(b"holdoutBudget: 4", b"holdoutBudget: 5")})
    first = counted.git("rev-parse", f"{REF}~3")
    ask(counted, replace(question(counted, f"{REF}~3"), asked_on="later"), REF)
    found = counted.audit()
    assert found.ids == {"audit-ledger-malformed"}
    assert found.names("audit-ledger-malformed", f"it repeats the evaluation of commit {first[:10]}")


@pytest.mark.parametrize(
    ("content", "path", "what"),
    [
        (b"{}", "question.json", "its entry cannot be read: $: missing field 'dataset'"),
        (b"\xff", "question.json", "its entry cannot be read: $: not JSON"),
        (b"{}", "README", "its tree must contain the file question.json and nothing else"),
    ],
)
def test_a_foreign_commit(counted: Attacker, content: bytes, path: str, what: str) -> None:
    oid = ask(counted, content, REF, path=path)
    found = counted.audit()
    assert found.ids == {"audit-ledger-malformed"}
    assert found.names("audit-ledger-malformed", what)
    assert found.names("audit-ledger-malformed", f"commit {oid[:10]}")


@pytest.mark.parametrize("beside", ["note", "verdict"])
def test_a_question_with_something_beside_it(counted: Attacker, beside: str) -> None:
    text = canonical_json(encode(other(counted))).encode()
    tree = counted.repo.write_tree({path: counted.repo.write_blob(text) for path in ("question.json", beside)})
    counted.point(REF, counted.repo.write_commit(tree, (counted.git("rev-parse", REF),), "asked", EVE, 1))
    assert counted.audit().names(
        "audit-ledger-malformed", "its tree must contain the file question.json and nothing else"
    )


@pytest.mark.parametrize("changes", [{"dataset": "flights"}, {"epoch": 2}])
def test_a_question_to_another_holdout(counted: Attacker, changes: dict[str, object]) -> None:
    counted.push({SPEC: (counted.root / SPEC).read_bytes().replace(b"holdoutBudget: 4", b"holdoutBudget: 5")})
    ask(counted, replace(other(counted), **changes), REF)  # type: ignore[arg-type]  # values of several fields
    found = counted.audit()
    assert found.ids == {"audit-ledger-malformed"}
    assert "its entry is for the dataset" in found.breaks[0]["message"]


def test_a_chain_that_was_merged(counted: Attacker) -> None:
    counted.push({SPEC: (counted.root / SPEC).read_bytes().replace(b"holdoutBudget: 4", b"holdoutBudget: 5")})
    ask(counted, other(counted), REF, f"{REF}~2")
    found = counted.audit()
    assert found.ids == {"audit-ledger-malformed"}
    assert found.names("audit-ledger-malformed", "it has 2 parents")


@pytest.mark.parametrize("what", ["branch", "blob", "tag", "gone"])
def test_a_ledger_that_is_something_else(counted: Attacker, what: str) -> None:
    if what == "gone":
        oid = counted.git("rev-parse", f"{REF}~1")
        counted.git("unpack-objects", "-q", stdin=_taken_out(counted))
        (counted.repo.git_dir / "objects" / oid[:2] / oid[2:]).unlink()
    else:
        blob = counted.repo.write_blob(b"no ledger")
        names = {"branch": "refs/heads/main", "tag": "refs/tags/model-0@v1.0.0"}
        counted.point(REF, blob if what == "blob" else counted.git("rev-parse", names[what]))
    found = counted.audit()
    assert found.ids - {"audit-ledger-rewritten"} == {"audit-ledger-malformed"}
    assert len([item for item in found.breaks if item["id"] == "audit-ledger-malformed"]) == 1
    assert found.record["events"] == 8  # the audit went on


def _taken_out(attacker: Attacker) -> bytes:
    """Take the pack away, and return it."""
    folder = attacker.repo.git_dir / "objects" / "pack"
    (pack,) = (path.read_bytes() for path in folder.glob("*.pack"))
    shutil.rmtree(folder)
    return pack


@pytest.mark.parametrize(("number", "honest"), [(0, False), (2, False), (3, False), (4, True), (5, False)])
def test_a_release_whose_question_is_another_one(counted: Attacker, keys: Keys, number: int, honest: bool) -> None:
    """Given somebody who may sign, when a release claims the question of another, then the ledger says no."""
    insider = Attacker(counted.repo, keys.ada)
    head = insider.release().ledger
    assert head is not None
    ask(insider, other(insider), REF)  # after the head that the release names
    name = insider.append(after(insider.release(), version="1.0.2", ledger=replace(head, question=number)))
    found = insider.audit()
    assert found.names("audit-question-missing", f"{name} names entry {number} of") is not honest


@pytest.mark.parametrize("after_it", [True, False])
def test_a_release_that_was_asked_about_after_it_was_made(counted: Attacker, keys: Keys, after_it: bool) -> None:
    insider = Attacker(counted.repo, keys.ada)
    head = insider.release().ledger
    assert head is not None
    oid = ask(insider, other(insider), REF)
    head = replace(head, oid=head.oid if after_it else oid, question=5)
    name = insider.append(after(insider.release(), version="1.0.2", ledger=head, model_digest="0" * 64))
    found = insider.audit()
    assert found.names("audit-question-missing", f"{name} names entry 5 of") is after_it


def test_a_release_within_a_budget_that_nobody_counted(counted: Attacker, keys: Keys) -> None:
    insider = Attacker(counted.repo, keys.ada)
    name = insider.append(after(insider.release(), version="1.0.2", ledger=None))
    assert insider.audit().names(
        "audit-question-missing", f"the verdict of {name} was made under a holdout budget, but the tag names no ledger"
    )


def test_more_questions_than_the_branch_has_a_budget_for(counted: Attacker) -> None:
    ask(counted, other(counted), REF)
    found = counted.audit()
    assert (found.code, found.ids) == (0, {"audit-ledger-overspent"})
    (warning,) = found.breaks
    assert warning["severity"] == "warning"
    assert "has 5 evaluations, but the branch's holdoutBudget is 4" in warning["message"]
    spec = (counted.root / SPEC).read_bytes()
    counted.push({SPEC: spec.replace(b"holdoutBudget: 4", b"holdoutBudget: 4, epoch: 2")})
    assert counted.audit().breaks == ()  # it is no longer asked


def test_a_ledger_without_a_release_is_audited_too_unless_a_model_is_named(counted: Attacker) -> None:
    counted.git("update-ref", "refs/mlops/ledger/flights/one", "refs/heads/main")
    assert counted.audit("model-0").breaks == ()
    (found,) = counted.audit().breaks
    assert (found["id"], found["about"]) == ("audit-ledger-malformed", "refs/mlops/ledger/flights/one")
    assert found["location"]["path"] == "mlops.yaml"


def test_a_cut_that_no_release_saw_is_missed_by_whoever_kept_the_head(counted: Attacker) -> None:
    kept = counted.git("rev-parse", REF)
    counted.push({SPEC: (counted.root / SPEC).read_bytes().replace(b"holdoutBudget: 4", b"holdoutBudget: 5")})
    seen = ask(counted, other(counted), REF)
    assert counted.audit("--since", seen).breaks == ()
    counted.point(REF, kept)
    assert counted.audit().breaks == ()
    assert counted.audit("--since", seen).names("audit-truncated", seen)


def test_every_format_points_at_the_ledger_and_at_its_dataset(counted: Attacker) -> None:
    ask(counted, b"{}", REF)
    said = {}
    for format in ("text", "sarif"):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            assert run_command_line(["audit", "-C", str(counted.root), "--format", format]) == 1
        said[format] = out.getvalue()
    assert f" --> {REF}\n" in said["text"]
    (result,) = json.loads(said["sarif"])["runs"][0]["results"]
    (place,) = result["locations"]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == SPEC
    assert place["logicalLocations"] == [{"fullyQualifiedName": REF, "kind": "resource"}]


def test_releases_of_versions_that_recorded_no_heads_are_held_against_nothing(tmp_path: Path, keys: Keys) -> None:
    """Given tags whose evidence tells no confidence, as earlier versions wrote them, when all is audited, then nothing is broken."""
    forge(tmp_path / "old", 4, models=1, key=keys.ada, project=SIGNING, files={".mlops/allowed_signers": keys.signers})
    found = git.find_repository(tmp_path / "old")
    assert found is not None
    insider = Attacker(found, keys.ada)
    release = insider.release("1.0.0")
    evidence = replace(release.evidence, confidence=None, budget=None)
    insider.replace("model-0@v1.0.0", replace(release, evidence=evidence), signed=True)
    assert "audit-evidence-differs" not in insider.audit().ids
    insider.replace("model-0@v1.0.0", replace(release, evidence=replace(evidence, confidence=0.5)), signed=True)
    assert "audit-evidence-differs" in insider.audit().ids
