"""Measures what the documentation claims and prints a table: `nox -s benchmarks`, or `python -m tests.benchmarks [ROUNDS]`."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

PYTHON = sys.executable
TOOL = [PYTHON, "-m", "mlops_ci"]


@dataclass(frozen=True)
class Ratio:
    """One claim: how the first of two alternated commands compares with the second. `limit` is what the project promises."""

    name: str
    ratios: tuple[float, ...]
    limit: str

    def row(self) -> str:
        """Return the claim as a line of the table."""
        low, middle, high = min(self.ratios), statistics.median(self.ratios), max(self.ratios)
        return f"{self.name:<62} {middle:6.2f}  [{low:.2f}, {high:.2f}]  {self.limit}"


def alternated(first: Callable[[], object], second: Callable[[], object], rounds: int) -> tuple[float, ...]:
    """Return the ratio of the times of two actions, pair by pair, after one pair that is not counted."""
    pairs = [(_timed(first), _timed(second)) for _ in range(rounds + 1)]
    return tuple(one / other for one, other in pairs[1:])


def main(rounds: int) -> None:
    """Measure everything and print the table."""
    print(f"median of {rounds} alternated pairs, with minimum and maximum; whole processes\n")
    for measure in (version, second_gate):
        print(measure(rounds).row(), flush=True)


def version(rounds: int) -> Ratio:
    """Compare the time of `--version` with the time to import click."""
    ratios = alternated(
        lambda: _run([*TOOL, "--version"]), lambda: _run([PYTHON, "-c", "import click"]), max(rounds, 15)
    )
    return Ratio("mlops-ci --version / python -c 'import click'", ratios, "at most 1.5")


def second_gate(rounds: int) -> Ratio:
    """Compare the first gate on real flights with the second one, of an unchanged repository."""
    with tempfile.TemporaryDirectory(prefix="mlops-ci-benchmark-") as folder:
        root = Path(folder) / "delays"
        _run([*TOOL, "init", str(root), "--template", "flights"])

        def first() -> None:
            shutil.rmtree(root / ".git")
            _run(["git", "init", "--quiet", str(root)])
            _run([*TOOL, "gate", "-C", str(root)])

        ratios = alternated(first, lambda: _run([*TOOL, "gate", "-C", str(root)]), rounds)
    return Ratio("flights: first gate / second gate, nothing changed", ratios, "at least 5")


def _timed(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def _run(command: Sequence[str]) -> None:
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    subprocess.run(command, check=True, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
