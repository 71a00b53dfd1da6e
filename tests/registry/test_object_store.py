"""The store for large files: what comes back is what was put there, or an error that says what to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import s3fs
from hypothesis import given
from hypothesis import strategies as st

from mlops_ci.core.digest import digest_bytes
from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.core.records.base import FileDigest
from mlops_ci.core.records.training_run import STORE_URL, StoredFiles
from mlops_ci.registry import object_store
from mlops_ci.spec.validation.jsonschema_validator import schema_validator
from tests.support import silent
from tests.support.objects import Bucket
from tests.support.proxy import Wire, wire

BYTES = bytes(range(256)) * 4000  # about a megabyte


def file_of(content: bytes, path: str = "model.skops") -> FileDigest:
    return FileDigest(path, digest_bytes(content), len(content))


def put(url: str, content: bytes, scratch: Path) -> FileDigest:
    source = scratch / "source"
    source.write_bytes(content)
    file = file_of(content)
    object_store.upload_object(url, file, source, datetime.now(UTC))
    return file


def id_of(raised: pytest.ExceptionInfo[EnvironmentProblem]) -> str:
    (found,) = raised.value.diagnostics
    assert found.help
    return found.id


@pytest.fixture(params=["file", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "file":
        return f"file://{tmp_path}/store"
    return str(request.getfixturevalue("bucket").url)


def test_what_is_put_is_named_by_its_digest_and_comes_back(url: str, tmp_path: Path) -> None:
    file = put(url, BYTES, tmp_path)
    (found,) = object_store.list_objects(url)
    assert (found.name, found.size) == (f"sha256/{file.sha256[:2]}/{file.sha256}", len(BYTES))
    object_store.download_object(url, file, tmp_path / "cache", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == BYTES


def test_one_file_is_copied_whole_or_not_at_all(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = put(url, BYTES, tmp_path)
    where, target = f"{url}/{object_store.object_name(file.sha256)}", tmp_path / "copy"
    monkeypatch.setattr(object_store, "BLOCK_SIZE", 100_000)
    object_store.download_url(where, target, len(BYTES))
    assert target.read_bytes() == BYTES
    target.unlink()
    refused = {
        where: len(BYTES) - 1,
        f"{url}/sha256": len(BYTES),
        f"{where}0": len(BYTES),
        f"{where}?versionId=1": len(BYTES),
    }
    for wrong, limit in refused.items():
        with pytest.raises(EnvironmentProblem):
            object_store.download_url(wrong, target, limit)
        assert not target.exists()


def test_what_is_there_and_young_is_not_sent_again(url: str, tmp_path: Path) -> None:
    file = put(url, BYTES, tmp_path)
    now = datetime.now(UTC)
    assert not object_store.upload_object(url, file, tmp_path / "source", now)
    assert object_store.upload_object(url, file, tmp_path / "source", now + timedelta(days=2))


def test_what_is_there_in_another_size_is_replaced(bucket: Bucket, tmp_path: Path) -> None:
    file = file_of(BYTES)
    name = f"models/{object_store.object_name(file.sha256)}"
    bucket.put(name, b"half")
    put(bucket.url, BYTES, tmp_path)
    assert bucket.objects() == {name: BYTES}


def test_a_file_that_has_changed_is_not_uploaded_under_its_old_name(url: str, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"other")
    with pytest.raises(EnvironmentProblem) as raised:
        object_store.upload_object(url, file_of(b"model"), tmp_path / "source", datetime.now(UTC))
    assert id_of(raised) == "store-corrupt"
    assert object_store.list_objects(url) == ()


@pytest.mark.parametrize(
    ("change", "id"),
    [
        (lambda content: content[:-1] + b"\0", "store-corrupt"),
        (lambda content: content[:-1], "store-corrupt"),
        (lambda content: content + b"\0", "store-corrupt"),
        (lambda _: b"", "store-corrupt"),
        (lambda _: None, "store-missing"),
    ],
    ids=["flipped", "truncated", "longer", "empty", "missing"],
)
def test_an_object_that_is_not_what_was_recorded_is_refused(
    bucket: Bucket, tmp_path: Path, change: Callable[[bytes], bytes | None], id: str
) -> None:
    file = put(bucket.url, BYTES, tmp_path)
    name = f"models/{object_store.object_name(file.sha256)}"
    changed = change(BYTES)
    if changed is None:
        bucket.client.delete_object(Bucket=bucket.name, Key=name)
    else:
        bucket.put(name, changed)
    with pytest.raises(EnvironmentProblem) as raised:
        object_store.download_object(bucket.url, file, tmp_path / "cache", tmp_path / "back")
    assert id_of(raised) == id
    assert not (tmp_path / "back").exists()


def test_a_local_copy_is_verified_on_each_read_and_replaced(url: str, tmp_path: Path) -> None:
    file = put(url, BYTES, tmp_path)
    cache = tmp_path / "cache"
    object_store.download_object(url, file, cache, tmp_path / "back")
    (cache / file.sha256).write_bytes(BYTES[:-1] + b"\0")
    object_store.download_object(url, file, cache, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (cache / file.sha256).read_bytes() == BYTES


def test_a_local_copy_is_not_asked_for_again_and_forgotten_when_nobody_does(bucket: Bucket, tmp_path: Path) -> None:
    first, cache = put(bucket.url, b"first", tmp_path), tmp_path / "cache"
    second = put(bucket.url, b"second", tmp_path)
    object_store.download_object(bucket.url, first, cache, tmp_path / "back")
    bucket.client.delete_object(Bucket=bucket.name, Key=f"models/{object_store.object_name(first.sha256)}")
    object_store.download_object(bucket.url, first, cache, tmp_path / "back")
    os.utime(cache / first.sha256, (0, 0))
    object_store.download_object(bucket.url, second, cache, tmp_path / "back")
    assert {path.name for path in cache.iterdir()} == {second.sha256, "lock"}


@given(
    content=st.binary(max_size=3000),
    left=st.binary(max_size=4000),
    same=st.integers(0, 4000),
    block=st.integers(1, 999),
)
def test_whatever_an_earlier_attempt_left_a_download_ends_with_the_right_bytes(
    content: bytes, left: bytes, same: int, block: int
) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        patch.setattr(object_store, "BLOCK_SIZE", block)
        url = f"file://{folder}/store"
        file = put(url, content, folder)
        (folder / "cache").mkdir()
        (folder / "cache" / f"{file.sha256}.part").write_bytes(content[:same] + left)
        object_store.download_object(url, file, folder / "cache", folder / "back")
        assert (folder / "back").read_bytes() == content
        assert not (folder / "cache" / f"{file.sha256}.part").exists()


@pytest.fixture
def line(bucket: Bucket, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:  # noqa: ARG001 - the bucket first
    with wire(endpoint) as made:
        monkeypatch.setenv("AWS_ENDPOINT_URL", made.url)
        monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)  # its patience costs seconds, and is not what is tested
        yield made


def test_a_download_that_is_cut_goes_on_where_it_was(
    bucket: Bucket, line: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_store, "BLOCK_SIZE", 100_000)
    file = put(bucket.url, BYTES, tmp_path)
    line.mend()
    line.down_limit = 750_000
    with pytest.raises(EnvironmentProblem) as raised:
        object_store.download_object(bucket.url, file, tmp_path / "cache", tmp_path / "back")
    assert id_of(raised) == "store-unreachable"
    assert not (tmp_path / "back").exists()
    had = (tmp_path / "cache" / f"{file.sha256}.part").stat().st_size
    assert had >= 500_000
    line.mend()
    object_store.download_object(bucket.url, file, tmp_path / "cache", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == BYTES
    assert len(BYTES) - had <= line.down < len(BYTES) - had + 50_000  # the rest, and headers


def test_an_upload_that_is_cut_shows_nothing_and_is_sent_by_running_again(
    bucket: Bucket, line: Wire, tmp_path: Path
) -> None:
    other = put(bucket.url, BYTES[::-1], tmp_path)
    line.mend()
    line.up_limit = 500_000
    with pytest.raises(EnvironmentProblem) as raised:
        put(bucket.url, BYTES, tmp_path)
    assert id_of(raised) == "store-unreachable"
    assert list(bucket.objects()) == [f"models/{object_store.object_name(other.sha256)}"]
    line.mend()
    put(bucket.url, BYTES[::-1], tmp_path)
    assert line.up < 10_000  # it is there: only asked for
    file = put(bucket.url, BYTES, tmp_path)
    assert bucket.objects()[f"models/{object_store.object_name(file.sha256)}"] == BYTES


def test_an_upload_that_is_killed_shows_nothing_in_a_folder(tmp_path: Path) -> None:
    """Given a disk with room for a part only, when a file is put there, then exit 3's problem is raised, and no file is left."""
    (tmp_path / "source").write_bytes(BYTES)
    code = f"""
import json, pathlib, resource, sys
from datetime import UTC, datetime
from mlops_ci.registry import object_store
from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.core.records.base import FileDigest
file, here = FileDigest("model.skops", {digest_bytes(BYTES)!r}, {len(BYTES)}), pathlib.Path(sys.argv[1])
ids = []
def tried(call):
    try:
        call()
    except EnvironmentProblem as problem:
        ids.append(problem.diagnostics[0].id)
object_store.upload_object(f"file://{{here}}/whole", file, here / "source", datetime.now(UTC))
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
tried(lambda: object_store.upload_object(f"file://{{here}}/store", file, here / "source", datetime.now(UTC)))
tried(lambda: object_store.download_object(f"file://{{here}}/whole", file, here / "cache", here / "back"))
print(json.dumps(ids))
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["disk-full", "disk-full"]
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []
    assert not (tmp_path / "back").exists()


def deny(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> str:  # noqa: ARG001 - as the others
    statement = {"Effect": "Deny", "Principal": "*", "Action": ["s3:GetObject", "s3:PutObject"]}
    policy = {"Version": "2012-10-17", "Statement": [{**statement, "Resource": f"arn:aws:s3:::{bucket.name}/*"}]}
    bucket.client.put_bucket_policy(Bucket=bucket.name, Policy=json.dumps(policy))
    return bucket.url


def forget_keys(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    return bucket.url


def unplug(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    return bucket.url


def uninstall(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> str:
    # drivers that were imported once are kept there
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)
    monkeypatch.setitem(sys.modules, "s3fs", None)
    return bucket.url


def test_a_store_that_says_nothing_is_given_up(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given an endpoint that takes the connection and never answers, then it is waited for three times and no more."""
    monkeypatch.setitem(object_store._S3_PATIENCE, "read_timeout", 0.3)
    with silent.listening() as port:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        began = time.monotonic()
        with pytest.raises(EnvironmentProblem) as caught:
            object_store.list_objects(bucket.url)
    assert caught.value.diagnostics[0].id == "store-unreachable"
    assert time.monotonic() - began < 10


