"""Whoever may push, and has no key, cannot change unseen what events speak of: runs, files, sources and manifests."""

from __future__ import annotations

import shutil
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from mlops_ci.core.codec import encode
from mlops_ci.core.digest import canonical_json
from mlops_ci.core.records.base import ProjectRef
from mlops_ci.core.records.training_run import StoredFiles
from tests.support.attacker import PIN, Attacker, after

# released runs


def test_a_pin_that_was_deleted(attacker: Attacker) -> None:
    attacker.point(f"{PIN}model-0/v1.0.0", None)
    assert attacker.audit().names("audit-pin-missing", f"{PIN}model-0/v1.0.0")


def test_a_pin_that_was_moved_to_another_version(attacker: Attacker) -> None:
    attacker.point(f"{PIN}model-0/v1.0.1", attacker.release("1.0.0").run_oid)
    found = attacker.audit()
    assert found.names("audit-pin-moved", f"{PIN}model-0/v1.0.1")
    assert found.names("audit-run-differs", "model-0@v1.0.1")


def test_a_pin_to_an_object_of_another_kind(attacker: Attacker) -> None:
    attacker.point(f"{PIN}model-0/v1.0.1", attacker.repo.write_blob(b"no run"))
    assert attacker.audit().names("audit-pin-moved", f"{PIN}model-0/v1.0.1")


def test_a_run_that_is_gone(attacker: Attacker) -> None:
    release = attacker.release()
    attacker.point(release.run_ref, None)
    attacker.point(f"{PIN}model-0/v1.0.1", None)
    attacker.git("repack", "-a", "-d", "-q")
    attacker.git("prune")
    found = attacker.audit()
    assert found.names("audit-run-missing", "model-0@v1.0.1")


def test_model_bytes_that_were_flipped_on_the_disk(attacker: Attacker) -> None:
    path = _loose(attacker, f"{PIN}model-0/v1.0.1:model/model.skops")
    content = bytearray(zlib.decompress(path.read_bytes()))
    content[-1] ^= 1
    path.write_bytes(zlib.compress(bytes(content)))
    assert attacker.audit().names("audit-file-changed", f"{PIN}model-0/v1.0.1:model/model.skops has the SHA-256")


def test_an_object_that_is_damaged(attacker: Attacker) -> None:
    path = _loose(attacker, f"{PIN}model-0/v1.0.1:model/model.skops")
    content = bytearray(path.read_bytes())
    content[-3] ^= 255
    path.write_bytes(bytes(content))
    assert attacker.audit().names("audit-file-changed", "is damaged")


def _loose(attacker: Attacker, name: str) -> Path:
    """Take all packs apart, and return the file of an object."""
    packs = attacker.repo.git_dir / "objects" / "pack"
    for pack in packs.glob("*.pack"):
        shutil.move(pack, attacker.root / pack.name)
        attacker.git("unpack-objects", "-q", stdin=(attacker.root / pack.name).read_bytes())
    shutil.rmtree(packs)
    oid = attacker.repo.resolve(name) or ""
    path = attacker.repo.git_dir / "objects" / oid[:2] / oid[2:]
    path.chmod(0o644)
    return path


def test_model_bytes_that_were_changed_in_an_honest_looking_tree(attacker: Attacker) -> None:
    model = attacker.repo.read_blob(f"{PIN}model-0/v1.0.1:model/model.skops") or b""
    attacker.rebuild("1.0.1", {"model/model.skops": model.swapcase()})
    found = attacker.audit()
    assert found.names("audit-file-changed", f"{PIN}model-0/v1.0.1:model/model.skops has the SHA-256")
    assert found.names("audit-pin-moved", f"{PIN}model-0/v1.0.1")


def test_model_bytes_that_were_cut_off(attacker: Attacker) -> None:
    model = attacker.repo.read_blob(f"{PIN}model-0/v1.0.1:model/model.skops") or b""
    attacker.rebuild("1.0.1", {"model/model.skops": model[:-10]})
    assert attacker.audit().names("audit-file-changed", f"has {len(model) - 10:,} bytes")


