"""The project that situations happen to."""

from __future__ import annotations

import pytest

from tests.support.consumer import Consumer, copy_of, edit, home_of_ada


@pytest.fixture(scope="session")
def world_of_running(world_of_gated: Consumer, tmp_path_factory: pytest.TempPathFactory) -> Consumer:
    """A version in staging, and another candidate that has passed the gate."""
    with home_of_ada(tmp_path_factory):
        made = copy_of(world_of_gated, tmp_path_factory.mktemp("running"))
        made.ok("release")
        made.ok("deploy", "diagnosis", "--env", "staging")
        made.git("pull", "--quiet", "--rebase")
        edit(made, "models/diagnosis.yaml", "{max_iter: 1000}", "{max_iter: 1000, C: 0.5}")
        made.commit("Regularise more")
        made.git("push", "--quiet")
        made.ok("gate")
    return made
