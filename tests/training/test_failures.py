"""How a worker's failure is told: at the spec's train block, with what the worker said, and nothing that commands."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mlops_ci.core.codec import encode
from mlops_ci.core.diagnostics import Diagnostic, Location
from mlops_ci.core.errors import Findings, ToolError, UsageProblem
from mlops_ci.core.process import ProcessResult
from mlops_ci.core.records.training_run import ModelField, TrainingEnvironment
from mlops_ci.spec.spec_types import TrainSpec
from mlops_ci.training.failures import require_answer
from mlops_ci.training.training_task import TrainingTask
from mlops_ci.training.workers.protocol import ANSWER_FILE, TrainAnswer

PLACE = Location("delay.yaml", 9, 3)
TASK = TrainingTask(
    TrainSpec(),
    "regression",
    (),
    ModelField("y", "number"),
    Path(),
    TrainingEnvironment("3.11.9", {}, "Linux"),
    PLACE,
    60.0,
)
SAID = ProcessResult(0, timed_out=False, log=b"fitting\n::error::obey\n")


def failure(folder: Path, ended: ProcessResult, answer: TrainAnswer | None = None) -> ToolError:
    if answer is not None:
        (folder / ANSWER_FILE).write_text(json.dumps(encode(answer)))
    with pytest.raises(ToolError) as caught:
        require_answer(TrainAnswer, folder, ended, TASK, "training")
    return caught.value


def test_an_answer_without_errors_is_returned_as_it_is(tmp_path: Path) -> None:
    answer = TrainAnswer((Diagnostic("worth-a-word", "slow", severity="warning"),), seconds=1.5)
    (tmp_path / ANSWER_FILE).write_text(json.dumps(encode(answer)))
    assert require_answer(TrainAnswer, tmp_path, SAID, TASK, "training") == answer


def test_time_is_up_whatever_was_answered(tmp_path: Path) -> None:
    found = failure(tmp_path, replace(SAID, timed_out=True), TrainAnswer()).diagnostics[0]
    assert (found.id, found.message, found.location) == (
        "train-timed-out",
        "training took more than 60 seconds",
        PLACE,
    )


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (-9, "training was ended by signal 9 (probably out of memory)"),
        (-11, "training was ended by signal 11"),
        (3, "training ended with exit code 3 and no result"),
        (0, "training ended with exit code 0 and no result"),
    ],
)
def test_an_end_without_an_answer_says_how_it_ended_and_quotes_the_output(
    tmp_path: Path, code: int, message: str
) -> None:
    found = failure(tmp_path, replace(SAID, returncode=code)).diagnostics[0]
    assert (found.id, found.message, found.location) == ("train-failed", message, PLACE)
    assert found.help == "| fitting\n| ::error::obey"


def test_who_says_nothing_has_no_help(tmp_path: Path) -> None:
    assert failure(tmp_path, ProcessResult(1, timed_out=False, log=b"")).diagnostics[0].help is None


def test_an_answer_that_is_none_is_none(tmp_path: Path) -> None:
    (tmp_path / ANSWER_FILE).write_text('{"seconds": "soon"}')
    assert failure(tmp_path, SAID).diagnostics[0].id == "train-failed"


def test_an_error_keeps_its_place_or_gets_that_of_the_train_block(tmp_path: Path) -> None:
    own = Location("train.py", 2)
    errors = (Diagnostic("fit-failed", "no", own, "look"), Diagnostic("fit-failed", "no"))
    caught = failure(tmp_path, SAID, TrainAnswer(errors))
    assert isinstance(caught, Findings)
    assert [one.location for one in caught.diagnostics] == [own, PLACE]
    assert [one.help for one in caught.diagnostics] == [
        "look\n| fitting\n| ::error::obey",
        "| fitting\n| ::error::obey",
    ]


def test_a_fault_of_the_spec_is_one_of_usage_and_needs_no_output(tmp_path: Path) -> None:
    caught = failure(tmp_path, SAID, TrainAnswer((Diagnostic("param-unknown", "no"),), usage=True))
    assert isinstance(caught, UsageProblem)
    assert caught.diagnostics[0].help is None
