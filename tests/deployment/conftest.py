"""A release as the registry would hold it, and a way to vary it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import pytest

from mlops_ci.core.records.base import FileDigest, ProjectRef, Provenance
from mlops_ci.core.records.events import DataRef, GateEvidence, Release
from mlops_ci.core.records.training_run import ModelFormat


def file_digest(path: str, content: bytes) -> FileDigest:
    return FileDigest(path, hashlib.sha256(content).hexdigest(), len(content))


def make_release(
    version: str = "1.0.0", *, files: Mapping[str, bytes] | None = None, model: str = "delay", commit: str = "c" * 40
) -> Release:
    contents = {"model.skops": version.encode()} if files is None else files
    return Release(
        model=model,
        version=version,
        commit=commit,
        spec_path="models/delay.yaml",
        spec_digest="1" * 64,
        interface_digest="2" * 64,
        seed=7,
        code=(),
        data=(DataRef("flights", "3" * 64, 80, "4" * 64, "5" * 64),),
        environment_digest="5" * 64,
        model_digest=hashlib.sha256(version.encode()).hexdigest(),
        model_format=ModelFormat("skops", "model.skops"),
        model_files=tuple(file_digest(path, content) for path, content in contents.items()),
        trusted=(),
        run_key=f"key-of-{version}",
        run_ref=f"refs/mlops/runs/{model}/key-of-{version}",
        run_oid="a" * 40,
        evidence=GateEvidence("8" * 64, "pass", "", "9" * 64, "6" * 64, 20, None, (), ()),
        project=ProjectRef("nyc-flights", "."),
        trust="local",
        made_by=Provenance("ada", "mlops-ci 0.1.0"),
        made_on="2026-01-01T00:00:00Z",
    )


@pytest.fixture
def release() -> Release:
    return make_release()
