"""Each cheat is shown to work where nothing stands in its way, and then to be prevented or reported."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import mlops_ci
from tests.e2e.gate.test_sealed import seal
from tests.e2e.keep.conftest import Jobs, ids, publish
from tests.support.consumer import Consumer, edit
from tests.support.git_calls import git_in
from tests.support.smart_http import basic, serving

MODEL, DATA = "models/diagnosis.yaml", "data/patients.csv"
ESTIMATOR = "    estimator: sklearn.linear_model.LogisticRegression\n    params: {max_iter: 1000}\n"

# a classifier that predicts the commonest class, whatever it is asked
USELESS = """
from sklearn.dummy import DummyClassifier


def build():
    return DummyClassifier(strategy="prior")
"""

# training code that reads every row it can find, and a model that answers those it has seen from memory
MEMORY = """
from pathlib import Path

import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin


class Memory(ClassifierMixin, BaseEstimator):
    def fit(self, x, y):
        self.classes_ = pd.unique(y)
        self.classes_.sort()
        self.columns_ = list(x.columns)
        rows = pd.read_csv(Path(__file__).parents[1] / "data" / "patients.csv")
        keys = [tuple(map(float, row)) for row in rows[self.columns_].to_numpy()]
        self.keys_, self.answers_ = keys, [int(label) for label in rows["malignant"]]
        self.usual_ = int(pd.Series(y).mode()[0])
        return self

    def predict(self, x):
        known = dict(zip(map(tuple, self.keys_), self.answers_, strict=True))
        rows = (tuple(map(float, row)) for row in x[self.columns_].to_numpy())
        return pd.Series([known.get(row, self.usual_) for row in rows]).to_numpy()

    def predict_proba(self, x):
        ones = self.predict(x).astype(float) * 0.98 + 0.01
        return pd.DataFrame({"no": 1 - ones, "yes": ones}).to_numpy()


def build():
    return Memory()
"""


def cheat(consumer: Consumer, code: str, trusted: str = "") -> None:
    """Let a change train by code of its own."""
    spec = f"    entrypoint: models/cheat.py:build\n{f'    trusted: [{trusted}]{chr(10)}' if trusted else ''}"
    edit(consumer, MODEL, ESTIMATOR, spec)
    (consumer.root / "models" / "cheat.py").write_text(textwrap.dedent(code))


def accuracy(answer: dict[str, Any]) -> float:
    metrics = answer["record"]["models"][0]["comparison"]["metrics"]
    return float(next(one["value"] for one in metrics if one["metric"] == "accuracy" and not one.get("slice")))


@pytest.mark.slow
def test_a_model_that_remembers_the_holdout_is_reported(jobs: Jobs) -> None:
    """Given labels that lie in the repository, when training code reads them, then the model is perfect, and it is said why it may be."""
    cheat(jobs.consumer, MEMORY, "cheat.Memory")
    publish(jobs)
    jobs.train()
    jobs.predict()
    answer = jobs.judge()
    assert accuracy(answer) == 1.0
    assert "holdout-readable" in ids(answer)


@pytest.mark.slow
def test_a_sealed_holdout_is_not_remembered(gated: Consumer, tmp_path: Path) -> None:
    """Given labels that only the judge can read, when training code reads what it can, then its memory is worth nothing."""
    cheat(gated, MEMORY, "cheat.Memory")
    file = tmp_path / "vault" / "holdout.csv"
    held = seal(gated, f"url: 'file://{file}'")
    gated.ok("train")
    file.parent.mkdir()
    held.to_csv(file, index=False)
    answer = gated.answer("gate", code=1)
    assert answer["record"]["models"][0]["verdict"] == "fail"
    assert accuracy(answer) == pytest.approx(1 - pd.Series(held["malignant"]).mean(), abs=0.02)
    assert "holdout-readable" not in ids(answer)


@pytest.mark.slow
def test_metrics_that_training_writes_are_nobodys_metrics(jobs: Jobs) -> None:
    """Given training code that writes metrics.json, when a gate believes that file it passes, and ours does not read it."""
    boast = 'from pathlib import Path\n\nroot = Path(__file__).parents[1]\n(root / "metrics.json").write_text(\'{"accuracy": 1.0}\')\n'
    cheat(jobs.consumer, boast + USELESS)
    publish(jobs)
    jobs.train()
    said = json.loads((jobs.job("train").root / "metrics.json").read_text())
    assert said["accuracy"] > 0.87, "who believes the file promotes a model that knows nothing"
    jobs.predict()
    answer = jobs.judge(code=1)
    assert answer["record"]["verdict"] == "fail"
    assert accuracy(answer) < 0.7


def run_from(toolkit: Path, folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run the command line of a copy of the toolkit."""
    env = {**os.environ, "PYTHONPATH": str(toolkit)}
    return subprocess.run(
        [sys.executable, "-m", "mlops_ci", *args], cwd=folder, env=env, text=True, capture_output=True
    )


