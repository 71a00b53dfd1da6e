"""Runs a command line where no file can grow beyond some bytes, as on a disk that is full: `python limited.py BYTES ARGV...`."""

from __future__ import annotations

import resource
import sys

from mlops_ci.cli.main import run_command_line


def main() -> int:
    limit = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    return run_command_line(sys.argv[2:], wait=lambda _: None)


if __name__ == "__main__":
    sys.exit(main())
