"""Model files that are too large for git: in a bucket or a folder, verified wherever they are read."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlops_ci.cli.main import run
from tests.conftest import git_in
from tests.functional.conftest import Consumer
from tests.objects import Bucket

MODEL = "models/diagnosis.yaml"
RELEASE = "refs/mlops/releases/diagnosis/v1.0.0"


def edit(consumer: Consumer, path: str, old: str, new: str) -> None:
    text = (consumer.root / path).read_text()
    assert old in text
    (consumer.root / path).write_text(text.replace(old, new, 1))


def keep_at(consumer: Consumer, url: str, limit: int = 0) -> None:
    """Move the store, commit and push; the runs that the fixture made are forgotten, so that new ones go there."""
    edit(consumer, "mlops.yaml", "spec:\n", f"spec:\n  store: {url}\n  storeLimitMb: {limit}\n")
    consumer.commit("Keep large files elsewhere")
    consumer.git("push", "--quiet")
    for ref in consumer.git("for-each-ref", "--format=%(refname)", "refs/mlops/runs").split():
        consumer.git("update-ref", "-d", ref)


def cloned(consumer: Consumer, folder: Path) -> Consumer:
    git_in(folder)("clone", "--quiet", str(consumer.origin), "fresh")
    return Consumer(folder / "fresh", consumer.origin)


def first_id(consumer: Consumer, *args: str, code: int) -> str:
    return str(consumer.answer(*args, code=code)["diagnostics"][0]["id"])


def test_a_models_way_with_its_files_in_a_bucket(gated: Consumer, bucket: Bucket, tmp_path: Path) -> None:
    keep_at(gated, bucket.url)
    plan = gated.answer("gate", "--dry-run")["plan"]
    assert bucket.objects() == {}
    assert [line.split()[0] for line in plan] == 2 * [*4 * ["upload"], "store"]
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


def test_an_object_that_changed_is_found_wherever_it_is_read(gated: Consumer, tmp_path: Path) -> None:
    keep_at(gated, f"file://{tmp_path}/store")
    gated.ok("gate")
    cache = gated.root / ".git" / "mlops-ci" / "store"
    (model,) = [one for one in (tmp_path / "store").rglob("*") if one.is_file() and one.read_bytes()[:2] == b"PK"]
    whole = model.read_bytes()
    for change, id in CHANGES.values():
        for kept in cache.glob("*"):
            kept.unlink()
        change(model)
        before = gated.published()
        assert first_id(gated, "release", code=3) == id
        assert first_id(gated, "gate", code=3) == id
        assert gated.published() == before
        model.write_bytes(whole)
    gated.ok("release")
    fresh = cloned(gated, tmp_path)
    for change, id in CHANGES.values():
        change(model)
        assert first_id(fresh, "fetch", "diagnosis", "out", code=3) == id
        assert not (fresh.root / "out").exists()
        model.write_bytes(whole)
    fresh.ok("fetch", "diagnosis", "out")


def test_a_run_that_leads_elsewhere_is_not_followed(gated: Consumer, tmp_path: Path) -> None:
    """Given a run whose store.json was written by somebody else, when it is read, then only what a store can be is opened."""
    keep_at(gated, f"file://{tmp_path}/store")
    gated.ok("gate")
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
        assert first_id(gated, "gate", code=3) == "store-corrupt"


def test_an_upload_that_fails_stores_no_run(gated: Consumer, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_at(gated, bucket.url)
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket.name}/*"}
        ],
    }
    bucket.client.put_bucket_policy(Bucket=bucket.name, Policy=json.dumps(policy))
    assert first_id(gated, "gate", code=3) == "store-forbidden"
    assert gated.git("for-each-ref", "refs/mlops/runs") == ""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert first_id(gated, "gate", code=3) == "store-unreachable"
    assert gated.git("for-each-ref", "refs/mlops/runs") == ""


def test_a_disk_that_is_full_leaves_everything_as_it_was(gated: Consumer, tmp_path: Path) -> None:
    """Given a limit on the size of files, when the store is written, then exit 3 says so, and no run names what is not there."""
    keep_at(gated, f"file://{tmp_path}/store")
    code = (
        "import resource, sys; from mlops_ci import artifacts; from mlops_ci.cli.main import run; put = artifacts._put\n"
        "def full(*args):\n resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500)); put(*args)\n"
        "artifacts._put = full; sys.exit(run(['gate', '--format', 'json']))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=gated.root, capture_output=True, text=True, check=False)
    assert (done.returncode, json.loads(done.stdout)["diagnostics"][0]["id"]) == (3, "disk-full")
    assert gated.git("for-each-ref", "refs/mlops/runs") == ""
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file() and path.stat().st_size > 500] == []
    gated.ok("gate")


def test_a_release_keeps_its_objects_young(gated: Consumer, tmp_path: Path) -> None:
    """Given objects that a `gc` elsewhere may have listed as old, when their run is released, then they are written again."""
    import os

    keep_at(gated, f"file://{tmp_path}/store")
    gated.ok("gate")
    objects = [path for path in (tmp_path / "store").rglob("*") if path.is_file()]
    for path in objects:
        os.utime(path, (0, 0))
    gated.ok("release")
    today = datetime.now(UTC).timestamp()
    assert all(today - path.stat().st_mtime < 600 for path in objects)


def test_progress_names_each_upload_before_it_is_made(gated: Consumer, tmp_path: Path) -> None:
    import contextlib

    keep_at(gated, f"file://{tmp_path}/store")
    seen: list[str] = []
    with contextlib.chdir(gated.root):
        assert run(["gate"], observe=seen.append) == 0
    kinds = [line.split()[0] for line in seen]
    assert kinds.index("upload") < kinds.index("store")
