"""Two commands, alternated, and the ratio of their times: what a busy machine does to one it does to the other."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Limit:
    """What the project promises of a figure; without bounds, nothing."""

    at_most: float = float("inf")
    at_least: float = float("-inf")

    def verdict(self, figure: float) -> str:
        """Return the promise in words, and whether the figure keeps it."""
        if self == NO_PROMISE:
            return "no promise"
        words = f"at most {self.at_most:g}" if self.at_least == float("-inf") else f"at least {self.at_least:g}"
        return f"{words}: {'kept' if self.at_least <= figure <= self.at_most else 'NOT KEPT'}"


NO_PROMISE = Limit()


@dataclass(frozen=True)
class Ratio:
    """One claim: how the first of two alternated commands compares with the second. `limit` is for the median."""

    name: str
    ratios: tuple[float, ...]
    limit: Limit

    def row(self) -> str:
        """Return the claim as a line of the table."""
        low, middle, high = min(self.ratios), statistics.median(self.ratios), max(self.ratios)
        return f"{self.name:<62} {middle:6.2f}  [{low:.2f}, {high:.2f}]  {self.limit.verdict(middle)}"


def alternated(first: Callable[[], object], second: Callable[[], object], rounds: int) -> tuple[float, ...]:
    """Return the ratio of the times of two actions, pair by pair, after one pair that is not counted."""
    pairs = [(timed(first), timed(second)) for _ in range(rounds + 1)]
    return tuple(one / other for one, other in pairs[1:])


def run(command: Sequence[str], folder: Path | None = None) -> None:
    """Run a command whose output nobody reads; raises CalledProcessError when it fails."""
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    subprocess.run(command, cwd=folder, check=True, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def timed(action: Callable[[], object]) -> float:
    """Return how long an action takes, in seconds."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began
