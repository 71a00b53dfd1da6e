"""What a model costs: who is called when, what is made of the times, and that a model that fails is told of."""

from __future__ import annotations

import itertools
import json
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlops_ci.core.digest import digest_file
from mlops_ci.core.errors import Findings
from mlops_ci.core.process import ProcessResult
from mlops_ci.core.records.training_run import ModelField
from mlops_ci.spec.spec_types import TrainSpec
from mlops_ci.training.environment import training_environment
from mlops_ci.training.fit import fit_model
from mlops_ci.training.inference.cost import measure_costs
from mlops_ci.training.inference.scoring import PackagedModel
from mlops_ci.training.package import FittedModel
from mlops_ci.training.training_task import TrainingTask
from mlops_ci.training.workers import measure, protocol, score
from mlops_ci.training.workers.measure import Timing, peak_memory_mb, time_calls, timing_percentiles
from tests.training.conftest import workers_in_process

HOW = Timing("p50", "p95", calls=4, min_calls=2, warm_ups=1, threads=1, rounds=3, patience=1e9)
RUN = ("latency-p50-ms", "latency-p95-ms", "batch-latency-p50-ms", "batch-latency-p95-ms", "peak-memory-mb")
OWN = """
import sys
from sklearn.base import BaseEstimator, RegressorMixin

class Own(RegressorMixin, BaseEstimator):
    def fit(self, x, y):
        return self
    def predict(self, x):
        if len(x) == 1:
            {single}
        return [1.0] * len(x)

def build():
    {built}
    return Own()
"""


class Clock:
    """A clock that models move on, in seconds."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def model(
        self, takes: Callable[[int], float], told: list[Any] | None = None, name: str = ""
    ) -> measure.PredictCall:
        def call(step: int) -> None:
            self.now += takes(step)
            if told is not None:
                told.append((name, step))

        return call


def test_models_are_called_in_turns_and_none_is_always_the_first() -> None:
    clock, told = Clock(), list[Any]()
    calls = [clock.model(lambda _: 0.001, told, name) for name in "ab"]
    rounds = time_calls(calls, HOW, clock)
    one_round = [*("a0", "b0"), *("b1", "a1"), *("a2", "b2"), *("b3", "a3")]
    assert [f"{name}{step}" for name, step in told] == ["a0", "b0", *one_round * 3]
    assert [[len(one) for one in models] for models in rounds] == [[4, 4]] * 3


def test_each_model_has_its_own_milliseconds_and_a_slower_one_a_larger_ratio() -> None:
    clock = Clock()
    fast, slow = timing_percentiles(
        time_calls([clock.model(lambda _: 0.002), clock.model(lambda _: 0.004)], HOW, clock), HOW
    )
    assert fast == pytest.approx({"p50": 2.0, "p95": 2.0})
    assert slow == pytest.approx({"p50": 4.0, "p95": 4.0})


def test_one_disturbed_round_decides_nothing() -> None:
    clock, numbers = Clock(), itertools.count()
    disturbed = range(1, 5)  # the first round, after the warm-up
    calls = [clock.model(lambda _: 1.0 if next(numbers) in disturbed else 0.002)]
    assert timing_percentiles(time_calls(calls, HOW, clock), HOW) == [pytest.approx({"p50": 2.0, "p95": 2.0})]


@pytest.mark.parametrize(
    ("patience", "calls"),
    [(0.0, [2]), (2.0, [2]), (4.0, [4]), (8.0, [4, 4])],  # seconds by model, at one second a call
)
def test_slow_models_are_called_less_often_but_equally(patience: float, calls: list[int]) -> None:
    clock = Clock()
    how = replace(HOW, patience=patience, warm_ups=0)
    rounds = time_calls([clock.model(lambda _: 1.0) for _ in range(2)], how, clock)
    assert [[len(one) for one in models] for models in rounds] == [[count] * 2 for count in calls]


def test_real_clocks_tell_a_model_that_does_twice_the_work() -> None:
    numbers = np.random.default_rng(0).random(20_000)

    def work(times: int) -> measure.PredictCall:
        return lambda _: [np.sort(numbers) for _ in range(times)]

    once, twice = timing_percentiles(time_calls([work(1), work(2)], replace(HOW, calls=20, rounds=5)), HOW)
    assert twice["p50"] / once["p50"] > 1.2


def test_peak_memory_is_of_the_call_and_not_of_what_it_keeps() -> None:
    kept: list[Any] = []

    def call(_: int) -> None:
        if not kept:
            kept.append(np.ones(5_000_000))
        np.ones(250_000).sum()

    assert peak_memory_mb(call) == pytest.approx(2.0, rel=0.05)
    assert not tracemalloc.is_tracing()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    frame = pd.DataFrame({"a": np.linspace(-1, 1, 3000), "y": np.linspace(0, 5, 3000)})
    frame.to_parquet(folder / "train.parquet")
    frame[["a"]].to_parquet(folder / "features.parquet")
    return folder


def trained(data: Path, scratch: Path, train: TrainSpec) -> FittedModel:
    task = TrainingTask(
        train=train,
        task="regression",
        inputs=(ModelField("a", "number"),),
        output=ModelField("y", "number"),
        root=scratch,
        environment=training_environment(),
    )
    return fit_model(task, data / "train.parquet", scratch)


def packaged(fitted: FittedModel, name: str, **changes: Any) -> PackagedModel:
    model = fitted.folder / fitted.model_format.entry_file
    found = PackagedModel(
        name, "skops", model, digest_file(model), fitted.trusted, fitted.signature, "regression", seconds=fitted.seconds
    )
    return replace(found, **changes)


@pytest.fixture(scope="module")
def ridge(data: Path, tmp_path_factory: pytest.TempPathFactory) -> FittedModel:
    with workers_in_process():
        return trained(data, tmp_path_factory.mktemp("ridge"), TrainSpec(estimator="sklearn.linear_model.Ridge"))


@pytest.fixture(scope="module")
def with_code(data: Path, tmp_path_factory: pytest.TempPathFactory) -> FittedModel:
    """A model of the repository's own code, trained while the clock of its process stood still."""
    folder = tmp_path_factory.mktemp("own")
    lies = "import time; time.perf_counter = lambda: 1.0"
    (folder / "make.py").write_text(OWN.format(single="pass", built=lies))
    with workers_in_process(but=lambda job: isinstance(job, protocol.TrainJob)):
        return trained(data, folder, TrainSpec(entrypoint="make.py:build", trusted=("make.Own",)))