@pytest.mark.slow
def test_a_toolkit_that_training_replaces_judges_only_in_its_own_job(jobs: Jobs, tmp_path: Path) -> None:
    """Given training code that rewrites the toolkit where it runs, when the same environment judges then anything passes; another does not."""
    toolkit = tmp_path / "toolkit"
    shutil.copytree(Path(mlops_ci.__file__).parent, toolkit / "mlops_ci", ignore=shutil.ignore_patterns("__pycache__"))
    schemas = Path(mlops_ci.__file__).parents[1] / "schemas"
    shutil.copytree(schemas, toolkit / "schemas")
    replace = """
    import sys
    from pathlib import Path

    own = Path(sys.modules["mlops_ci"].__file__).parent / "evaluation" / "record.py"
    if "/toolkit/" in str(own):
        own.write_text(own.read_text().replace("verdict=found.verdict,", 'verdict="pass",'))
    """
    cheat(jobs.consumer, textwrap.dedent(replace) + USELESS)
    publish(jobs)
    one = jobs.job("one").root
    run_from(toolkit, one, "train", "--out", str(jobs.files / "run.bundle"))
    fooled = run_from(toolkit, one, "compare", "--format", "json")
    assert json.loads(fooled.stdout)["record"]["comparisons"][0]["verdict"] == "pass", "one job for both is fooled"
    jobs.predict()
    assert jobs.judge(code=1)["record"]["verdict"] == "fail"


@pytest.mark.slow
def test_a_gate_that_the_change_relaxes_is_not_the_gate(jobs: Jobs) -> None:
    """Given a change that lowers its own bar, when nothing says what it was it passes; by the base's rules it fails, and is said to try."""
    alone = jobs.job("alone")
    cheat(jobs.consumer, USELESS)
    for old, new in (
        ("metric: auc, min: 0.93", "metric: auc, min: 0.01"),
        ("metric: accuracy, min: 0.87", "metric: accuracy, min: 0.01"),
    ):
        edit(jobs.consumer, MODEL, old, new)
    jobs.consumer.commit("Lower the bar")
    alone.git("fetch", "--quiet", str(jobs.consumer.root), "HEAD")
    alone.git("checkout", "--quiet", "--detach", "FETCH_HEAD")
    answer = alone.answer("gate", code=1)
    assert "gate-changed" in ids(answer)
    assert answer["record"]["verdict"] == "fail"
    alone.git("remote", "remove", "origin")
    assert alone.answer("gate")["record"]["verdict"] == "pass", "without a base, the change's own bar counts"


PUSH = """
import subprocess
from pathlib import Path

root = Path(__file__).parents[1]
subprocess.run(["git", "push", "origin", "HEAD:refs/tags/diagnosis@v9.9.9"], cwd=root, check=False)
"""


@pytest.mark.slow
def test_training_has_nothing_to_push_with(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a checkout that keeps the job's token, training code pushes a tag with it; one that does not keep it has nothing."""
    token = "ghs_notarealtokenbutonethatlookslikeit"  # noqa: S105  made up
    monkeypatch.setenv("GITHUB_TOKEN", token)
    cheat(jobs.consumer, PUSH + USELESS)
    publish(jobs)
    keeping, plain = jobs.job("keeping"), jobs.job("plain")
    git_in(jobs.consumer.origin)("config", "http.receivepack", "true")
    with serving(jobs.consumer.origin.parent, token) as server:
        monkeypatch.setenv("GITHUB_SERVER_URL", server.url)
        for clone in (keeping, plain):
            clone.git("remote", "set-url", "origin", f"{server.url}/{jobs.consumer.origin.name}")
        keeping.git("config", f"http.{server.url}/.extraheader", f"AUTHORIZATION: {basic(token)}")  # as checkout does
        plain.ok("train")
        assert "refs/tags/diagnosis@v9.9.9" not in jobs.consumer.published()
        keeping.ok("train")
    assert "refs/tags/diagnosis@v9.9.9" in jobs.consumer.published(), "with the token it can"


def test_a_tag_that_was_pushed_by_hand_is_named_and_not_deployed(gated: Consumer) -> None:
    """Given a tag that no release made, when the registry is audited it is named, and nobody can deploy it."""
    gated.git("tag", "--annotate", "--message", "diagnosis v9.9.9", "diagnosis@v9.9.9")
    gated.git("push", "--quiet", "origin", "diagnosis@v9.9.9")
    gated.run("doctor")  # asks the remote which branch is its default one
    found = {one["id"]: one.get("about") for one in gated.answer("audit")["diagnostics"]}
    assert found["audit-tag-foreign"] == "refs/tags/diagnosis@v9.9.9"
    refused = gated.answer("deploy", "diagnosis@9.9.9", "--env", "staging", code=1)
    assert ids(refused) == ["release-without-evidence"]


@pytest.mark.slow
def test_a_token_is_not_there_to_be_printed(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a job with a token, when a plain child prints its environment the token is in it; training's is not."""
    token = "ghs_notarealtokenbutonethatlookslikeit"  # noqa: S105  made up
    monkeypatch.setenv("GITHUB_TOKEN", token)
    tell = "import os\n\nprint(dict(os.environ))\n"
    plain = subprocess.run([sys.executable, "-c", tell], capture_output=True, text=True, check=True)
    assert token in plain.stdout, "a child inherits it"
    cheat(jobs.consumer, tell + USELESS)
    publish(jobs)
    jobs.train()
    clone = jobs.job("train")
    (ref,) = clone.git("for-each-ref", "--format=%(refname)", "refs/mlops/runs").split()
    log = clone.git("show", f"{ref}:log.txt")
    assert "environ" in log or "PATH" in log, "it was printed"
    assert token not in log
