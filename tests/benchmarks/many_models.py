"""What a gate costs beyond training, for one model and for each further one of the same command.

`python -m tests.benchmarks.many_models [ROUNDS [MLOPS_CI]]` alternates it with the command of another version.
"""

from __future__ import annotations

import resource
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.overhead import FIT, TOOL
from tests.benchmarks.ratio import NO_PROMISE, Limit, Ratio, run, timed

MODELS = 20


@dataclass(frozen=True)
class Cost:
    """What an action takes: seconds by the clock, and of processors. On a busy machine the second tells more."""

    elapsed: float
    cpu: float

    def __sub__(self, other: Cost) -> Cost:
        return Cost(self.elapsed - other.elapsed, self.cpu - other.cpu)

    def __truediv__(self, number: int) -> Cost:
        return Cost(self.elapsed / number, self.cpu / number)


def cost(action: Callable[[], object]) -> Cost:
    """Return what an action that runs processes to their end takes."""

    def spent() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    before = spent()
    elapsed = timed(action)
    return Cost(elapsed, spent() - before)


def of_many_models(rounds: int, scratch: Path, tool: list[str] = TOOL, name: str = "") -> Iterator[Ratio]:
    """Measure `gate` on `minimal` with one model and with 20, less a script that imports and trains as many."""
    one, many = scratch / f"one{name}", scratch / f"many{name}"
    for root in (one, many):
        run([*tool, "init", str(root), "--template", "minimal"])
    spec = (many / "models" / "diagnosis.yaml").read_text(encoding="utf-8")
    for at in range(1, MODELS):
        text = spec.replace("name: diagnosis", f"name: diagnosis-{at}")
        (many / "models" / f"diagnosis-{at}.yaml").write_text(text, encoding="utf-8")

    def gate(root: Path) -> Cost:
        shutil.rmtree(root / ".git", ignore_errors=True)
        run(["git", "init", "--quiet", str(root)])
        return cost(lambda: run([*tool, "gate", "-C", str(root)]))

    def fit(models: int) -> Cost:
        paths = [str(one / "data" / "patients.csv"), str(scratch / "model.skops"), str(models)]
        return cost(lambda: run([sys.executable, "-c", FIT, *paths]))

    alone, further = [], []
    for _ in range(rounds + 1):
        base, script = gate(one), fit(1)
        alone.append(base - script)
        further.append((gate(many) - base - (fit(MODELS) - script)) / (MODELS - 1))
    for costs, what, limit in (
        (alone, f"minimal{name}: gate, less a script that trains", Limit(at_most=2)),
        (further, f"minimal{name}: each further model, less training", Limit(at_most=0.7)),
    ):
        yield Ratio(f"{what} (seconds)", tuple(each.elapsed for each in costs[1:]), limit)
        yield Ratio(f"{what} (CPU seconds)", tuple(each.cpu for each in costs[1:]), NO_PROMISE)


def main(rounds: int, other: list[str]) -> None:
    """Print the costs of this version, and in turns with them those of another."""
    with tempfile.TemporaryDirectory(prefix="mlops-ci-benchmark-") as folder:
        for each in range(rounds):
            for tool, name in ((TOOL, f" {each}"), *(((other, f" {each} before"),) if other else ())):
                for ratio in of_many_models(1, Path(folder), tool, name):
                    print(ratio.row(), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3, sys.argv[2:])
