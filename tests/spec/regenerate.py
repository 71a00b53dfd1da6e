"""Write anew what every invalid example prints: `python -m tests.spec.regenerate`, then review the difference in git."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.support.examples import cases, expected, printed


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        for case in cases("invalid"):
            expected(case).write_text(printed(case, Path(scratch) / case.stem), encoding="utf-8")


if __name__ == "__main__":
    main()