def test_model_bytes_of_another_version(attacker: Attacker) -> None:
    attacker.rebuild("1.0.1", {"model/model.skops": attacker.repo.read_blob(f"{PIN}model-0/v1.0.0:model/model.skops")})
    assert attacker.audit().names("audit-file-changed", f"{PIN}model-0/v1.0.1:model/model.skops")


def test_a_model_file_that_was_left_out(attacker: Attacker) -> None:
    attacker.rebuild("1.0.1", {"model/signature.json": None})
    assert attacker.audit().names("audit-file-missing", f"{PIN}model-0/v1.0.1 has no model/signature.json")


@pytest.mark.parametrize("honest", [True, False])
def test_a_model_file_at_a_url_is_held_against_what_the_run_says_of_it(attacker: Attacker, honest: bool) -> None:
    file = attacker.release().model_files[0]
    away = StoredFiles("s3://bucket/models", (file if honest else replace(file, sha256="0" * 64),))
    attacker.rebuild("1.0.1", {"model/model.skops": None}, more={"store.json": canonical_json(encode(away)).encode()})
    found = attacker.audit()
    assert found.record["externalFiles"] == 1
    assert (
        found.names("audit-file-changed", "store.json has a digest or a size of model.skops that differs") is not honest
    )
    assert "audit-file-missing" not in found.ids


@pytest.mark.parametrize(("old", "new"), [(b'"rows":', b'"rows":9'), (b'"sha256":"', b'"sha256":"0')])
def test_a_snapshot_that_was_edited_in_the_run(attacker: Attacker, old: bytes, new: bytes) -> None:
    text = attacker.repo.read_blob(f"{PIN}model-0/v1.0.1:snapshot.json") or b""
    assert old in text
    attacker.rebuild("1.0.1", {"snapshot.json": text.replace(old, new)})
    assert attacker.audit().names("audit-run-differs", "snapshot.json describes other data")


def test_a_verdict_that_was_edited(attacker: Attacker) -> None:
    answer = attacker.repo.read_blob(f"{PIN}model-0/v1.0.1:comparison.json") or b""
    attacker.rebuild("1.0.1", {"comparison.json": answer.replace(b'"verdict":"pass"', b'"verdict":"fail"')})
    found = attacker.audit()
    assert found.names("audit-evidence-differs", f"{PIN}model-0/v1.0.1:comparison.json")
    assert found.names("audit-release-not-gated", "model-0@v1.0.1 was released, but the gate's verdict on it is fail")


def test_metrics_that_were_edited_beside_the_verdict(attacker: Attacker) -> None:
    attacker.rebuild("1.0.1", {"metrics.json": b'{"auc":0.999}'})
    assert attacker.audit().names("audit-evidence-differs", "its metrics differ from those in metrics.json")


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (b'"seed":7', b'"seed":8', "run.json has a different seed"),
        (b'"modelDigest":"', b'"modelDigest":"0', "run.json has a different model digest"),
        (b'"trainDigest":"', b'"trainDigest":"0', "run.json has a different digest of the training rows"),
        (b'"trainRows":', b'"trainRows":9', "run.json has a different number of training rows"),
        (b'"key":"', b'"key":"0', "run.json has a different key"),
        (b'"entryFile":"model.skops"', b'"entryFile":"golden.parquet"', "run.json has a different model format"),
        (b'"format":1', b'"format":2', "run.json is missing or invalid"),
        (b'"path":"model.skops"', b'"path":"../model.skops"', "run.json is missing or invalid"),
    ],
)
def test_a_run_that_tells_another_story(attacker: Attacker, old: bytes, new: bytes, what: str) -> None:
    text = attacker.repo.read_blob(f"{PIN}model-0/v1.0.1:run.json") or b""
    assert old in text
    attacker.rebuild("1.0.1", {"run.json": text.replace(old, new)})
    assert attacker.audit().names("audit-run-differs", what)


def test_a_release_without_a_gate(attacker: Attacker) -> None:
    run = attacker.rebuild("1.0.1", {"comparison.json": None})
    attacker.point(f"{PIN}model-0/v1.0.2", run)
    name = attacker.append(after(attacker.release(), version="1.0.2", run_oid=run))
    assert attacker.audit().names("audit-release-not-gated", f"{name} was released without a gate")


