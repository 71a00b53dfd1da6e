"""A signed registry, forged once; each test tampers with a copy of its own, with the right to push and without the keys."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlops_ci.repository import git
from tests.support.attacker import Attacker
from tests.support.forge import forge

SIGNING = "  signing: {format: ssh, allowedSigners: .mlops/allowed_signers}\n"


@dataclass(frozen=True)
class Keys:
    """Ada and Bob may sign; Eve has a key that nobody knows."""

    ada: Path
    bob: Path
    eve: Path
    signers: str


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ada", "bob", "eve"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    lines = [f'{name}@example.org namespaces="git" {(folder / f"{name}.pub").read_text()}' for name in ("ada", "bob")]
    return Keys(folder / "ada", folder / "bob", folder / "eve", "".join(lines))


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory, keys: Keys) -> Path:
    """Two models of eight events each: v1.0.0 to staging, prod and staging again; v1.0.1 to trial, prod, and out of trial."""
    root = tmp_path_factory.mktemp("world") / "repo"
    forge(root, 16, models=2, key=keys.ada, project=SIGNING, files={".mlops/allowed_signers": keys.signers})
    return root


@pytest.fixture
def attacker(world: Path, tmp_path: Path, keys: Keys) -> Attacker:
    shutil.copytree(world, tmp_path / "repo")
    found = git.find_repository(tmp_path / "repo")
    assert found is not None
    return Attacker(found, keys.eve)
