"""Training that gives another model each time is found by training twice, when asked."""

from __future__ import annotations

import itertools

import pytest

from mlops_ci.training.workers import protocol
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


@pytest.fixture
def drawn(gated: Consumer, monkeypatch: pytest.MonkeyPatch) -> Consumer:
    """Given a library's estimator that gives other coefficients at every fit: each gets a seed that is not the spec's.

    Workers of library code are forked, which costs a tenth of what the processes of `flaky` cost.
    """
    edit(gated, MODEL, "params: {max_iter: 1000}", "params: {solver: saga, max_iter: 50}")
    seeds, job = itertools.count(100), protocol.TrainJob
    monkeypatch.setattr(protocol, "TrainJob", lambda **given: job(**{**given, "seed": next(seeds)}))
    return gated


def test_a_flaky_training_fails_the_gate_and_is_not_stored(drawn: Consumer) -> None:
    before = drawn.git("for-each-ref", "refs/mlops/runs")
    answer = drawn.answer("gate", "--check-determinism", code=1)
    assert [found["id"] for found in answer["diagnostics"]] == ["train-not-deterministic"]
    (model,) = answer["record"]["models"]
    assert (model["verdict"], "comparison" in model) == ("fail", False)
    assert drawn.git("for-each-ref", "refs/mlops/runs") == before
    assert drawn.answer("gate")["record"]["fits"] == 1  # it was not stored, and unasked nobody notices


@pytest.mark.slow
def test_train_says_so_too(flaky: Consumer) -> None:
    answer = flaky.answer("train", "--check-determinism", code=1)
    assert [found["id"] for found in answer["diagnostics"]] == ["train-not-deterministic"]


def test_a_seeded_training_is_found_to_be_one_also_where_it_was_stored(gated: Consumer) -> None:
    answer = gated.answer("gate", "--check-determinism")
    assert (answer["record"]["verdict"], answer["record"]["fits"], answer["diagnostics"]) == ("pass", 0, [])