def test_a_pass_that_does_not_follow_from_its_own_numbers(attacker: Attacker) -> None:
    """Given a release whose tag says pass, when a bound of it lies below its floor, then nobody vouches for it."""
    released = attacker.release()
    first, *others = released.evidence.requirements
    below = replace(first, lower=0.1)
    evidence = replace(released.evidence, requirements=(below, *others))
    attacker.append(after(released, version="1.0.2", evidence=evidence))
    assert attacker.audit().names(
        "audit-release-not-gated", "auc: at least 0.7: the numbers contradict the reason interval-clear"
    )


def test_a_release_of_another_folder_is_looked_for_there(attacker: Attacker) -> None:
    """Given a release that names a folder which its commit has no project in, then its spec is missed there."""
    elsewhere = ProjectRef("forged", "elsewhere")
    attacker.append(after(attacker.release(), version="1.0.2", project=elsewhere))
    assert attacker.audit().names("audit-spec-differs", "has no spec of 'model-0'")


# sources


def test_a_spec_that_was_edited_at_the_release(attacker: Attacker) -> None:
    spec = (attacker.root / "models" / "model-0.yaml").read_bytes()
    commit = attacker.commit({"models/model-0.yaml": spec.replace(b"min: 0.7", b"min: 0.1")})
    name = attacker.append(after(attacker.release(), version="1.0.2", commit=commit))
    assert attacker.audit().names("audit-spec-differs", f"models/model-0.yaml at commit {commit[:10]}")
    assert name in str(attacker.audit().breaks)


def test_data_that_were_edited_at_the_release(attacker: Attacker) -> None:
    commit = attacker.commit({"data/model-0.csv": b"id,x\n1,2\n"})
    attacker.append(after(attacker.release(), version="1.0.2", commit=commit))
    assert attacker.audit().names("audit-source-differs", f"data/model-0.csv at commit {commit[:10]}")


# what runs


def test_a_manifest_that_was_edited_by_hand(attacker: Attacker) -> None:
    attacker.push({"deploy/prod/model-0/base/deployment.yaml": b"image: eve/miner\n"})
    found = attacker.audit()
    assert found.names("audit-manifest-changed", "deploy/prod/model-0/base/deployment.yaml")
    assert found.names("audit-manifest-changed", "model-0#prod#5")


def test_a_data_lock_that_was_edited_on_the_branch(attacker: Attacker) -> None:
    attacker.push({"deploy/prod/model-0/data.lock": b"0" * 64})
    assert attacker.audit().names("audit-manifest-changed", "deploy/prod/model-0/data.lock")


def test_a_manifest_that_was_added_or_deleted(attacker: Attacker) -> None:
    attacker.push({"deploy/prod/model-0/job.yaml": b"image: eve/miner\n", "deploy/prod/model-1/release.yaml": None})
    found = attacker.audit()
    assert found.names("audit-manifest-changed", "deploy/prod/model-0/job.yaml")
    assert found.names("audit-manifest-changed", "deploy/prod/model-1/release.yaml")


def test_manifests_of_what_is_not_assigned(attacker: Attacker) -> None:
    attacker.push({"deploy/trial/model-0/release.yaml": b"run: mine\n"})
    assert attacker.audit().names("audit-manifest-unassigned", "deploy/trial/model-0/")


# the branch


def test_specs_that_cannot_be_read(attacker: Attacker) -> None:
    attacker.push(
        {"models/model-0.yaml": b"apiVersion: mlops-ci/v1\nkind: Model\nmetadata: {name: model-0}\nspec: {}\n"}
    )
    assert attacker.audit().names("audit-specs-invalid", "models/model-0.yaml")


def test_a_branch_without_a_project(attacker: Attacker) -> None:
    attacker.push({"mlops.yaml": None})
    assert attacker.audit().names("audit-specs-missing", "mlops.yaml")


def test_the_work_tree_does_not_count(attacker: Attacker) -> None:
    (attacker.root / "mlops.yaml").write_text("nonsense")
    (attacker.root / "deploy" / "prod" / "model-0" / "release.yaml").unlink()
    assert attacker.audit().code == 0
