"""A release made again in a fresh clone: the same, or what has moved since is named. Real trainings throughout."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.support.consumer import Consumer, copy_of, make_consumer
from tests.support.git_calls import git_in
from tests.support.places import ROOT

pytestmark = pytest.mark.slow
MODEL, DATA, NAMED = "models/diagnosis.yaml", "data/patients.csv", "estimator: sklearn.linear_model.LogisticRegression"
PIN = "refs/mlops/releases/diagnosis/v1.0.0"


@pytest.fixture(scope="session")
def world_of_released(world_of_gated: Consumer, tmp_path_factory: pytest.TempPathFactory) -> Consumer:
    """The template `minimal`, released, with one more commit on top. Its data go through a filter where there is one."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home")
        (home / ".gitconfig").write_text("[user]\n name = Ada Lovelace\n email = ada@example.org\n")
        patch.setenv("HOME", str(home))
        consumer = copy_of(world_of_gated, tmp_path_factory.mktemp("released"))
        (consumer.root / ".gitattributes").write_text("data/*.csv filter=lfs\n")
        consumer.commit("Let LFS keep the data")
        consumer.git("push", "--quiet")
        consumer.ok("release")
        (consumer.root / "NOTES").write_text("later\n")
        consumer.commit("Go on")
        consumer.git("push", "--quiet")
    return consumer


@pytest.fixture
def fresh(world_of_released: Consumer, tmp_path: Path) -> Consumer:
    """A fresh, plain clone of a repository with a release: it has no refs/mlops/*."""
    return cloned(copy_of(world_of_released, tmp_path))


def cloned(consumer: Consumer, *options: str) -> Consumer:
    folder = consumer.origin.parent / "fresh"
    git_in(folder.parent)("clone", "--quiet", *options, consumer.origin.as_uri(), str(folder))
    return Consumer(folder, consumer.origin)


def reproduced(consumer: Consumer, code: int = 0, *args: str, model: str = "diagnosis@v1.0.0") -> dict[str, Any]:
    """Reproduce, and give the record with the ids of the findings beside it."""
    answer = consumer.answer("reproduce", model, *args, code=code)
    return {**answer["record"], "ids": [found["id"] for found in answer["diagnostics"]]}


def kinds(record: dict[str, Any]) -> list[str]:
    return [cause["kind"] for cause in record["causes"]]


def lost(consumer: Consumer, name: str) -> None:
    """Take an object out of a clone's store."""
    oid = consumer.git("rev-parse", name)
    unpacked(consumer)
    (consumer.root / ".git/objects" / oid[:2] / oid[2:]).unlink()


def unpacked(consumer: Consumer) -> None:
    packs = consumer.root / ".git/objects/pack"
    for pack in packs.glob("*.pack"):
        moved = pack.rename(consumer.root / pack.name)
        with moved.open("rb") as stream:
            subprocess.run(["git", "unpack-objects", "-q"], cwd=consumer.root, stdin=stream, check=True)
        moved.unlink()


def state_of(consumer: Consumer) -> tuple[str, ...]:
    """What a user has: files, index, branches, and work trees; the cache is the toolkit's."""
    index = hashlib.sha256((consumer.root / ".git/index").read_bytes()).hexdigest()
    heads = consumer.git("for-each-ref", "refs/heads", "refs/tags", "refs/stash")
    listing = sorted(path.name for path in (consumer.root / ".git").iterdir() if path.name != "mlops-ci")
    return (
        consumer.git("--no-optional-locks", "status", "--porcelain"),
        index,
        heads,
        consumer.git("worktree", "list"),
        *listing,
    )


def test_a_release_is_made_again_identically_in_a_fresh_clone_and_nothing_of_it_changes(fresh: Consumer) -> None:
    (fresh.root / DATA).write_text("mine, half done\n")
    before = state_of(fresh)
    record = reproduced(fresh)
    assert (record["state"], record["compared"], record["causes"], record["ids"]) == ("identical", "structure", [], [])
    assert record["reproduced"] == [record["recorded"]]
    assert record["commit"] == fresh.git("rev-parse", "diagnosis@v1.0.0^{commit}")
    assert "builtBy" not in record["used"]
    assert state_of(fresh) == before


def test_a_shallow_clone_gets_the_commit_and_a_pointer_in_place_of_data_is_named(fresh: Consumer) -> None:
    """Given an LFS that leaves its pointers, when data are restored through it, then that is why there are none."""
    shutil.rmtree(fresh.root)
    shallow = cloned(fresh, "--depth", "1")
    assert "diagnosis@v1.0.0" not in shallow.git("tag")
    shallow.git("config", "filter.lfs.smudge", "echo version https://git-lfs.github.com/spec/v1; cat >/dev/null")
    record = reproduced(shallow, 1)
    assert kinds(record) == ["data"]
    assert [one["found"] for one in record["causes"][0]["evidence"]] == ["a Git LFS pointer"]
    shallow.git("config", "filter.lfs.smudge", "echo other,columns; cat >/dev/null")
    record = reproduced(shallow, 1)
    assert (kinds(record), record["ids"]) == (["data"], ["reproduce-different"])
    shallow.git("config", "filter.lfs.smudge", "sed 2d")
    evidence = reproduced(shallow, 1)["causes"][0]["evidence"]
    assert [one["what"] for one in evidence] == [DATA, "training rows"]
    shallow.git("config", "filter.lfs.smudge", "exit 1")
    shallow.git("config", "filter.lfs.required", "true")
    assert reproduced_id(shallow, 3) == "git-failed"