@pytest.fixture
def own(with_code: FittedModel, tmp_path: Path) -> Callable[[str], PackagedModel]:
    """Return a function that packages a model of the repository's own code, which does that to a single row."""

    def make(single: str) -> PackagedModel:
        (tmp_path / "make.py").write_text(OWN.format(single=single, built="pass"))
        return packaged(with_code, "own", paths=(str(tmp_path),))

    return make


def test_models_of_library_code_are_measured_side_by_side_and_only_by_what_is_asked(
    data: Path, ridge: FittedModel, tmp_path: Path
) -> None:
    models = [packaged(ridge, "m@v1.0.0"), packaged(ridge, "m")]
    found = measure_costs(models, data / "features.parquet", [*RUN, "auc"], scratch=tmp_path)
    assert [(one.name, tuple(one.values), one.diagnostics) for one in found] == [
        ("m@v1.0.0", RUN, ()),
        ("m", RUN, ()),
    ]
    for values in (one.values for one in found):
        assert 0 < values["latency-p50-ms"] <= values["latency-p95-ms"]
        assert 0 < values["batch-latency-p50-ms"] <= values["batch-latency-p95-ms"]
        assert 0.008 < values["peak-memory-mb"] < 10  # 1,000 answers of 8 bytes, and what leads to them
    (folder,) = tmp_path.glob("measure-*")
    assert [item["name"] for item in json.loads((folder / "job.json").read_text())["items"]] == ["m@v1.0.0", "m"]


def test_what_records_tell_needs_no_process(data: Path, ridge: FittedModel, tmp_path: Path) -> None:
    model = packaged(ridge, "m", seconds=90.0)
    wanted = ["model-size-mb", "training-seconds", "training-cost"]
    (found,) = measure_costs([model], data / "features.parquet", wanted, scratch=tmp_path, cost_per_hour=4.0)
    assert found.values == {
        "model-size-mb": model.model.stat().st_size / 1e6,
        "training-seconds": 90.0,
        "training-cost": 0.1,
    }
    assert not list(tmp_path.iterdir())
    (unpriced,) = measure_costs([replace(model, seconds=None)], data / "features.parquet", wanted, scratch=tmp_path)
    assert list(unpriced.values) == ["model-size-mb"]


