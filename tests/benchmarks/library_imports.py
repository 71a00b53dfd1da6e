"""What a process that fits or scores takes to import its libraries, against plain import statements."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from mlops_ci.training.library_imports import LIBRARIES
from tests.benchmarks.ratio import Limit, Ratio, alternated, run

QUICK = "from mlops_ci.training.library_imports import LIBRARIES, import_libraries; import_libraries(LIBRARIES)"
PLAIN = f"import mlops_ci.training.library_imports, pandas, {', '.join(LIBRARIES)}"  # pandas first, as in most scripts


def of_the_libraries(rounds: int, _: Path) -> Iterator[Ratio]:
    """Compare two whole processes that do nothing else."""
    quick, plain = ([sys.executable, "-c", code] for code in (QUICK, PLAIN))
    yield Ratio(
        "a worker's imports / the same by import statements",
        alternated(lambda: run(quick), lambda: run(plain), rounds),
        Limit(at_most=1),
    )
