"""Where a worker is started before it is needed: only where a model will most likely be trained."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from mlops_ci.cli import session
from mlops_ci.repository.git import Repository
from mlops_ci.training.workers import protocol
from tests.support.git_calls import git_in


@pytest.mark.parametrize("stored", [False, True])
def test_a_worker_starts_early_unless_a_run_is_stored(
    repo: Repository, monkeypatch: pytest.MonkeyPatch, stored: bool
) -> None:
    started: list[Any] = []
    monkeypatch.setattr(protocol, "prepare_worker", lambda *what: started.append(what))
    if stored:
        git_in(repo.root)("update-ref", "refs/mlops/runs/abc", "HEAD")
    train = SimpleNamespace(estimator="sklearn.dummy.DummyClassifier", entrypoint=None)
    specs: Any = SimpleNamespace(models={"m": SimpleNamespace(spec=SimpleNamespace(train=train))})
    session._prepare_first_training(repo, specs)
    assert started == ([] if stored else [("sklearn.dummy.DummyClassifier", None)])
