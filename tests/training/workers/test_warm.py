"""Workers that are forked from a template come to what fresh ones come to, and no foreign code meets the template."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from mlops_ci.core import fork_server
from mlops_ci.core.records.training_run import ModelField, ModelSignature
from mlops_ci.spec.spec_types import TrainSpec
from mlops_ci.training.environment import training_environment
from mlops_ci.training.fit import fit_model
from mlops_ci.training.inference.scoring import PackagedModel, score_models
from mlops_ci.training.library_imports import LIBRARIES
from mlops_ci.training.package import FittedModel
from mlops_ci.training.packaging.package_files import GOLDEN_PREDICTIONS_FILE
from mlops_ci.training.packaging.reviewed_types import types_for
from mlops_ci.training.packaging.skops import SKOPS
from mlops_ci.training.training_task import TrainingTask
from mlops_ci.training.workers import protocol, warm
from tests.support.forked import TOOLKIT, fork, is_gone, run_fresh, template
from tests.training.conftest import workers_in_process

linux = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")

INPUTS, OUTPUT = (ModelField("a", "number"), ModelField("b", "number")), ModelField("y", "boolean")
TREE = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"
SPECS = {
    "linear": TrainSpec(estimator="sklearn.linear_model.LogisticRegression"),
    "boosting": TrainSpec(estimator="sklearn.ensemble.HistGradientBoostingClassifier", params={"max_iter": 3}),
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three hundred rows of two features, of which the label is a noisy function."""
    draw = np.random.default_rng(5)
    rows = pd.DataFrame(draw.normal(size=(300, 2)), columns=["a", "b"])
    rows["y"] = rows["a"] + draw.normal(size=300) > 0
    rows.to_parquet(tmp_path / "train.parquet")
    return tmp_path / "train.parquet"


@pytest.fixture(autouse=True)
def own_template(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test begins without a failure of another, and leaves none behind."""
    monkeypatch.setattr(warm.STATE, "has_failed", False)
    yield
    monkeypatch.undo()


def template_pid() -> int | None:
    """The id of this process's template, if there is one."""
    return None if warm.STATE.server is None else warm.STATE.server.pid


@pytest.fixture
def without_forks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fork_server, "is_supported", lambda: False)
    warm.stop()


def fit(data: Path, spec: TrainSpec, scratch: str = "scratch") -> FittedModel:
    task = TrainingTask(spec, "binary-classification", INPUTS, OUTPUT, data.parent, training_environment())
    return fit_model(task, data, data.parent / scratch)


def predictions(fitted: FittedModel, data: Path) -> Any:
    features = data.parent / "features.parquet"
    pq.write_table(pq.read_table(data, columns=["a", "b"]), features)
    model = PackagedModel(
        *("m", "skops", fitted.folder / "model.skops", fitted.files[0].sha256, fitted.trusted, fitted.signature),
        task="binary-classification",
    )
    (found,) = score_models([model], features, rows=300, scratch=data.parent / "scratch")
    return found.predictions.probabilities


