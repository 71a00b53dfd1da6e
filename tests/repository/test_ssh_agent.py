"""A signing key that a job's environment gives: it signs what plain git verifies, and is nowhere but in an agent of our own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.repository.ssh_agent import SIGNING_KEY_VARIABLE, ssh_agent_with_key
from tests.support.consumer import Consumer, copy_of
from tests.support.git_calls import git_in
from tests.support.keys import Keys


@pytest.fixture
def consumer(world_of_gated: Consumer, keys: Keys, tmp_path: Path) -> Consumer:
    """A gated project whose tags are signed."""
    made = copy_of(world_of_gated, tmp_path)
    (made.root / "signers").write_text(keys.line("ada"))
    project = made.root / "mlops.yaml"
    project.write_text(f"{project.read_text()}  signing: {{format: ssh, allowedSigners: signers}}\n")
    made.commit("sign")
    made.git("push", "--quiet", "origin", "main")
    return made


def holds(path: str) -> bool:
    """Tell whether an agent is there and has a key."""
    env = {"PATH": os.environ["PATH"], "SSH_AUTH_SOCK": path}
    return subprocess.run(["ssh-add", "-l"], env=env, capture_output=True, check=False).returncode == 0


def test_a_release_and_a_deployment_are_signed_with_it(
    consumer: Consumer, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    for command in (("release",), ("deploy", "diagnosis", "--env", "staging")):
        monkeypatch.setenv(
            SIGNING_KEY_VARIABLE, keys.of("ada").read_text().rstrip().replace("\n", "\r\n")
        )  # as a form sends it
        consumer.ok(*command)
        assert SIGNING_KEY_VARIABLE not in os.environ
    for name in ("diagnosis@v1.0.0", "diagnosis#staging#1"):
        git_in(consumer.root)("-c", f"gpg.ssh.allowedSignersFile={consumer.root / 'signers'}", "verify-tag", name)
    consumer.ok("audit")


def test_it_is_held_by_an_agent_that_ends_and_written_nowhere(
    consumer: Consumer, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = keys.of("ada").read_text()
    monkeypatch.setenv(SIGNING_KEY_VARIABLE, secret)
    done = consumer.run("release", "--format", "json")
    assert done.returncode == 0, done.stdout
    body = secret.splitlines()[2].encode()
    assert body.decode() not in done.stdout + done.stderr
    files = [path for path in consumer.root.parent.rglob("*") if path.is_file()]
    assert [path for path in files if body in path.read_bytes()] == []
    assert len(files) > 50
    with ssh_agent_with_key(secret) as (public, path):
        assert public == " ".join(keys.of("ada").with_suffix(".pub").read_text().split()[:2])
        assert holds(path)
    assert not holds(path)
    with pytest.raises(KeyboardInterrupt), ssh_agent_with_key(secret) as (_, path):
        raise KeyboardInterrupt
    assert not holds(path)


def test_a_verb_that_makes_no_tag_has_no_agent_and_does_not_see_it(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SIGNING_KEY_VARIABLE, "no key at all")
    consumer.ok("gate")
    assert SIGNING_KEY_VARIABLE not in os.environ


def test_a_key_of_somebody_who_may_not_sign_writes_nothing(
    consumer: Consumer, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SIGNING_KEY_VARIABLE, keys.of("eve").read_text())
    before = consumer.published()
    assert consumer.answer("release", code=3)["diagnostics"][0]["id"] == "signer-not-allowed"
    assert consumer.published() == before


def test_what_is_no_usable_key_is_said_and_not_shown(tmp_path: Path, keys: Keys) -> None:
    locked = tmp_path / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "a passphrase", "-f", str(locked)], check=True)
    whole = keys.of("ada").read_text()
    for text in (locked.read_text(), whole[:150], "hunter2", keys.of("ada").with_suffix(".pub").read_text()):
        with pytest.raises(EnvironmentProblem) as raised, ssh_agent_with_key(text):
            raise AssertionError
        (found,) = raised.value.diagnostics
        assert found.id == "signing-key-unusable"
        assert text.split()[-1] not in f"{found.message}{found.help}"


def test_without_openssh_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EnvironmentProblem) as raised, ssh_agent_with_key("x"):
        raise AssertionError
    assert raised.value.diagnostics[0].id == "signature-program-missing"
