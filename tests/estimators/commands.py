"""Runs command lines of mlops-ci one after another, and prints the exit code and both outputs of each: a script for `story`."""

from __future__ import annotations

import contextlib
import io
import json
import sys

from mlops_ci.cli.main import run_command_line

if __name__ == "__main__":
    for arguments in json.loads(sys.argv[1]):
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as errors:
            code = run_command_line(arguments)
        print(json.dumps([code, out.getvalue(), errors.getvalue()]), flush=True)
