"""A candidate whose code attacks: it decides nothing about its own record, and learns nothing of ours."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import skops.io

from mlops_ci.core.digest import digest_file
from mlops_ci.core.errors import Findings
from mlops_ci.core.records.training_run import ModelField
from mlops_ci.spec.spec_types import TrainSpec
from mlops_ci.training.environment import training_environment
from mlops_ci.training.fit import fit_model
from mlops_ci.training.inference.cost import measure_costs
from mlops_ci.training.inference.scoring import PackagedModel, score_models
from mlops_ci.training.package import FittedModel
from mlops_ci.training.packaging import skops as package
from mlops_ci.training.packaging.package_files import GOLDEN_FILE, GOLDEN_PREDICTIONS_FILE
from mlops_ci.training.packaging.structural_digest import structural_digest
from mlops_ci.training.training_task import TrainingTask
from mlops_ci.training.workers import protocol
from tests.training.conftest import workers_in_process

MODEL = """
import atexit, json, os, pathlib, sys
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression

class Own(ClassifierMixin, BaseEstimator):
    def fit(self, x, y):
        self.classes_ = [False, True]
        return self
    def predict(self, x):
        return [True] * len(x)
"""

Try = Callable[..., FittedModel]


@pytest.fixture
def real_training() -> Iterator[None]:
    """A process for the attacker's training; what is asked of the file afterwards is asked here."""
    with workers_in_process(but=lambda job: isinstance(job, protocol.TrainJob)):
        yield


@pytest.fixture
def attack(tmp_path: Path) -> Try:
    """Return a function that trains with an entrypoint's code, in a scratch folder that stays the same."""
    (tmp_path / "repo").mkdir()
    frame = pd.DataFrame({"a": np.linspace(-1, 1, 40), "y": np.arange(40) > 20})
    frame.to_parquet(tmp_path / "train.parquet")

    def run(code: str, *trusted: str) -> FittedModel:
        (tmp_path / "repo/make.py").write_text(MODEL + code)
        task = TrainingTask(
            train=TrainSpec(entrypoint="make.py:build", trusted=trusted),
            task="binary-classification",
            inputs=(ModelField("a", "number"),),
            output=ModelField("y", "boolean"),
            root=tmp_path / "repo",
            environment=training_environment(),
        )
        return fit_model(task, tmp_path / "train.parquet", tmp_path / "scratch")

    return run


def failure(attack: Try, code: str, *trusted: str) -> tuple[str, str, str]:
    with pytest.raises(Findings) as caught:
        attack(code, *trusted)
    (found,) = caught.value.diagnostics
    return found.id, found.message, found.help or ""


@pytest.mark.usefixtures("real_training")
def test_what_the_trainer_says_decides_nothing(attack: Try) -> None:
    fitted = attack("""
from mlops_ci.training import prediction_columns
from mlops_ci.training.packaging.skops import SKOPS

def build():
    object.__setattr__(SKOPS, "reviewed_types", ("make.Own", "os.system"))
    object.__setattr__(SKOPS, "digest", lambda model: "0" * 64)
    prediction_columns.predict_columns = lambda model, rows, task: {"prediction.label": [True] * len(rows)}
    print("hello", flush=True)
    os.symlink("/proc/self/environ", "log.txt")
    pathlib.Path("golden.parquet").write_text("forged")
    pathlib.Path("signature.json").write_text("forged")
    return LogisticRegression()
""")
    model = skops.io.load(fitted.folder / package.SKOPS.entry_file, trusted=list(package.REVIEWED_TYPES))
    golden = pq.read_table(fitted.folder / GOLDEN_FILE).to_pandas()
    predicted = pq.read_table(fitted.folder / GOLDEN_PREDICTIONS_FILE).to_pandas()
    assert fitted.model_digest == structural_digest(model)
    assert np.array_equal(predicted["prediction.label"], model.predict(golden[["a"]]))
    assert np.array_equal(predicted["prediction.probability.1"], model.predict_proba(golden[["a"]])[:, 1])
    assert set(fitted.trusted) <= {"numpy.dtype"}
    assert fitted.signature.classes == (False, True)
    assert fitted.log == b"hello\n"


