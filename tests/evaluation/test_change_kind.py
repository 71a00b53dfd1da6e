"""Whether a candidate is a change, or the champion's own spec and code trained again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mlops_ci.core.records.base import FileDigest
from mlops_ci.core.records.training_run import TrainingEnvironment
from mlops_ci.evaluation.baselines import change_kind
from tests.support.registry_samples import RUN

CHAMPION = replace(RUN, params={"C": 1.0})


@pytest.mark.parametrize(
    "same",
    [
        {"key": "f" * 32, "split": replace(CHAMPION.split, train_digest="f" * 64)},
        {"environment": TrainingEnvironment("3.12.0", {"scikit-learn": "9.9"})},
        {"model_digest": "f" * 64, "spec_digest": "f" * 64},
    ],
    ids=["newer data", "other packages", "another digest of the whole spec"],
)
def test_the_same_spec_and_code_on_other_data_or_packages_is_a_retrain(same: dict[str, Any]) -> None:
    assert change_kind(replace(CHAMPION, **same), CHAMPION) == "retrained"


@pytest.mark.parametrize(
    "other",
    [
        {"interface_digest": "f" * 64},
        {"estimator": "sklearn.tree.DecisionTreeClassifier"},
        {"params": {"C": 2.0}},
        {"seed": CHAMPION.seed + 1},
        {"code": (FileDigest("models/train.py", "f" * 64, 1),)},
        {"trusted": ("models.train.Scaler",)},
    ],
    ids=lambda other: next(iter(other)),
)
def test_whatever_people_wrote_otherwise_is_a_change(other: dict[str, Any]) -> None:
    assert change_kind(replace(CHAMPION, **other), CHAMPION) == "changed"


def test_without_a_champion_everything_is_a_change() -> None:
    assert change_kind(CHAMPION, None) == "changed"


def test_a_champion_that_does_not_tell_its_parameters_may_have_had_others() -> None:
    unknown = replace(CHAMPION, params=None)
    assert change_kind(unknown, unknown) == "changed"
