"""What a step wants written, and what it returns: `--dry-run` renders the same values that `apply` walks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from mlops_ci.core.diagnostics import Diagnostic, has_errors
from mlops_ci.core.errors import Exit

if TYPE_CHECKING:  # queries write nothing
    from mlops_ci.core.planned_writes import PlannedWrite
    from mlops_ci.core.records.events import EventRef

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
    """What a step returns: the record of what it found or would do, findings, and the writes it wants.

    `basis` is the event that the decision rests on, if it rests on one: when that has changed, nobody has decided this.
    """

    record: R
    diagnostics: tuple[Diagnostic, ...] = ()
    plan: Plan = Plan()
    exit_code_override: Exit | None = None  # set only where the findings do not decide it
    basis: EventRef | None = None

    @property
    def final_exit_code(self) -> Exit:
        """The process exit code: what the step set, else 1 when there is an error among the findings."""
        if self.exit_code_override is not None:
            return self.exit_code_override
        return Exit.FINDINGS if has_errors(self.diagnostics) else Exit.OK
