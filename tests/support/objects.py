"""An object store: moto's real server on 127.0.0.1, one a test process; each test has a bucket of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

_BUCKETS = itertools.count(1)


@dataclass(frozen=True)
class Bucket:
    """A bucket, and its client, which does what somebody with the keys could do."""

    name: str
    client: Any

    @property
    def url(self) -> str:
        return f"s3://{self.name}/models"

    def objects(self) -> dict[str, bytes]:
        """Every object by its key."""
        listed = self.client.list_objects_v2(Bucket=self.name).get("Contents", [])
        return {one["Key"]: self.client.get_object(Bucket=self.name, Key=one["Key"])["Body"].read() for one in listed}

    def put(self, key: str, content: bytes) -> None:
        self.client.put_object(Bucket=self.name, Key=key, Body=content)


@pytest.fixture(scope="session")
def definitions() -> Iterator[None]:
    """Read botocore's files once: every client reads a megabyte of JSON anew, and the toolkit makes a client for each use."""
    from botocore.loaders import JSONFileLoader

    read, kept = JSONFileLoader.load_file, {}

    def load_file(self: JSONFileLoader, path: str) -> Any:
        if path not in kept:
            kept[path] = read(self, path)
        return kept[path]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", load_file)
        yield


@pytest.fixture(scope="session")
def endpoint(definitions: None) -> Iterator[str]:  # noqa: ARG001 - for its effect
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    import boto3

    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cr3t-of-the-tests")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    client = boto3.client("s3", endpoint_url=endpoint)
    name = f"bucket-{next(_BUCKETS)}"
    client.create_bucket(Bucket=name)
    yield Bucket(name, client)
    client.close()