def test_data_that_are_gone_are_named(fresh: Consumer) -> None:
    lost(fresh, f"HEAD:{DATA}")
    record = reproduced(fresh, 1)
    assert (record["state"], record["compared"], record["reproduced"]) == ("different", "nothing", [])
    assert (kinds(record), record["ids"]) == (["data"], ["reproduce-different"])
    evidence = record["causes"][0]["evidence"]
    assert [(one["what"], one.get("found")) for one in evidence] == [(DATA, None)]
    assert evidence[0]["recorded"] == hashlib.sha256((fresh.root / DATA).read_bytes()).hexdigest()


def test_data_that_a_partial_clone_cannot_fetch_are_not_another_result(fresh: Consumer) -> None:
    git_in(fresh.origin)("config", "uploadpack.allowFilter", "true")
    shutil.rmtree(fresh.root)
    partial = cloned(fresh, "--filter=blob:none", "--no-checkout")
    partial.git("sparse-checkout", "set", "--no-cone", "*.yaml")
    partial.git("checkout", "--quiet", "main")
    partial.git("fetch", "--quiet", "--no-filter", "origin", f"{PIN}:{PIN}")
    partial.origin.rename(partial.origin.with_name("gone"))
    found = partial.answer("reproduce", "diagnosis", code=3)
    assert [one["id"] for one in found["diagnostics"] if one["severity"] == "error"] == ["objects-not-fetched"]


def test_a_commit_that_does_not_hold_what_was_recorded_is_not_trained(fresh: Consumer) -> None:
    (fresh.root / ".git/info/attributes").write_text("models/*.yaml filter=other\n")
    fresh.git("config", "filter.other.smudge", "sed 's/seed: 7/seed: 8/'")
    record = reproduced(fresh, 1)
    assert (record["compared"], kinds(record)) == ("nothing", ["commit"])
    assert [one["what"] for one in record["causes"][0]["evidence"]] == ["spec"]


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the kernels that are named are of x86")
def test_another_cpu_kernel_is_named(fresh: Consumer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")  # no machine of today has it
    record = reproduced(fresh)
    assert (record["state"], record["compared"], record["ids"]) == (
        "equivalent", "predictions", ["reproduce-equivalent"]
    )  # fmt: skip
    assert (kinds(record), [one["what"] for one in record["causes"][0]["evidence"]]) == (["cpu"], ["kernels"])
    first, second = record["reproduced"]
    assert first == second != record["recorded"]
    assert 0 < record["difference"] <= record["tolerance"] == 1e-9
    assert (record["rows"], record["changed"]) == (447, 0)


DRAWN = "import secrets\n\n\ndef strength():\n    return 1 + secrets.randbelow(10**6) / 10**6\n"
FIXED = "def strength():\n    return 1.5\n"


def wheel(folder: Path, version: str, code: str) -> Path:
    """Write a wheel of the package `tinylib`."""
    folder.mkdir(parents=True, exist_ok=True)
    path, about = folder / f"tinylib-{version}-py3-none-any.whl", f"tinylib-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tinylib.py", code)
        archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: tinylib\nVersion: {version}\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return path


def installed(patch: pytest.MonkeyPatch, folder: Path, wheel: Path) -> None:
    """Have a wheel in the environment at hand, for this process and its children."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    patch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
    patch.syspath_prepend(folder)


@pytest.fixture(scope="session")
def world_of_drawn(world_of_gated: Consumer, tmp_path_factory: pytest.TempPathFactory) -> Consumer:
    """A release of a model by code of its own, whose tinylib 1.0 draws a number that no seed decides."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home")
        (home / ".gitconfig").write_text("[user]\n name = Ada Lovelace\n email = ada@example.org\n")
        patch.setenv("HOME", str(home))
        installed(patch, home / "site", wheel(home, "1.0", DRAWN))
        consumer = copy_of(world_of_gated, tmp_path_factory.mktemp("drawn"))
        (consumer.root / "models/train.py").write_text(
            "import tinylib\nfrom sklearn.linear_model import LogisticRegression\n\n\ndef build():\n"
            "    return LogisticRegression(C=tinylib.strength(), max_iter=3000)\n"
        )
        text = (consumer.root / MODEL).read_text().replace("\n    params: {max_iter: 1000}", "")
        (consumer.root / MODEL).write_text(text.replace(NAMED, "entrypoint: models/train.py:build"))
        consumer.commit("Bring our own code")
        consumer.git("push", "--quiet")
        consumer.ok("gate")
        consumer.ok("release")
    return consumer


