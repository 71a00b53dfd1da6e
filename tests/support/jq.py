"""The command `jq`, as far as recipes need it: `jq [-r] [-c] FILTER` from standard input, by jq's own library."""

from __future__ import annotations

import json
import sys

import jq


def main(arguments: list[str]) -> None:
    """Write what the filter makes of the JSON on standard input, one line for each result."""
    *flags, program = arguments
    for found in jq.compile(program).input_text(sys.stdin.read()):
        is_raw = "-r" in flags and isinstance(found, str)
        text = found if is_raw else json.dumps(found, separators=(",", ":"), ensure_ascii=False)
        sys.stdout.write(f"{text}\n")


main(sys.argv[1:])
