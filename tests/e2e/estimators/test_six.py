"""Six estimators from a table to predictions; `nox -s estimators` takes all of them, with other libraries."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.estimators.catalogue import attempts
from tests.estimators.story import tell_stories

TITLES = (
    "sklearn.ensemble.RandomForestClassifier",
    "sklearn.gaussian_process.GaussianProcessClassifier",
    "sklearn.naive_bayes.MultinomialNB",
    "sklearn.neighbors.KNeighborsClassifier",
    "calibrated isotonic",
    "grid search",
)


@pytest.mark.slow
def test_an_estimator_needs_nothing_but_its_name(tmp_path: Path) -> None:
    """Given a table, when a model has a known estimator, then it is judged, released, fetched and loaded by the printed lines."""
    task = "binary-classification"
    chosen = [one for one in attempts(task) if one.title in TITLES]
    assert len(chosen) == len(TITLES)
    stories = tell_stories(task, chosen, tmp_path / "story", sys.executable)
    assert {one.attempt.title: (one.verdict, one.predicted, one.reason) for one in stories} == dict.fromkeys(
        TITLES, ("pass", True, "")
    )
