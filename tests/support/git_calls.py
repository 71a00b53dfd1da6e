"""Git as a user runs it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

Git = Callable[..., str]


def git_in(folder: Path) -> Git:
    """Return a function that runs git in a folder, as a user would, and gives what it printed."""

    def run(*args: str) -> str:
        done = subprocess.run(["git", *args], cwd=folder, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    return run
