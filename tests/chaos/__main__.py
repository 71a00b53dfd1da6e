"""Random kills: `nox -s chaos`, or `python -m tests.chaos [KILLS [VERB...]]`. Prints what each kill met, and ends at what did not hold."""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.chaos.world import COMMANDS, Verb, count_questions
from tests.support.consumer import make_consumer

MOMENTS = ("before its first write", "while it wrote")


def main(count: int, verbs: list[str]) -> None:
    """Kill each verb that many times, the second half of them after the first write; an AssertionError says what did not hold."""
    with tempfile.TemporaryDirectory(prefix="chaos-") as name:
        folder = Path(name)
        (folder / ".gitconfig").write_text(
            "[user]\n name = Ada Lovelace\n email = ada@example.org\n[init]\n defaultBranch = main\n[gc]\n auto = 0\n"
        )
        os.environ["HOME"] = str(folder)
        base = make_consumer(folder / "base", "minimal")
        count_questions(base)
        print(f"| verb | kills | {' | '.join(MOMENTS)} | its work was at the origin | seconds |", flush=True)
        print(f"|{'---|' * (len(MOMENTS) + 4)}", flush=True)
        for verb in verbs:
            began = time.monotonic()
            (folder / verb).mkdir()
            tried = Verb(verb, base, folder / verb)
            dice = random.Random(f"{verb} {count}")  # noqa: S311 - the moments of kills, not a secret
            met: Counter[str] = Counter()
            arrived = 0
            for number in range(count):
                try:
                    kill = tried.kill(number, dice, while_it_writes=number >= count // 2)
                except AssertionError:
                    print(f"{verb}, kill {number}: did not hold", flush=True)
                    raise
                met[kill.moment] += 1
                arrived += kill.arrived
            numbers = " | ".join(str(met[moment]) for moment in MOMENTS)
            print(f"| `{verb}` | {count} | {numbers} | {arrived} | {time.monotonic() - began:.0f} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 40, sys.argv[2:] or list(COMMANDS))
