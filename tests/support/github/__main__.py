"""The fake GitHub as a process of its own: `python -m tests.support.github`; README.md beside this file says how to talk to it."""

from __future__ import annotations

import argparse
import sys

from tests.support.github.fake import Fake
from tests.support.github.state import State, User


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.support.github")
    parser.add_argument("--repository", default="ada/flights", metavar="OWNER/NAME")
    parser.add_argument("--token", action="append", default=[], metavar="TOKEN=LOGIN", help="Whose a token is.")
    parser.add_argument(
        "--reads", action="append", default=[], metavar="TOKEN=LOGIN", help="A token that can only read."
    )
    asked = parser.parse_args()
    with Fake(State(asked.repository)) as fake:
        for given, writes in ((asked.token, None), (asked.reads, frozenset[str]())):
            for one in given:
                token, _, login = one.partition("=")
                fake.tokens[token] = User(login, writes)
        sys.stdout.write(f"{fake.url}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