@pytest.fixture
def drawn(world_of_drawn: Consumer, tmp_path: Path) -> Consumer:
    return cloned(copy_of(world_of_drawn, tmp_path))


def test_an_unseeded_estimator_is_named(drawn: Consumer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, tmp_path / "site", wheel(tmp_path, "1.0", DRAWN))
    record = reproduced(drawn, 1)
    assert (record["state"], kinds(record), record["ids"]) == ("different", ["unseeded"], ["reproduce-different"])
    assert len({record["recorded"], *record["reproduced"]}) == 3
    assert record["difference"] > 1e-9


def only_in(monkeypatch: pytest.MonkeyPatch, links: Path) -> None:
    """Have packages from one folder, by pip."""
    monkeypatch.setattr("mlops_ci.training.environment_rebuild.INSTALLERS", ("pip",))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))


def test_a_library_that_has_moved_is_named_and_the_comparison_goes_on(
    drawn: Consumer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a release made with tinylib 1.0, when only 1.1 can be had, then that is why the model is another one."""
    installed(monkeypatch, tmp_path / "site", wheel(tmp_path / "links", "1.1", FIXED))
    only_in(monkeypatch, tmp_path / "links")
    record = reproduced(drawn, 1)
    assert (record["state"], record["compared"]) == ("different", "predictions")
    assert record["ids"] == ["environment-not-rebuilt", "reproduce-different"]
    assert (kinds(record), record["causes"][0]["evidence"]) == (
        ["library"], [{"what": "tinylib", "recorded": "1.0", "found": "1.1"}]
    )  # fmt: skip
    assert record["used"]["environment"]["packages"]["tinylib"] == "1.1"


def test_a_library_that_is_gone_altogether_is_named_and_what_the_training_said(
    drawn: Consumer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_in(monkeypatch, tmp_path)
    record = reproduced(drawn, 1)
    assert (record["compared"], kinds(record)) == ("nothing", ["library", "unexplained"])
    assert record["causes"][0]["evidence"] == [{"what": "tinylib", "recorded": "1.0"}]
    assert "tinylib" in record["causes"][1]["sentence"]


def test_a_pin_that_names_another_run_is_not_compared_with(fresh: Consumer) -> None:
    fresh.git("fetch", "--quiet", "origin", f"{PIN}:{PIN}")
    fresh.git("update-ref", PIN, fresh.git("commit-tree", f"{PIN}^{{tree}}", "-m", "another"))
    assert reproduced_id(fresh, 3) == "store-corrupt"


def test_a_run_that_is_nowhere_cannot_be_compared_with(fresh: Consumer) -> None:
    git_in(fresh.origin)("update-ref", "-d", PIN)
    assert reproduced_id(fresh, 3) == "store-missing"


def test_a_commit_that_lacks_its_specs_cannot_be_made_again(fresh: Consumer) -> None:
    fresh.git("fetch", "--quiet", "origin", f"{PIN}:{PIN}")
    fresh.git("remote", "remove", "origin")
    lost(fresh, f"diagnosis@v1.0.0^{{commit}}:{MODEL}")
    found = fresh.answer("reproduce", "diagnosis", code=3)["diagnostics"][0]
    assert found["id"] == "release-specs-unreadable"
    assert MODEL in found["message"]


def reproduced_id(consumer: Consumer, code: int) -> str:
    found: str = consumer.answer("reproduce", "diagnosis", code=code)["diagnostics"][0]["id"]
    return found


def test_a_killed_run_leaves_nothing_behind_in_the_repository(fresh: Consumer, tmp_path: Path) -> None:
    fresh.ok("fetch", "diagnosis", str(tmp_path / "model"))  # brings what a run brings
    before = state_of(fresh)
    (tmp_path / "scratch").mkdir()
    child = subprocess.Popen(
        [sys.executable, "-m", "mlops_ci", "reproduce", "diagnosis"],
        cwd=fresh.root,
        env={**os.environ, "TMPDIR": str(tmp_path / "scratch"), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stderr is not None
    with child.stderr:
        assert "training diagnosis" in child.stderr.readline()
        child.send_signal(signal.SIGKILL)
    child.wait()
    assert state_of(fresh) == before


def test_the_report_for_people_says_what_was_compared(fresh: Consumer) -> None:
    lost(fresh, f"HEAD:{DATA}")
    done = fresh.run("reproduce", "diagnosis")
    assert "diagnosis@v1.0.0: different\n" in done.stdout
    assert f"data: data not available: 1 of the training files: {DATA}" in done.stdout


def test_flights_are_made_again_identically_in_a_fresh_clone(tmp_path: Path) -> None:
    consumer = make_consumer(tmp_path / "flights", "flights")
    subprocess.run([sys.executable, "data/prepare.py", "4"], cwd=consumer.root, check=True, capture_output=True)
    consumer.commit("April")
    consumer.git("push", "--quiet")
    consumer.ok("gate")
    consumer.ok("release")
    record = reproduced(cloned(consumer), model="delay@v1.0.0")
    assert (record["state"], record["release"]) == ("identical", "delay@v1.0.0")
