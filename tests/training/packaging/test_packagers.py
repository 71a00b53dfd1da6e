"""Model formats: the one built in, and who may know its file's name."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import mlops_ci
from mlops_ci.core.codec import DecodeError, decode, encode
from mlops_ci.core.errors import UsageProblem
from mlops_ci.core.records.base import FileDigest
from mlops_ci.core.records.training_run import ModelFormat, TrainingRun
from mlops_ci.training.packaging.skops import SKOPS
from mlops_ci.training.packaging.table import PACKAGERS, load_packager
from tests.support.registry_samples import RUN

ROOT = Path(mlops_ci.__file__).parent


def test_a_run_names_the_format_by_which_its_packager_is_found() -> None:
    for name, packager in PACKAGERS.items():
        assert load_packager(packager.model_format.name) is packager
        assert packager.model_format == ModelFormat(name, packager.entry_file)


def test_a_format_that_nobody_has_is_refused() -> None:
    with pytest.raises(UsageProblem, match="there is no packager 'skop'"):
        load_packager("skop")


def test_only_a_packager_spells_the_name_of_its_file() -> None:
    spelled = {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for packager in PACKAGERS.values()
        if packager.entry_file in node.value
    }
    assert spelled == {"training/packaging/skops.py"}


def test_people_load_a_model_by_one_line() -> None:
    module, expression = SKOPS.loading_code("DIR/it's", ["a.B"])
    assert module == "skops.io"
    call = ast.parse(expression, mode="eval").body
    assert isinstance(call, ast.Call)
    assert ast.literal_eval(call.args[0]) == "DIR/it's"
    assert ast.literal_eval(call.keywords[0].value) == ["a.B"]


def test_the_entry_file_is_found_among_a_packages_files() -> None:
    model, other = FileDigest("a/model.x", "0" * 64, 1), FileDigest("model.x", "1" * 64, 1)
    assert ModelFormat("x", "a/model.x").find_entry([other, model]) is model
    with pytest.raises(ValueError, match="a package in the format 'x' has no file 'gone'"):
        ModelFormat("x", "gone").find_entry([other, model])


def test_a_run_without_its_entry_file_is_no_run() -> None:
    data = encode(RUN)
    assert decode(TrainingRun, data) == RUN
    with pytest.raises(ValueError, match="has no file"):
        decode(TrainingRun, {**data, "modelFormat": {"name": "skops", "entryFile": "other"}})
    with pytest.raises(DecodeError, match="missing field 'modelFormat'"):
        decode(TrainingRun, {name: value for name, value in data.items() if name != "modelFormat"})
