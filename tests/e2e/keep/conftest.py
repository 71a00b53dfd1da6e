"""Jobs that share nothing but files: each has a clone of its own."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.consumer import Consumer
from tests.support.git_calls import git_in

MODEL = "models/diagnosis.yaml"
ESTIMATOR = "    estimator: sklearn.linear_model.LogisticRegression\n    params: {max_iter: 1000}\n"
OWN = """
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


class Mine(ClassifierMixin, BaseEstimator):
    def fit(self, x, y):
        self.inner_ = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(x, y)
        self.classes_ = self.inner_.classes_
        return self

    def predict(self, x):
        return self.inner_.predict(x)

    def predict_proba(self, x):
        return self.inner_.predict_proba(x)


def build():
    return Mine()
"""


@dataclass(frozen=True)
class Jobs:
    """Each job has a clone of its own, at the same commit; `files` is what artifacts carry between them."""

    consumer: Consumer
    files: Path
    made: Path  # what jobs have made of a tree in earlier tests: the same tree makes the same files

    def job(self, name: str) -> Consumer:
        root = self.files.parent / name
        if not root.exists():
            git_in(self.files.parent)("clone", "--quiet", str(self.consumer.origin), name)
            git_in(root)("checkout", "--quiet", "--detach", self.consumer.git("rev-parse", "HEAD"))
        return Consumer(root, self.consumer.origin)

    def train(self) -> None:
        self._once("train", self._train)

    def predict(self) -> None:
        self._once("predict", self._predict)

    def _once(self, job: str, make: Callable[[], None]) -> None:
        """Let a job make its files, or take those that it made of the same tree."""
        kept = self.made / f"{job}-{self.consumer.git('rev-parse', 'HEAD^{tree}')}"
        if not kept.exists():
            make()
            fresh = Path(tempfile.mkdtemp(dir=self.made))
            shutil.copytree(self.files, fresh, dirs_exist_ok=True)
            with contextlib.suppress(OSError):  # another worker of pytest was faster
                fresh.rename(kept)
        shutil.copytree(kept, self.files, dirs_exist_ok=True)

    def _train(self) -> None:
        self.job("train").ok("train", "--out", str(self.files / "run.bundle"))

    def _predict(self) -> None:
        self.job("features").ok("ci", "features", "--out", str(self.files / "features"))
        run, rows = str(self.files / "run.bundle"), str(self.files / "features")
        empty = self.files.parent / "nowhere"
        empty.mkdir(exist_ok=True)
        Consumer(empty, empty).ok("ci", "predict", "--run", run, "--features", rows, "--out", str(self.files))

    def judge(self, code: int = 0) -> dict[str, Any]:
        judged = str(self.files.parent / "judged.bundle")
        return self.job("judge").answer("gate", "--runs", str(self.files), "--out", judged, code=code)

    def keep(self, code: int = 0) -> dict[str, Any]:
        file = self.files.parent / "judged.bundle"
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        return self.job("keep").answer("ci", "keep", str(file), "--digest", digest, code=code)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the workers of one run of pytest share."""
    run = tmp_path_factory.getbasetemp()
    folder = (run.parent if "PYTEST_XDIST_WORKER" in os.environ else run) / "made"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def jobs(gated: Consumer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: Path) -> Jobs:
    """Given the template, pushed; every command runs in a CI job."""
    for name, value in {"ACTIONS": "true", "REPOSITORY": "acme/ml", "ACTOR": "ada", "EVENT_NAME": "push"}.items():
        monkeypatch.setenv(f"GITHUB_{name}", value)
    files = tmp_path / "jobs" / "files"
    files.mkdir(parents=True)
    return Jobs(gated, files, made)


def publish(jobs: Jobs) -> None:
    jobs.consumer.commit()
    jobs.consumer.git("push", "--quiet")


def ids(answer: dict[str, Any]) -> list[str]:
    return [found["id"] for found in answer["diagnostics"]]
