"""A remote that takes the connection and never answers: every verb ends, before it has done work that would be lost."""

from __future__ import annotations

import sys
import time

import pytest

from mlops_ci.core import trusted_process
from tests.support import silent
from tests.support.consumer import Consumer, copy_of, home_of_ada

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only git's own limits hold")

REASON = ("--reason", "errors")
SHARED = ("refs/heads", "refs/tags", "refs/remotes", "refs/mlops/log", "refs/mlops/releases", "refs/mlops/ledger")
# each with its exit code and the first finding: a query says that it did not ask, and what has to write asks before its work
VERBS: dict[str, tuple[tuple[str, ...], int, str | None]] = {
    "validate": (("validate",), 0, None),
    "check": (("check",), 0, None),
    "show": (("show",), 0, None),
    "show --at": (("show", "--at", "2030-01-01"), 0, None),
    "history": (("history",), 0, None),
    "diff": (("diff", "diagnosis@v1.0.0", "diagnosis@v1.0.0"), 0, None),
    "audit": (("audit",), 0, None),
    "affected": (("ci", "affected", "--base", "HEAD"), 0, None),
    "doctor": (("doctor",), 0, None),
    "gate": (("gate",), 0, "registry-offline"),
    "compare": (("compare",), 0, "registry-offline"),
    "fetch": (("fetch", "diagnosis", "out"), 0, "registry-offline"),
    "release": (("release",), 3, "remote-unreachable"),
    "deploy": (("deploy", "diagnosis", "--env", "staging"), 3, "remote-unreachable"),
    "rollback": (("rollback", "diagnosis", "--env", "staging", *REASON), 3, "remote-unreachable"),
    "retire": (("retire", "diagnosis@v1.0.0", *REASON), 3, "remote-unreachable"),
    "approve": (("approve", "diagnosis@v1.0.0", "--env", "prod"), 3, "remote-unreachable"),
    "gc": (("gc",), 3, "remote-unreachable"),
}


@pytest.fixture(scope="module")
def released(world_of_gated: Consumer, tmp_path_factory: pytest.TempPathFactory) -> Consumer:
    with home_of_ada(tmp_path_factory):
        made = copy_of(world_of_gated, tmp_path_factory.mktemp("released"))
        made.ok("release")
    return made


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_ends_although_the_remote_is_silent(
    verb: str, released: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a clone that has the registry, when its remote says nothing, then the verb waits for it once, if at all."""
    monkeypatch.setattr(trusted_process, "SILENCE_SECONDS", 1.0)
    argv, code, first = VERBS[verb]
    here = released.git("for-each-ref", *SHARED)
    with silent.listening() as port:
        # not another URL, which would be another remote: its server has stopped to answer
        released.git("config", f"url.git://127.0.0.1:{port}/.insteadOf", f"{released.origin.parent}/")
        began = time.monotonic()
        found = released.answer(*argv, code=code)["diagnostics"]
        seconds = time.monotonic() - began
    assert seconds < 20
    assert first is None or found[0]["id"] == first, found
    released.git("config", "--remove-section", f"url.git://127.0.0.1:{port}/")
    assert released.git("for-each-ref", *SHARED) == here
