"""What a step wants written, at its end or in stages, and what it returns: `--dry-run` renders the same values that `apply` walks."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from mlops_ci.core.diagnostics import Diagnostic, has_errors
from mlops_ci.core.errors import Exit

if TYPE_CHECKING:  # queries write nothing
    from mlops_ci.core.planned_writes import PlannedWrite
    from mlops_ci.core.records.base import EventRef

R = TypeVar("R")


@dataclass(frozen=True)
class Plan:
    """Writes, in the order in which they are made. Nothing that others can name is visible to them before the `Push`."""

    writes: tuple[PlannedWrite, ...] = ()

    def __add__(self, other: Plan) -> Plan:
        return Plan(self.writes + other.writes)

    def __bool__(self) -> bool:
        return bool(self.writes)


@dataclass(frozen=True)
class Outcome(Generic[R]):
    """The result of a step: its record, its diagnostics, and the plan of its writes.

    `basis` is the event that the decision depends on, if any: when it has changed, the decision is no longer valid.
    """

    record: R
    diagnostics: tuple[Diagnostic, ...] = ()
    plan: Plan = Plan()
    exit_code_override: Exit | None = None  # set only when the diagnostics do not determine it
    basis: EventRef | None = None

    @property
    def final_exit_code(self) -> Exit:
        """The process exit code: the step's override, else 1 if a diagnostic is an error, else 0."""
        if self.exit_code_override is not None:
            return self.exit_code_override
        return Exit.FINDINGS if has_errors(self.diagnostics) else Exit.OK


# A step in stages: it yields each plan that must not wait for the step's end, is sent whether the plan was applied (a dry run
# applies none, and a race may be lost), and returns its result. The step itself still writes nothing.
Stages = Generator[Plan, bool, R]


def finish_stages(stages: Stages[R], apply: Callable[[Plan], bool]) -> R:
    """Run a step to its end and return its result; `apply` is called with each plan that the step yields."""
    try:
        plan = next(stages)
        while True:
            plan = stages.send(apply(plan))
    except StopIteration as end:
        result: R = end.value
        return result
