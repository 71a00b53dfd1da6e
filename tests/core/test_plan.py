"""Plans add up in order, and an outcome's exit code is its findings' unless the step says otherwise."""

from __future__ import annotations

import pytest

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.errors import Exit
from mlops_ci.core.plan import Outcome, Plan
from mlops_ci.core.planned_writes import CreateRef, Push

ONE, TWO = CreateRef("refs/mlops/a", "1" * 40), Push("origin")
ERROR, WARNING = Diagnostic("x", "wrong"), Diagnostic("y", "odd", severity="warning")


def test_plans_add_up_in_their_order() -> None:
    assert Plan((ONE,)) + Plan((TWO,)) == Plan((ONE, TWO))


def test_a_plan_is_true_when_it_writes_something() -> None:
    assert Plan((ONE,))
    assert not Plan()


@pytest.mark.parametrize(
    ("diagnostics", "code"),
    [((), Exit.OK), ((WARNING,), Exit.OK), ((ERROR,), Exit.FINDINGS), ((WARNING, ERROR), Exit.FINDINGS)],
)
def test_findings_decide_the_exit_code(diagnostics: tuple[Diagnostic, ...], code: Exit) -> None:
    assert Outcome("record", diagnostics).final_exit_code is code


@pytest.mark.parametrize("code", list(Exit))
def test_a_step_that_sets_the_exit_code_decides_it(code: Exit) -> None:
    assert Outcome("record", (ERROR,), exit_code_override=code).final_exit_code is code
