"""What a verb says of a model that went through the pipeline, or part of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.errors import Exit, Findings, UsageProblem
from mlops_ci.core.records.comparison import Verdict
from mlops_ci.evaluation.pipeline import ModelOutcome, stopped_outcome, verdict_exit_code
from tests.support.report_samples import comparison

UNDECIDED = ModelOutcome("delay", "auc 0.71", comparison=comparison())


def gated(verdict: Verdict, *, strict: bool = False) -> ModelOutcome:
    return replace(UNDECIDED, comparison=replace(comparison(), verdict=verdict), fails_if_undecided=strict)


def test_a_model_that_was_tested_has_the_gates_verdict_and_the_run_that_keeps_it() -> None:
    assert (UNDECIDED.verdict, UNDECIDED.ref) == ("inconclusive", f"refs/mlops/runs/delay/{comparison().key}")


def test_a_model_that_an_error_kept_from_the_gate_has_failed() -> None:
    outcome = ModelOutcome("delay", "2 checks failed", (Diagnostic("data-check-failed", "2 checks failed"),))
    assert (outcome.verdict, outcome.ref) == ("fail", None)


def test_a_warning_keeps_no_model_from_the_gate() -> None:
    warning = Diagnostic("split-leak-rows", "rows leak", severity="warning")
    assert ModelOutcome("delay", "not trained before", (warning,)).verdict == "inconclusive"


@pytest.mark.parametrize(("error", "code"), [(Findings, Exit.FINDINGS), (UsageProblem, Exit.USAGE)])
def test_an_error_that_stops_one_model_is_its_outcome(error: type[Findings | UsageProblem], code: Exit) -> None:
    raised = error.of("train-failed", "out of memory", help="use fewer rows")
    outcome = stopped_outcome("delay", raised)
    assert (outcome.verdict, outcome.sentence, outcome.stopped_by) == ("fail", "out of memory", code)


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ([gated("pass")], Exit.OK),
        ([gated("pass"), gated("fail")], Exit.FINDINGS),
        ([gated("inconclusive"), gated("incomparable")], Exit.OK),
        ([gated("inconclusive", strict=True)], Exit.FINDINGS),
        ([gated("incomparable", strict=True)], Exit.FINDINGS),
        ([gated("pass", strict=True)], Exit.OK),
        ([ModelOutcome("delay", "its data are refused")], Exit.OK),
    ],
    ids=["pass", "one fails", "undecided", "undecided where that fails", "incomparable", "strict pass", "not tested"],
)
def test_what_is_undecided_fails_where_the_gate_says_so(outcomes: list[ModelOutcome], code: Exit) -> None:
    assert verdict_exit_code(outcomes) == code
