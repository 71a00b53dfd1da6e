"""Model files that are too large for git: in a bucket or a folder, verified wherever they are read."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.consumer import Consumer, edit, keep_at
from tests.support.git_calls import git_in
from tests.support.objects import Bucket

pytestmark = pytest.mark.slow
MODEL = "models/diagnosis.yaml"
RELEASE = "refs/mlops/releases/diagnosis/v1.0.0"


def cloned(consumer: Consumer, folder: Path) -> Consumer:
    git_in(folder)("clone", "--quiet", str(consumer.origin), "fresh")
    return Consumer(folder / "fresh", consumer.origin)


def first_id(consumer: Consumer, *args: str, code: int) -> str:
    return str(consumer.answer(*args, code=code)["diagnostics"][0]["id"])


def test_a_models_way_with_its_files_in_a_bucket(gated: Consumer, bucket: Bucket, tmp_path: Path) -> None:
    keep_at(gated, bucket.url)
    plan = gated.answer("gate", "--dry-run")["plan"]
    assert bucket.objects() == {}
    copies, uploads = 5 * ["keep"], 5 * ["upload"]
    trained = ["keep", *copies, "store", "refs", "remove", *uploads]  # the fit is kept until the run is stored
    assert [line.split()[0] for line in plan] == [*trained, *copies, "store", "refs", *uploads]
    gated.ok("gate")
    gated.ok("release")

    # git holds everything but the model's files, and says where those are
    tree = gated.git("ls-tree", "-r", "--name-only", RELEASE).split()
    assert "store.json" in tree
    assert not [path for path in tree if path.startswith("model/")]
    told = json.loads(gated.git("show", f"{RELEASE}:store.json"))
    assert told["url"] == bucket.url
    assert set(bucket.objects()) == {f"models/sha256/{one['sha256'][:2]}/{one['sha256']}" for one in told["files"]}
    everything = subprocess.run(
        ["git", "cat-file", "--batch", "--batch-all-objects"], cwd=gated.origin, capture_output=True, check=True
    )
    assert b"s3cr3t" not in everything.stdout

    fresh = cloned(gated, tmp_path)
    fresh.ok("fetch", "diagnosis", "out")
    for one in told["files"]:
        key = f"models/sha256/{one['sha256'][:2]}/{one['sha256']}"
        assert (fresh.root / "out" / one["path"]).read_bytes() == bucket.objects()[key]

    # the champion is scored from there
    edit(fresh, MODEL, "params: {max_iter: 1000}", "params: {max_iter: 1000, C: 0.9}")
    assert fresh.answer("gate")["record"]["models"][0]["comparison"]["championState"] == "compared"

    found = fresh.answer("deploy", "diagnosis", "--env", "staging", code=1)["diagnostics"][0]
    assert found["id"] == "deploy-files-elsewhere"
    assert "storeLimitMb: 1`" in found["help"]


def test_an_upload_that_failed_takes_no_training_away(gated: Consumer, tmp_path: Path) -> None:
    """Given a store that cannot be written, when it can be, then the gate fits nothing and everything arrives."""
    keep_at(gated, f"file://{tmp_path}/in-the-way/store")
    (tmp_path / "in-the-way").touch()
    assert gated.answer("gate", code=3)["diagnostics"][0]["id"] == "store-unreachable"
    (tmp_path / "in-the-way").unlink()
    assert gated.answer("gate")["record"]["fits"] == 0
    gated.ok("release")
    assert not [path for path in (gated.root / ".git/mlops-ci/store").iterdir() if path.suffix == ".outgoing"]
    cloned(gated, tmp_path).ok("fetch", "diagnosis", "out")


def test_only_what_is_larger_than_the_limit_leaves_git(gated: Consumer, tmp_path: Path) -> None:
    keep_at(gated, f"file://{tmp_path}/store/", limit=1)
    gated.ok("gate")
    gated.ok("release")
    assert not (tmp_path / "store").exists()
    gated.ok("deploy", "diagnosis", "--env", "staging")


def flip(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "flipped": (flip, "store-corrupt"),
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:-1]), "store-corrupt"),
    "missing": (lambda path: path.unlink(), "store-missing"),
}


def test_an_object_that_changed_is_found_wherever_it_is_read(kept: tuple[Consumer, Path], tmp_path: Path) -> None:
    consumer, folder = kept
    (model,) = [one for one in folder.rglob("*") if one.is_file() and one.read_bytes()[:2] == b"PK"]
    whole, before = model.read_bytes(), consumer.published()
    for change, id in CHANGES.values():
        change(model)
        assert first_id(consumer, "release", code=3) == id
        assert first_id(consumer, "train", code=3) == id
        assert consumer.published() == before
        model.write_bytes(whole)
    consumer.ok("release")
    fresh = cloned(consumer, tmp_path)
    for change, id in CHANGES.values():
        change(model)
        assert first_id(fresh, "fetch", "diagnosis", "out", code=3) == id
        assert not (fresh.root / "out").exists()
        model.write_bytes(whole)
    fresh.ok("fetch", "diagnosis", "out")


def test_a_run_that_leads_elsewhere_is_not_followed(kept: tuple[Consumer, Path]) -> None:
    """Given a run whose store.json was written by somebody else, when it is read, then only what a store can be is opened."""
    gated, _ = kept
    (ref, *_) = gated.git("for-each-ref", "--format=%(refname)", "refs/mlops/runs").split()
    told = json.loads(gated.git("show", f"{ref}:store.json"))
    swapped = [{**one, "sha256": told["files"][0]["sha256"]} for one in told["files"]]
    for bad in (
        {**told, "url": "http://169.254.169.254/x"},
        {**told, "url": "file:///a/../etc"},
        {**told, "files": swapped},
    ):
        blob = subprocess.run(
            ["git", "hash-object", "-w", "--stdin"],
            cwd=gated.root,
            input=json.dumps(bad),
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        listing = gated.git("ls-tree", ref).splitlines()
        lines = [f"100644 blob {blob}\tstore.json" if line.endswith("\tstore.json") else line for line in listing]
        tree = subprocess.run(
            ["git", "mktree"], cwd=gated.root, input="\n".join(lines) + "\n", capture_output=True, text=True, check=True
        ).stdout.strip()
        for name in gated.git("for-each-ref", "--format=%(refname)", "refs/mlops/runs").split():
            gated.git("update-ref", name, gated.git("commit-tree", "-m", "x", tree))
        assert first_id(gated, "train", code=3) == "store-corrupt"


def test_a_disk_that_is_full_leaves_nothing_half_written(gated: Consumer, tmp_path: Path) -> None:
    """Given a limit on the size of files, when the store is written, then exit 3 says so, and this clone has the run's files."""
    keep_at(gated, f"file://{tmp_path}/store")
    published = gated.published()
    code = (
        "import resource, sys; from mlops_ci.registry import object_store; from mlops_ci.cli.main import run_command_line; put = object_store._put_file\n"
        "def full(*args):\n resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500)); put(*args)\n"
        "object_store._put_file = full; sys.exit(run_command_line(['train', '--format', 'json']))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=gated.root, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert json.loads(done.stdout)["diagnostics"][0]["id"] == "disk-full"
    assert gated.published() == published
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file() and path.stat().st_size > 500] == []
    (run,) = gated.git("for-each-ref", "--format=%(refname)", "refs/mlops/runs").split()
    for file in json.loads(gated.git("show", f"{run}:store.json"))["files"]:
        content = (gated.root / f".git/mlops-ci/store/{file['sha256']}.outgoing").read_bytes()
        assert hashlib.sha256(content).hexdigest() == file["sha256"]
    assert gated.answer("train")["record"]["models"][0]["fitted"] is False


def test_a_release_keeps_its_objects_young(kept: tuple[Consumer, Path]) -> None:
    """Given objects that a `gc` elsewhere may have listed as old, when their run is released, then they are written again."""
    consumer, folder = kept
    objects = [path for path in folder.rglob("*") if path.is_file()]
    for path in objects:
        os.utime(path, (0, 0))
    consumer.ok("release")
    today = datetime.now(UTC).timestamp()
    assert all(today - path.stat().st_mtime < 600 for path in objects)