@linux
@pytest.mark.parametrize(
    "spec",
    [pytest.param(spec, id=name, marks=pytest.mark.slow if name != "boosting" else ()) for name, spec in SPECS.items()],
)
def test_forked_workers_come_to_what_fresh_ones_come_to(
    spec: TrainSpec, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given the same rows and spec, when they are fitted and scored both ways, then model, predictions and record are the same."""
    forked = fit(data, spec)
    answers = predictions(forked, data)
    assert template_pid() is not None, "they were not forked"
    monkeypatch.setattr(fork_server, "is_supported", lambda: False)
    warm.stop()
    fresh = fit(data, spec)
    assert (forked.model_digest, forked.estimator) == (fresh.model_digest, fresh.estimator)
    assert forked.environment == fresh.environment  # with its libraries for threads
    assert pq.read_table(forked.folder / GOLDEN_PREDICTIONS_FILE).equals(
        pq.read_table(fresh.folder / GOLDEN_PREDICTIONS_FILE)
    )
    with workers_in_process():  # which nothing has forked, either
        assert np.array_equal(answers, predictions(fresh, data))


# in a process of its own: one template serves one process
_PARALLEL = """
import sys
from pathlib import Path
from tests.training.workers.test_warm import SPECS, fit
from mlops_ci.training.workers import warm
folder = Path(sys.argv[1])
print([fit(folder / "train.parquet", spec, sys.argv[2]).model_digest for spec in SPECS.values()], warm.STATE.server is not None)
"""


@linux
@pytest.mark.usefixtures("without_forks")
@pytest.mark.slow
def test_forked_workers_come_to_the_same_beside_others(data: Path) -> None:
    """Given processes that each have a template, when they fit at the same time, then each comes to the fresh one's models."""
    others = [
        subprocess.Popen(
            [sys.executable, "-c", _PARALLEL, str(data.parent), f"scratch-{at}"],
            cwd=TOOLKIT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for at in range(2)
    ]
    expected = [fit(data, spec).model_digest for spec in SPECS.values()]
    assert [other.communicate()[0].strip() for other in others] == [f"{expected} True"] * 2


POOLS = """
import numpy, os
from threadpoolctl import threadpool_info
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
x = numpy.random.default_rng(0).normal(size=(500, 20))
y = x[:, 0] > 0
for model in (HistGradientBoostingClassifier(max_iter=2), LogisticRegression(), LogisticRegression(solver="newton-cholesky")):
    model.fit(x, y).predict_proba(x)
(x @ x.T).sum()
print(sorted((pool["internal_api"], pool["num_threads"], pool["version"]) for pool in threadpool_info()))
"""


@linux
@pytest.mark.parametrize("threads", [None, pytest.param("3", marks=pytest.mark.slow)])
def test_pools_of_threads_have_the_size_that_they_have_in_a_fresh_process(
    threads: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given the libraries that a template imports, when a child uses OpenMP and BLAS, then it ends, with as many threads.

    Such a template forks at all only when each thread that it has is listed with its reason.
    """
    monkeypatch.delenv("OPENBLAS_NUM_THREADS")
    if threads is None:
        monkeypatch.delenv("OMP_NUM_THREADS")
    else:
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
    imports = "".join(f"import {name}\n" for name in LIBRARIES)
    late = "from mlops_ci.training.workers import warm\nwarm._import_late_modules()\n"
    with template(imports + late, tuple(warm.KNOWN_THREADS)) as server:
        assert fork(server, tmp_path, "").returncode == 0
        forked = [fork(server, tmp_path, POOLS, timeout=300) for _ in range(2)]
    fresh = run_fresh(tmp_path, imports + POOLS)
    assert [one.returncode for one in forked] == [0, 0]
    assert {one.tail for one in forked} == {fresh.tail}


MODEL = protocol.ModelItem(
    "m", "skops", "m.skops", (), ModelSignature(INPUTS, OUTPUT, (False, True)), "binary-classification", ()
)
TRAIN = protocol.TrainJob(
    "sklearn", "d", "o", "r", "regression", INPUTS, OUTPUT, "sklearn.linear_model.Ridge", None, {}, 0
)
INSPECT = protocol.InspectJob(
    "skops", "m", "f", "o", "r", "regression", INPUTS, (TREE, *types_for(SKOPS.reviewed_types, "sklearn.x", ()))
)


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (TRAIN, True),
        (replace(TRAIN, entrypoint="make.py:build", estimator=None), False),
        (replace(TRAIN, entrypoint="make.py:build"), False),
        (replace(TRAIN, estimator="mine.Model"), False),
        (replace(TRAIN, framework="another"), False),
        (replace(INSPECT, packager="another"), False),
        (replace(TRAIN, estimator="sklearnish.Model"), False),
        (INSPECT, True),
        (replace(INSPECT, paths=("/repo",)), False),
        (replace(INSPECT, paths=("/repo",), types_only=True), False),
        (replace(INSPECT, trusted=("builtins.eval",)), False),
        (replace(INSPECT, trusted=("xgboost.core.Booster",)), False),
        (protocol.ScoreJob("f", (MODEL,), ("o",)), True),
        (protocol.ScoreJob("f", (MODEL, replace(MODEL, paths=("/repo",))), ("o", "o")), False),
        (protocol.MeasureJob("f", (replace(MODEL, trusted=("mine.Model",)),), ()), False),
        (protocol.CustomMetricJob("f", "r", {"m": "metrics.py:mine"}, 1), None),
    ],
)
def test_only_jobs_of_scikit_learns_own_code_are_forked(job: Any, expected: bool | None) -> None:
    assert getattr(job, "is_library_only", None) is expected


@linux
def test_the_template_is_gone_before_code_of_the_repository_starts(data: Path) -> None:
    """Given a template that has worked, when a candidate's own code looks for it, then it is not there."""
    fit(data, SPECS["linear"])
    pid = template_pid()
    assert pid is not None
    (data.parent / "make.py").write_text(
        f"import os, sys\nfrom sklearn.linear_model import LogisticRegression\n\ndef build():\n"
        f"    print('there' if os.path.exists('/proc/{pid}') else 'gone')\n"
        "    print(*[name for name in sys.modules if name in ('pandas', 'scipy.special')])\n    return LogisticRegression()\n"
    )
    with workers_in_process(but=lambda job: isinstance(job, protocol.TrainJob)):
        assert fit(data, TrainSpec(entrypoint="make.py:build")).log == b"gone\nscipy.special pandas\n"


@linux
@pytest.mark.slow
def test_a_worker_starts_afresh_when_the_template_fails(data: Path) -> None:
    """Given a template that was killed, when a job comes, then it is run all the same."""
    fit(data, SPECS["linear"])
    pid = template_pid()
    assert pid is not None
    os.kill(pid, 9)
    assert fit(data, SPECS["linear"]).model_digest
    assert (template_pid(), warm.STATE.has_failed) == (None, True)


@linux
def test_a_template_is_made_anew_for_another_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a template, when a variable changes that libraries read as they are loaded, then another takes its place; not for others."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    pids = []
    for name, value in (("MARK", "1"), ("HOME", "/nowhere"), ("OMP_NUM_THREADS", "1")):
        monkeypatch.setenv(name, value)
        warm.prepare(str(TOOLKIT))
        pids.append(template_pid())
    warm.stop()
    assert None not in pids
    assert pids[0] == pids[1] != pids[2]


@linux
def test_a_forked_worker_has_the_environment_and_the_random_numbers_of_a_fresh_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given two jobs of one template, then each has today's variables, no secret, and draws numbers of its own."""
    monkeypatch.setenv("MY_TOKEN", "s3cret")
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:/marked")
    (tmp_path / "job.json").write_text("{}")
    said = []
    for _ in range(2):
        ended = warm.run_forked(
            "tests.support.look",
            ["-c", "x", "y", str(tmp_path / "job.json")],
            tmp_path,
            toolkit=str(TOOLKIT),
            timeout=60,
        )
        assert ended is not None
        assert ended.returncode == 3, ended.tail
        said.append(json.loads(ended.tail))
    first, second = said
    assert first["folder"] == str(tmp_path)
    assert first["argv"] == ["-c", "x", "y", str(tmp_path / "job.json")]
    assert first["path"].endswith(":/marked")
    assert first["seed"] == "0"
    assert "MY_TOKEN" not in first["names"]
    assert first["input"] == ""
    assert first["imported"] == ["scipy.special", "pandas", "skops.io"]  # in this order skops is imported fastest
    assert first["draws"] != second["draws"]


@linux
def test_a_forked_worker_ends_the_processes_that_it_has_started(tmp_path: Path) -> None:
    """Given a job that leaves a pool of processes open, as joblib does, when it is done, then it ends as an interpreter would."""
    argv = ["-c", "x", "y", str(tmp_path / "job.json")]
    ended = warm.run_forked("tests.support.pool_job", argv, tmp_path, toolkit=str(TOOLKIT), timeout=60)
    assert ended is not None
    assert (ended.returncode, ended.timed_out, ended.tail) == (0, False, "[1, 2]")


_STAY = """
import sys
from dataclasses import dataclass
from pathlib import Path
from mlops_ci.training.workers import protocol

@dataclass(frozen=True)
class Job:
    is_library_only: bool

protocol.run_worker("tests.support.stay", Job(sys.argv[2] == "forked"), Path(sys.argv[1]))
"""


@linux
@pytest.mark.parametrize("way", ["fresh", "forked"])
def test_no_worker_outlives_its_command(way: str, tmp_path: Path) -> None:
    """Given a worker, when the command that waits for it is killed, then it ends."""
    with subprocess.Popen([sys.executable, "-c", _STAY, str(tmp_path), way], cwd=TOOLKIT) as command:
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            assert command.poll() is None
        command.kill()
    assert is_gone(int((tmp_path / "pid").read_text()))


@pytest.mark.usefixtures("without_forks")
@pytest.mark.slow
def test_without_forks_every_worker_is_fresh(data: Path) -> None:
    assert warm.run_forked("m", ["-c"], data.parent, toolkit=str(TOOLKIT), timeout=None) is None
    assert fit(data, SPECS["linear"]).model_digest
    assert template_pid() is None
