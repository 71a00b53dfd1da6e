"""Runs a command line, and says each write before it begins: `python -m tests.chaos.victim ARGV...`."""

from __future__ import annotations

import sys

from mlops_ci.cli.main import run_command_line


def main() -> int:
    def observe(write: str) -> None:
        sys.stdout.write(f"write: {write}\n")
        sys.stdout.flush()

    return run_command_line(sys.argv[1:], observe)


if __name__ == "__main__":
    sys.exit(main())
