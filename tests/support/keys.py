"""People with keys of their own: four who may sign, and Eve, whom nobody knows."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlops_ci.repository.git import Repository
from tests.support.git_calls import git_in


@dataclass(frozen=True)
class Keys:
    """SSH keys by first name at `folder`; `signers` allows all but eve; `openpgp` and `bob_openpgp` are public GPG keys."""

    folder: Path
    signers: Path
    openpgp: Path
    bob_openpgp: Path
    fingerprint: str  # of Ada's GPG key

    def of(self, name: str) -> Path:
        return self.folder / name

    def line(self, name: str, options: str = 'namespaces="git"') -> str:
        """One line of allowed signers, with the person's address for principal."""
        return f"{name}@example.org {options} {self.of(name).with_suffix('.pub').read_text()}"


@pytest.fixture(scope="session")
def made_keys() -> Iterator[Keys]:
    # the agent's socket needs a short path
    with tempfile.TemporaryDirectory(prefix="k", ignore_cleanup_errors=True) as made:
        folder = Path(made)
        for name in ("ada", "bob", "carol", "dora", "eve"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
        home = folder / "gpg"
        home.mkdir(mode=0o700)
        env = {**os.environ, "GNUPGHOME": str(home)}
        try:
            for name in ("ada", "bob"):
                identity = (f"{name.title()} <{name}@example.org>", "ed25519", "sign", "never")
                gpg(env, "--passphrase", "", "--quick-gen-key", *identity)
                (folder / f"{name}.asc").write_text(gpg(env, "--armor", "--export", name))
            listing = gpg(env, "--with-colons", "--list-keys", "ada")
            fingerprint = next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:"))
            keys = Keys(folder, folder / "allowed_signers", folder / "ada.asc", folder / "bob.asc", fingerprint)
            keys.signers.write_text("".join(map(keys.line, ("ada", "bob", "carol", "dora"))))
            yield keys
        finally:
            subprocess.run(["gpgconf", "--kill", "all"], env=env, check=False, capture_output=True)


@pytest.fixture
def keys(made_keys: Keys, monkeypatch: pytest.MonkeyPatch) -> Keys:
    """The keys; what gpg finds by itself is Ada's keyring."""
    monkeypatch.setenv("GNUPGHOME", str(made_keys.folder / "gpg"))
    return made_keys


def gpg(env: dict[str, str], *args: str, stdin: str = "") -> str:
    argv = ["gpg", "--batch", "--quiet", *args]
    return subprocess.run(argv, env=env, check=True, capture_output=True, text=True, input=stdin).stdout


def signed(repo: Repository, keys: Keys, who: str, name: str = "delay@v1.0.0", text: str = "a message\n") -> str:
    """Have git sign a tag with somebody's SSH key, and return the object's id; no ref is left."""
    return _tag(repo, name, text, "-c", "gpg.format=ssh", "-c", f"user.signingKey={keys.of(who)}")


def signed_by_gpg(repo: Repository, keys: Keys, text: str = "a message\n") -> str:
    """The same with Ada's GPG key."""
    return _tag(repo, "delay@v1.0.0", text, "-c", f"user.signingKey={keys.fingerprint}")


def _tag(repo: Repository, name: str, text: str, *settings: str) -> str:
    run = git_in(repo.root)
    run(*settings, "tag", "-s", "-m", text, name)
    oid = run("rev-parse", f"refs/tags/{name}")
    run("tag", "-d", name)
    return oid


def rewritten(repo: Repository, oid: str, old: str, new: str) -> str:
    """Store a copy of a tag object with other text in it, and return its id."""
    content = repo.run("cat-file", "tag", oid).out.decode()
    assert old in content
    return repo.run("hash-object", "-t", "tag", "-w", "--stdin", stdin=content.replace(old, new).encode()).text
