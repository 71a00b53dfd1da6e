"""What a pull request costs: the jobs of its gate, and the minutes that they are billed for at least."""

from __future__ import annotations

from collections.abc import Iterator

from mlops_ci.core.results.doctor import DoctorCheckResult
from mlops_ci.core.results.impact import MATRIX_LIMIT, GateJobs, total_gate_jobs
from mlops_ci.governance.doctor.context import DoctorContext
from mlops_ci.spec.read_apart import is_read_apart

GROUP = "workflows"


def check_gate_cost(world: DoctorContext) -> Iterator[DoctorCheckResult]:
    """Yield the number of jobs of gate.yml for a change of no model, of the dearest one, and of all models of this project.

    GitHub bills each job in whole minutes, so a gate costs at least as many minutes as it has jobs.
    """
    models = world.project.specs.models.values()
    custom = sum(is_read_apart(model.spec.train) for model in models)
    none = total_gate_jobs([])
    one = total_gate_jobs([GateJobs.of(1, min(custom, 1))])
    every = total_gate_jobs([GateJobs.of(min(len(models), MATRIX_LIMIT), custom)])
    counts = f"{none} for a change of no model, {one} of one model, {every} of all models of this project"
    if models:
        yield DoctorCheckResult(
            GROUP,
            "jobs of a pull request",
            "ok",
            f"{counts}; GitHub bills each for a minute or more (mlops-ci ci projects counts those of your change)",
        )
