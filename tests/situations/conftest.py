"""The project that situations happen to."""

from __future__ import annotations

import pytest

from tests.support.consumer import Consumer, copy_of, edit, home_of_ada
from tests.support.keys import Keys

SIGNING = "  signing: {format: ssh, allowedSigners: .mlops/allowed_signers}\n"


@pytest.fixture(scope="session")
def world_of_running(world_of_gated: Consumer, tmp_path_factory: pytest.TempPathFactory) -> Consumer:
    """A version in staging, and another candidate that has passed the gate."""
    with home_of_ada(tmp_path_factory):
        made = copy_of(world_of_gated, tmp_path_factory.mktemp("running"))
        made.ok("release")
        made.ok("deploy", "diagnosis", "--env", "staging")
        add_candidate(made)
    return made


@pytest.fixture(scope="session")
def world_of_signed(world_of_gated: Consumer, made_keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Consumer:
    """A version in staging and prod, and another candidate; all events are signed by Ada, whose key is set in the clone."""
    with home_of_ada(tmp_path_factory):
        made = copy_of(world_of_gated, tmp_path_factory.mktemp("signed"))
        signers = made.root / ".mlops" / "allowed_signers"
        signers.parent.mkdir(exist_ok=True)
        signers.write_text(made_keys.signers.read_text())
        edit(made, "mlops.yaml", "spec:\n", f"spec:\n{SIGNING}")
        made.commit("Sign events")
        made.git("push", "--quiet")
        made.git("config", "user.signingKey", str(made_keys.of("ada")))
        made.ok("gate")
        made.ok("release")
        made.ok("deploy", "diagnosis", "--env", "staging")
        made.ok("deploy", "diagnosis", "--env", "prod")
        add_candidate(made)
    return made


def add_candidate(consumer: Consumer) -> None:
    """Change the model on top of what the origin has, and have the gate evaluate it."""
    consumer.git("pull", "--quiet", "--rebase")
    edit(consumer, "models/diagnosis.yaml", "{max_iter: 1000}", "{max_iter: 1000, C: 0.5}")
    consumer.commit("Regularise more")
    consumer.git("push", "--quiet")
    consumer.ok("gate")
