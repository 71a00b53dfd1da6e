"""Measures what the documentation claims and prints a table: `nox -s benchmarks -- [ROUNDS] [MEASURES]`.

MEASURES are names of functions, such as `of_a_check`; without them, all are measured.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.affected import of_a_large_repository
from tests.benchmarks.data import of_a_check, of_wide_tables
from tests.benchmarks.library_imports import of_the_libraries
from tests.benchmarks.many_models import of_many_models
from tests.benchmarks.overhead import of_a_gate
from tests.benchmarks.ratio import Limit, Ratio, alternated, run
from tests.benchmarks.registry import against_git, against_gto, of_signed_events
from tests.benchmarks.statistics import of_the_gate

PYTHON = sys.executable
TOOL = [PYTHON, "-m", "mlops_ci"]


def main(rounds: int, names: list[str]) -> None:
    """Measure everything, or what is named, and print the table."""
    print(f"median of {rounds} alternated pairs, with minimum and maximum; whole processes unless it says otherwise\n")
    with tempfile.TemporaryDirectory(prefix="mlops-ci-benchmark-") as folder:
        scratch = Path(folder)
        for measure in (
            *(version, of_the_libraries, of_a_gate, of_many_models, second_gate, of_a_large_repository),
            *(of_a_check, of_wide_tables, of_the_gate, against_git, of_signed_events, against_gto),
        ):
            for ratio in measure(rounds, scratch) if not names or measure.__name__ in names else ():
                print(ratio.row(), flush=True)


def version(rounds: int, _: Path) -> Iterator[Ratio]:
    """Compare the time of `--version` with the time to import click."""
    ratios = alternated(lambda: run([*TOOL, "--version"]), lambda: run([PYTHON, "-c", "import click"]), max(rounds, 15))
    yield Ratio("mlops-ci --version / python -c 'import click'", ratios, Limit(at_most=1.5))


def second_gate(rounds: int, scratch: Path) -> Iterator[Ratio]:
    """Compare the first gate on real flights with the second one, of an unchanged repository."""
    root = scratch / "delays"
    run([*TOOL, "init", str(root), "--template", "flights"])

    def first() -> None:
        shutil.rmtree(root / ".git")
        run(["git", "init", "--quiet", str(root)])
        run([*TOOL, "gate", "-C", str(root)])

    ratios = alternated(first, lambda: run([*TOOL, "gate", "-C", str(root)]), rounds)
    yield Ratio("flights: first gate / second gate, nothing changed", ratios, Limit(at_least=5))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3, sys.argv[2:])
