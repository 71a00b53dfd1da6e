"""Runs a command line and kills its own process, hard, before the Nth write: `python killed.py N ARGV...`."""

from __future__ import annotations

import os
import signal
import sys

from mlops_ci.cli.main import run_command_line


def main() -> int:
    left = int(sys.argv[1])

    def observe(write: str) -> None:
        nonlocal left
        sys.stdout.write(f"{write}\n")
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

    return run_command_line(sys.argv[2:], observe)


if __name__ == "__main__":
    sys.exit(main())
