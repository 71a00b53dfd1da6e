"""Training that gives another model each time is found by training twice, when asked."""

from __future__ import annotations

import pytest

from tests.support.consumer import Consumer, edit

MODEL = "models/diagnosis.yaml"
# the same seed, and yet other means at every fit
FLAKY = """import os

from sklearn.naive_bayes import GaussianNB


class Drawn(GaussianNB):
    def fit(self, X, y):
        super().fit(X, y)
        self.theta_ = self.theta_ + int.from_bytes(os.urandom(4), "big") / 1e15
        return self


def build():
    return Drawn()
"""


@pytest.fixture
def flaky(gated: Consumer) -> Consumer:
    (gated.root / "models" / "train.py").write_text(FLAKY)
    edit(
        gated,
        MODEL,
        "estimator: sklearn.linear_model.LogisticRegression\n    params: {max_iter: 1000}",
        "entrypoint: models/train.py:build\n    trusted: [train.Drawn]",
    )
    return gated


def test_a_flaky_training_fails_the_gate_and_is_not_stored(flaky: Consumer) -> None:
    before = flaky.git("for-each-ref", "refs/mlops/runs")
    answer = flaky.answer("gate", "--check-determinism", code=1)
    assert [found["id"] for found in answer["diagnostics"]] == ["train-not-deterministic"]
    (model,) = answer["record"]["models"]
    assert (model["verdict"], "comparison" in model) == ("fail", False)
    assert flaky.git("for-each-ref", "refs/mlops/runs") == before
    assert flaky.answer("gate")["record"]["fits"] == 1  # it was not stored, and unasked nobody notices


@pytest.mark.slow
def test_train_says_so_too(flaky: Consumer) -> None:
    answer = flaky.answer("train", "--check-determinism", code=1)
    assert [found["id"] for found in answer["diagnostics"]] == ["train-not-deterministic"]


def test_a_seeded_training_is_found_to_be_one_also_where_it_was_stored(gated: Consumer) -> None:
    answer = gated.answer("gate", "--check-determinism")
    assert (answer["record"]["verdict"], answer["record"]["fits"], answer["diagnostics"]) == ("pass", 0, [])
