"""The long race: `nox -s races`, or `python -m tests.races [CLIENTS ROUNDS]`. Prints how often each ending came."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from tests.races.world import Clients, checked, clones, prepared, race
from tests.support.consumer import make_consumer
from tests.support.git_daemon import serving


def main(count: int, rounds: int) -> None:
    """Race, check the origin, and print the endings; an AssertionError says what did not hold."""
    with tempfile.TemporaryDirectory(prefix="mlops-ci-races-") as name:
        folder = Path(name)
        (folder / ".gitconfig").write_text(
            "[user]\n name = Ada Lovelace\n email = ada@example.org\n[init]\n defaultBranch = main\n"
        )
        os.environ["HOME"] = str(folder)
        consumer = make_consumer(folder / "world", "minimal")
        consumer.ok("gate")
        commits = prepared(consumer, count * rounds)
        print(f"{len(commits)} candidates are gated; {count} clients race for {rounds} rounds", flush=True)
        began = time.monotonic()
        with serving(consumer.origin.parent) as server, Clients(clones(consumer, folder, server.url, count)) as clients:
            attempts = race(clients, count, rounds, commits)
        seconds = time.monotonic() - began
        endings = checked(consumer, attempts, folder)
    for ending, times in sorted(endings.items()):
        print(f"{ending:<24} {times:5}")
    print(f"{len(attempts)} commands in {seconds:.0f} s; every event is at the origin, once")


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    main(*given) if given else main(16, 20)