TRUSTS_ITSELF = """
from mlops_ci.training.packaging.skops import SKOPS
from mlops_ci.training.workers import protocol
object.__setattr__(SKOPS, "reviewed_types", ("make.Own",))
object.__setattr__(SKOPS, "find_untrusted_types", lambda path: ())
answer = protocol.InspectAnswer
protocol.InspectAnswer = lambda **values: answer(**{**values, "untrusted": ()})

def build():
    return Own()
"""


@pytest.mark.slow
def test_a_candidate_cannot_trust_itself(attack: Try) -> None:
    id, message, help = failure(attack, TRUSTS_ITSELF)
    assert (id, "make.Own" in message) == ("model-types-untrusted", True)
    assert help.endswith("\ntrusted: [make.Own]")
    assert attack(TRUSTS_ITSELF, "make.Own").trusted == ("make.Own",)


@pytest.mark.parametrize(
    "end",
    [
        "os._exit(3)",  # without an answer
        "pathlib.Path('result.json').write_text('{}'); os.symlink('/proc/self/environ', 'model.skops'); os._exit(0)",
        "pathlib.Path('result.json').write_text('{}'); os.mkfifo('model.skops'); os._exit(0)",
    ],
    ids=["died", "link", "pipe"],
)
def test_the_parents_environment_stays_with_it(end: str, attack: Try, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "s3cret")
    id, message, help = failure(
        attack,
        f"""
def build():
    print("::error::forged", flush=True)
    for name in os.listdir():
        os.unlink(name)
    for name in ("log.txt", "log", "stdout"):
        os.symlink("/proc/self/environ", name)
    {end}
""",
    )
    assert id == "train-failed"
    assert ("exit code 3" in message) == ("_exit(3)" in end)
    assert "s3cret" not in message + help
    assert help == "| ::error::forged"


@pytest.mark.usefixtures("real_training")
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere such processes cannot be found")
def test_a_model_file_is_not_changed_by_what_the_trainer_left_behind(attack: Try) -> None:
    fitted = attack("""
def build():
    if os.fork() == 0:
        os.setsid()
        import time
        for _ in range(3000):
            for folder in pathlib.Path("..").iterdir():
                if folder.name != os.path.basename(os.getcwd()):
                    for path in folder.glob("model.skops"):
                        path.write_bytes(b"swapped")
            time.sleep(0.001)
        os._exit(0)
    return LogisticRegression()
""")
    assert digest_file(fitted.folder / package.SKOPS.entry_file) == fitted.files[0].sha256
    assert skops.io.load(
        fitted.folder / package.SKOPS.entry_file, trusted=list(package.REVIEWED_TYPES)
    ).classes_.tolist() == [
        False,
        True,
    ]


PREDICTS = """
class Odd(Own):
    def predict(self, x):
        return {predict}
    def fit(self, x, y):
        super().fit(x, y)
        self.classes_ = {classes}
        return self

def build():
    return Odd()
"""


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize(
    ("predict", "classes", "text"),
    [
        ("x['nothing']", [False, True], "cannot predict its training rows: KeyError: 'nothing'"),
        ("sys.exit(0)", [False, True], "cannot predict its training rows: SystemExit"),
        ("[[1, 2]] * len(x)", [False, True], "cannot predict its training rows: "),
        ("[True]", [False, True], "it must have exactly one prediction for each of the 40 rows"),
        ("[True] * len(x)", [False], "have 1 labels, but the task is binary-classification"),
        ("[True] * len(x)", ["a", "b"], "are not values of 'y'"),
        ("[True] * len(x)", [True, True], "have repeated labels"),
    ],
)
def test_a_model_that_does_not_answer_is_a_finding(predict: str, classes: list[Any], text: str, attack: Try) -> None:
    code = PREDICTS.format(predict=predict, classes=classes)
    id, message, help = failure(attack, code, "make.Odd")
    assert id == "train-failed"
    assert text in message
    assert "mlops_ci" not in message + help


def test_a_model_that_ends_its_process_is_a_finding(attack: Try) -> None:
    code = PREDICTS.format(predict="os._exit(0)", classes=[False, True])
    with workers_in_process(but=lambda job: isinstance(job, protocol.InspectJob)):
        id, message, _ = failure(attack, code, "make.Odd")
    assert (id, message) == ("train-failed", "checking the model ended with exit code 0 and no result")


