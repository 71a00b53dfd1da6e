"""A few random kills of what writes the most: nothing half-done, nothing left, and the repetition completes it. `nox -s chaos` makes many."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from tests.chaos.world import Verb, count_questions
from tests.support.consumer import Consumer

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]


@pytest.mark.parametrize("name", ["release", "gc"])
def test_a_kill_at_a_random_moment_leaves_all_or_nothing(name: str, gated: Consumer, tmp_path: Path) -> None:
    count_questions(gated)
    (tmp_path / name).mkdir()
    verb = Verb(name, gated, tmp_path / name)
    dice = random.Random(name)  # noqa: S311 - the moments of kills, not a secret
    for number in range(2):
        verb.kill(number, dice, while_it_writes=number == 1)
