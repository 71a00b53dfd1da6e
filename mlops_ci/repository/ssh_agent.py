"""An ssh-agent of our own, which holds a private key that the environment gave: the key is in no file and no argument."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mlops_ci.core import guardian, process
from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.core.leftovers import outsiders
from mlops_ci.core.trusted_process import KEY_LIMITS, run_trusted

SIGNING_KEY_VARIABLE = "MLOPS_CI_SIGNING_KEY"
_KEY_LIFETIME = "3600"  # seconds after which the agent forgets the key, should nobody be left to end it


@contextmanager
def ssh_agent_with_key(key: str) -> Iterator[tuple[str, str]]:
    """Start an agent that holds a private OpenSSH key, give the public key and the agent's socket, and end it.

    Raises EnvironmentProblem `signing-key-unusable` for what is no such key or has a passphrase, and
    `signature-program-missing` without OpenSSH.
    """
    # where it likes: the path of a socket must be short, and a temporary folder's may not be
    own = {name: value for name, value in process.isolated_environment(os.environ).items() if name != "TMPDIR"}
    said = _run_program(("ssh-agent", "-s"), own)[1]
    found = re.search(r"SSH_AUTH_SOCK=([^;]+);.*SSH_AGENT_PID=(\d+);", said, re.DOTALL)
    if found is None:
        raise EnvironmentProblem.of(
            "signing-key-unusable",
            f"the key in {SIGNING_KEY_VARIABLE} cannot be used because ssh-agent did not start",
            help="run `ssh-agent -s` in the same job to see why",
        )
    theirs = {**own, "SSH_AUTH_SOCK": found.group(1), "SSH_AGENT_PID": found.group(2)}
    outsiders.add(agent := int(found.group(2)))
    guardian.watch_outsider(agent)  # the kernel shows nobody its environment
    try:
        yield _add_key(key, theirs), found.group(1)
    finally:
        _run_program(("ssh-add", "-q", "-D"), theirs)  # at once: the agent takes a moment to end
        _run_program(("ssh-agent", "-k"), theirs)
        outsiders.discard(agent)


def _add_key(key: str, env: Mapping[str, str]) -> str:
    text = key.replace("\r\n", "\n").strip() + "\n"  # a secret may have lost its last line break, which OpenSSH wants
    # nobody is there to type a passphrase
    silent = {**env, "SSH_ASKPASS": "false", "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ""}
    status = _run_program(("ssh-add", "-q", "-t", _KEY_LIFETIME, "-"), silent, text.encode())[0]
    public = _run_program(("ssh-add", "-L"), env)[1].split()
    if status != 0 or len(public) < 2:
        raise EnvironmentProblem.of(
            "signing-key-unusable",
            f"{SIGNING_KEY_VARIABLE} has no usable key: it is not a private OpenSSH key, is incomplete, or has a passphrase",
            help="create a key only for this purpose (ssh-keygen -t ed25519 -N '' -f key), store the whole file `key` as the secret, and add"
            " key.pub to the allowed signers",
        )
    return f"{public[0]} {public[1]}"


def _run_program(argv: tuple[str, ...], env: Mapping[str, str], stdin: bytes = b"") -> tuple[int, str]:
    try:
        status, out, _ = run_trusted(argv, cwd=Path.cwd(), env=env, stdin=stdin, limits=KEY_LIMITS)
    except FileNotFoundError as error:
        raise EnvironmentProblem.of(
            "signature-program-missing",
            f"a key in {SIGNING_KEY_VARIABLE} needs {argv[0]}, which is not installed or not on PATH",
            help="install OpenSSH 8.2 or newer",
        ) from error
    return status, out.decode("utf-8", "replace")
