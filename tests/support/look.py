"""A worker that tells what it was given, and ends with a code of its own."""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path

import numpy as np


def main(_: str) -> None:
    """Print it as JSON."""
    seen = {
        "folder": str(Path.cwd()),
        "argv": sys.argv,
        "path": os.environ["PATH"],
        "names": sorted(os.environ),
        "seed": os.environ["PYTHONHASHSEED"],
        "input": sys.stdin.read(),
        "imported": [name for name in sys.modules if name in ("pandas", "scipy.special", "skops.io")],
        "draws": [random.random(), np.random.random()],  # noqa: S311 - the global generators are what is looked at
    }
    sys.stdout.write(json.dumps(seen))
    sys.exit(3)
