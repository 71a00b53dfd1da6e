"""A worker that tells its process id and never ends by itself."""

from __future__ import annotations

import os
import signal
from pathlib import Path


def main(path: str) -> None:
    """Write the id beside the job."""
    Path(path).with_name("pid").write_text(str(os.getpid()))
    signal.pause()
