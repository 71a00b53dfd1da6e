"""One long-lived client: imports everything once, then runs command lines in its clone, each when it is told to.

Reads lines of `{"commit": ..., "argv": [...]}` (the commit to check out first, or null), and answers each with `{"code", "out", "err"}`.
"""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys

from mlops_ci.cli.main import run_command_line


def main() -> None:
    """Serve until standard input ends."""
    for line in sys.stdin:
        wanted = json.loads(line)
        if wanted["commit"]:
            subprocess.run(["git", "switch", "--quiet", "--detach", wanted["commit"]], check=True)
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run_command_line(wanted["argv"])
        sys.stdout.write(json.dumps({"code": int(code), "out": out.getvalue(), "err": err.getvalue()}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