TROUBLE: dict[str, tuple[Callable[[Bucket, pytest.MonkeyPatch], str], str, str]] = {
    "no permission": (deny, "store-forbidden", "AWS_PROFILE"),
    "no credentials": (forget_keys, "store-forbidden", "AWS_PROFILE"),
    "no network": (unplug, "store-unreachable", "network"),
    "no such bucket": (lambda _, __: "s3://nobody-made-it/models", "store-unknown", "create the bucket"),
    "no driver": (uninstall, "store-driver-missing", "pip install 'mlops-ci[s3]'"),
    "another protocol": (lambda _, __: "http://127.0.0.1/models", "store-unknown", "mlops.yaml"),
}


@pytest.mark.parametrize("name", TROUBLE)
def test_trouble_is_named_with_what_to_do_and_without_secrets(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    make, id, help = TROUBLE[name]
    url = make(bucket, monkeypatch)
    with pytest.raises(EnvironmentProblem) as raised:
        put(url, b"model", tmp_path)
    assert id_of(raised) == id
    said = raised.value.diagnostics[0]
    assert help in str(said.help)
    assert "s3cr3t" not in f"{said.message}{said.help}"


def test_an_object_is_removed_only_as_it_was_listed(url: str, tmp_path: Path) -> None:
    put(url, b"model", tmp_path)
    (found,) = object_store.list_objects(url)
    assert not object_store.remove_object(url, found.name, "2020-01-01T00:00:00+00:00")
    assert not object_store.remove_object(url, "../elsewhere", found.modified.isoformat())
    assert object_store.list_objects(url) == (found,)
    assert object_store.remove_object(url, found.name, found.modified.isoformat())
    assert not object_store.remove_object(url, found.name, found.modified.isoformat())
    assert object_store.list_objects(url) == ()


URLS = (
    "s3://bucket", "s3://bucket/", "s3://bucket/a/b", "gs://b/c", "abfs://container/x", "file:///srv/models", "s3://b/c-d_e.f=g",
    "s3://key:secret@bucket/x", "s3://bucket/x?versionId=1", "s3://bucket/x#y", "s3://", "file:///", "file://host/x", "file:x",
    "http://host/x", "s3://bucket/../x", "s3://bucket/x/..", "s3://bucket/./x", "s3://bucket//x", "memory://x", "s3://b/x\n",
    "s3:bucket", "S3://bucket", " s3://bucket", "s3://bucket/%2e%2e", "s3://bucket/a b", "github://a:b@c/d", "",
)  # fmt: skip


def test_the_schema_takes_the_urls_that_records_take() -> None:
    head: dict[str, Any] = {"apiVersion": "mlops-ci/v1", "kind": "Project", "metadata": {"name": "demo"}}
    taken = [url for url in (*URLS, "git") if schema_validator("Project").is_valid({**head, "spec": {"store": url}})]
    assert taken == [*(url for url in URLS if STORE_URL.fullmatch(url)), "git"] == [*URLS[:7], "git"]


@pytest.mark.parametrize(
    "data", [{"url": "http://x/y"}, {"url": "file:///a/../etc"}, {"files": ({"sha256": "../../etc/passwd"},)}]
)
def test_a_record_that_could_lead_elsewhere_is_none(data: dict[str, Any]) -> None:
    sha256 = data.get("files", ({"sha256": "a" * 64},))[0]["sha256"]
    with pytest.raises(ValueError, match="not "):
        StoredFiles(data.get("url", "s3://bucket"), (FileDigest("model.skops", sha256, 1),))