def test_a_model_does_not_say_which_types_its_file_has(attack: Try) -> None:
    """Given a model's code that answers and sends other types, then those that the file has stand in the record."""
    code = (
        PREDICTS.format(predict="[True] * len(x)", classes=[False, True])
        + """
if sys.argv[2:3] == ["mlops_ci.training.workers.inspect"]:
    from mlops_ci.training.workers import protocol, type_statement
    channel = json.loads(pathlib.Path("job.json").read_text())["typesChannel"]
    try:
        type_statement.state_types(channel, ["os.system"])
    except OSError as error:
        print("closed", error)
    real = protocol.write_answer
    protocol.write_answer = lambda answer, path: real(protocol.replace(answer, untrusted=("os.system",)), path)
"""
    )
    with workers_in_process(but=lambda job: isinstance(job, protocol.InspectJob)):
        fitted = attack(code, "make.Odd")
    assert fitted.trusted == ("make.Odd",)
    assert b"closed [Errno 9] Bad file descriptor" in fitted.log


def test_types_that_are_not_trusted_are_found_before_any_code_of_the_model_runs(attack: Try, tmp_path: Path) -> None:
    code = PREDICTS.format(predict="[True] * len(x)", classes=[False, True])
    code += f"""
if sys.argv[2:3] == ["mlops_ci.training.workers.inspect"]:
    pathlib.Path({str(tmp_path / "ran")!r}).touch()
"""
    with workers_in_process(but=lambda job: isinstance(job, protocol.InspectJob)):
        id, message, _ = failure(attack, code)
    assert (id, "make.Odd" in message) == ("model-types-untrusted", True)
    assert not (tmp_path / "ran").exists()


@pytest.mark.usefixtures("in_process")
def test_a_predict_that_raises_is_shown_at_its_own_line(attack: Try) -> None:
    with pytest.raises(Findings) as caught:
        attack(PREDICTS.format(predict="x['nothing']", classes=[False, True]), "make.Odd")
    (found,) = caught.value.diagnostics
    assert found.location is not None
    assert (found.location.path, found.location.text) == ("make.py", "        return x['nothing']")
    assert all(line.startswith("| ") for line in (found.help or "").splitlines()[1:])


@pytest.mark.usefixtures("in_process")
def test_folders_that_exist_already_are_no_obstacle(attack: Try, tmp_path: Path) -> None:
    for name in ("package", "train", "score-0", "fit"):
        (tmp_path / "scratch" / name).mkdir(parents=True)
    code = "\ndef build():\n    return LogisticRegression()\n"
    first = attack(code)
    del sys.modules["make"]
    second = attack(code)
    assert first.folder != second.folder
    assert first.model_digest == second.model_digest
    assert (first.folder / package.SKOPS.entry_file).is_file()


@pytest.mark.slow
def test_a_scorer_is_told_of_copies_only(attack: Try, tmp_path: Path) -> None:
    fitted = attack(
        """
class Greedy(Own):
    def predict(self, x):
        job = json.loads(pathlib.Path(sys.argv[3]).read_text())
        if "items" in job:
            pathlib.Path(job["features"]).write_bytes(b"")
            pathlib.Path(job["items"][0]["model"]).write_bytes(b"")
        return [True] * len(x)

def build():
    return Greedy()
""",
        "make.Greedy",
    )
    pd.DataFrame({"a": [0.1, 0.2]}).to_parquet(tmp_path / "features.parquet")
    model = PackagedModel(
        "m",
        fitted.model_format.name,
        fitted.folder / package.SKOPS.entry_file,
        fitted.files[0].sha256,
        fitted.trusted,
        fitted.signature,
        "binary-classification",
        (str(tmp_path / "repo"),),
    )
    for _ in range(2):
        (scores,) = score_models([model], tmp_path / "features.parquet", rows=2, scratch=tmp_path / "scratch")
        assert scores.predictions.labels is not None
        (costs,) = measure_costs(
            [model], tmp_path / "features.parquet", ["peak-memory-mb"], scratch=tmp_path / "scratch"
        )
        assert list(costs.values) == ["peak-memory-mb"]
    assert [file.sha256 for file in fitted.files] == [digest_file(fitted.folder / file.path) for file in fitted.files]
    assert len(pq.read_table(tmp_path / "features.parquet")) == 2