def require_one_failure(models: list[PackagedModel], data: Path, scratch: Path, text: str) -> None:
    """Require that the first model has a finding with this text, and the second its values."""
    with pytest.MonkeyPatch.context() as patch:  # what the times come to is of no interest here
        patch.setattr(measure, "SINGLE_ROW_TIMING", replace(measure.SINGLE_ROW_TIMING, warm_ups=1, rounds=1))
        bad, good = measure_costs(
            models, data / "features.parquet", ["latency-p50-ms", "model-size-mb"], scratch=scratch
        )
    assert [(one.id, one.message, one.severity) for one in bad.diagnostics] == [("measure-failed", text, "error")]
    assert list(bad.values) == ["model-size-mb"]
    assert (list(good.values), good.diagnostics) == (["model-size-mb", "latency-p50-ms"], ())


def test_a_model_that_ends_its_process_is_told_of_and_the_other_has_its_values(
    own: Callable[[str], PackagedModel], data: Path, ridge: FittedModel, tmp_path: Path
) -> None:
    models = [own("import os; os._exit(3)"), packaged(ridge, "m")]
    with workers_in_process(but=lambda job: not job.is_library_only):
        require_one_failure(models, data, tmp_path, "the measurement of own ended with exit code 3 and gave no result")


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize(
    ("single", "text"),
    [
        ("raise ValueError('one row')", "own cannot be measured: ValueError: one row"),
        ("sys.exit(0)", "own cannot be measured: SystemExit: 0"),
    ],
)
def test_a_model_that_raises_is_told_of_and_the_other_has_its_values(
    single: str, text: str, own: Callable[[str], PackagedModel], data: Path, ridge: FittedModel, tmp_path: Path
) -> None:
    require_one_failure([own(single), packaged(ridge, "m")], data, tmp_path, text)


@pytest.mark.usefixtures("in_process")
def test_a_model_that_fails_beside_another_is_left_out(
    data: Path, ridge: FittedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = score.load_recorded_model

    class Broken:
        def predict(self, _: Any) -> None:
            raise RuntimeError("no luck")

    monkeypatch.setattr(score, "load_recorded_model", lambda item: Broken() if item.name == "bad" else load(item))
    models = [packaged(ridge, name) for name in ("first", "bad", "last")]
    first, bad, last = measure_costs(models, data / "features.parquet", ["peak-memory-mb"], scratch=tmp_path)
    assert [one.message for one in bad.diagnostics] == ["bad cannot be measured: RuntimeError: no luck"]
    assert (list(first.values), list(bad.values), list(last.values)) == (["peak-memory-mb"], [], ["peak-memory-mb"])


FORGED = ['{"latency-p50-ms": -1}', '{"latency-p50-ms": 1e999}', "{}", '{"auc": 1}', '{"latency-p50-ms": 0.25}']


@pytest.mark.parametrize("said", FORGED)
def test_numbers_of_a_models_own_code_are_costs_or_nothing(
    said: str, own: Callable[[str], PackagedModel], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given the answer of a model that writes it itself, then it is a cost or nothing; the last one's process is real."""
    answer = f'{{"costs": [{{"name": "own", "values": {said}}}]}}'
    is_cost = said == FORGED[-1]
    model = own(f"import os; open('result.json', 'w').write({answer!r}); os._exit(0)")
    if not is_cost:

        def answered(_module: str, _job: object, folder: Path, **_: object) -> ProcessResult:
            (folder / protocol.ANSWER_FILE).write_text(answer)
            return ProcessResult(0, timed_out=False, log=b"")

        monkeypatch.setattr(protocol, "run_worker", answered)
    (found,) = measure_costs([model], data / "features.parquet", ["latency-p50-ms"], scratch=tmp_path)
    assert [one.id for one in found.diagnostics] == ([] if is_cost else ["measure-failed"])
    assert dict(found.values) == ({"latency-p50-ms": 0.25} if is_cost else {})


def test_a_changed_file_is_not_measured(data: Path, ridge: FittedModel, tmp_path: Path) -> None:
    with pytest.raises(Findings) as caught:
        measure_costs([packaged(ridge, "m", sha256="0" * 64)], data / "features.parquet", RUN, scratch=tmp_path)
    assert caught.value.diagnostics[0].id == "model-file-changed"


def test_code_of_its_own_is_not_asked_how_long_it_took(with_code: FittedModel) -> None:
    assert with_code.seconds > 0
