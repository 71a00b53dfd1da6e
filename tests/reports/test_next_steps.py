"""The last line of a report on a terminal: the command that usually comes next."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlops_ci.core.results.gate import GatedModel, GateReport
from mlops_ci.core.results.lifecycle import ReleaseReport, ReleaseResult
from mlops_ci.reports.next_steps import next_step
from tests.support.report_samples import judged


def champion_itself(model: str) -> GatedModel:
    one = judged(model=model)
    assert one.comparison is not None
    return replace(one, comparison=replace(one.comparison, champion_state="same"))


@pytest.mark.parametrize(
    ("models", "step"),
    [
        ((judged(),), "commit and merge, then mlops-ci release"),
        ((champion_itself("delay"),), "mlops-ci show delay"),
        ((champion_itself("delay"), judged(model="risk")), "commit and merge, then mlops-ci release"),
    ],
    ids=["a new model", "the champion", "one of each"],
)
def test_a_champion_is_not_released_again(models: tuple[GatedModel, ...], step: str) -> None:
    assert next_step(GateReport("pass", models, 0)) == step


def test_a_release_goes_to_the_first_environment_that_has_a_deployment_spec() -> None:
    one = ReleaseResult("delay", "1.0.0", "released", "auc 0.7", "staging")
    assert next_step(ReleaseReport((one,))) == "mlops-ci deploy delay@v1.0.0 --env staging"
    assert (
        next_step(ReleaseReport((replace(one, environment=None),))) == "mlops-ci deploy delay@v1.0.0 --env ENVIRONMENT"
    )
