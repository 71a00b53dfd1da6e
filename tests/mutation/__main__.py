"""How many small faults the tests find: `nox -s mutation`, or `python -m tests.mutation [MUTANTS A MODULE]` (0: all).

Fails when fewer than 80 % are found. Mutants are drawn evenly and by a fixed seed, so that two runs judge the same ones.
"""

from __future__ import annotations

import random
import sys
from importlib.util import find_spec
from pathlib import Path

from tests.mutation import runner
from tests.mutation.mutants import Mutant, mutants_of

VERDICT = ("tests/evaluation/verdict",)
TARGETS = {
    "mlops_ci.registry.state": ("tests/registry/test_state.py", "tests/registry/test_point_in_time.py"),
    "mlops_ci.registry.views": ("tests/registry/test_views.py",),
    "mlops_ci.core.plan": ("tests/core/test_plan.py",),
    "mlops_ci.core.planned_writes": ("tests/core/test_planned_writes.py",),
    "mlops_ci.evaluation.verdict.alignment": VERDICT,
    "mlops_ci.evaluation.verdict.baseline_tests": VERDICT,
    "mlops_ci.evaluation.verdict.compare": VERDICT,
    "mlops_ci.evaluation.verdict.fairness": VERDICT,
    "mlops_ci.evaluation.verdict.requirements": VERDICT,
    "mlops_ci.evaluation.verdict.slices": VERDICT,
    "mlops_ci.evaluation.verdict.summary": VERDICT,
}
FLOOR = 0.8
SAMPLE = 20


def main(sample: int) -> int:
    """Print what each module's tests miss, and return the exit code."""
    runner.warm_up()
    seconds = {tests: runner.seconds_without_a_fault(tests) for tests in dict.fromkeys(TARGETS.values())}
    limits = {tests: int(10 + 6 * took) for tests, took in seconds.items()}
    total = missed = 0
    for module, tests in TARGETS.items():
        drawn = _draw(module, sample)
        alive = sorted(runner.survivors([(mutant, tests) for mutant in drawn], limits), key=lambda mutant: mutant.line)
        total, missed = total + len(drawn), missed + len(alive)
        print(f"{module}: {len(drawn) - len(alive)} of {len(drawn)} found", flush=True)
        for mutant in alive:
            print(f"  missed {mutant.name}", flush=True)
    found = (total - missed) / total
    print(f"{total - missed} of {total} found ({found:.0%}); at least {FLOOR:.0%} must be")
    return int(found < FLOOR)


def _draw(module: str, sample: int) -> list[Mutant]:
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    every = list(mutants_of(module, Path(spec.origin).read_text(encoding="utf-8")))
    return every if sample == 0 else random.Random(0).sample(every, min(sample, len(every)))  # noqa: S311 no secret


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else SAMPLE))
