"""A gate's answer as a file: what a gate writes is read back; what contradicts itself, or is no answer, is refused by its place."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_ci.core.codec import encode
from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.errors import UsageProblem
from mlops_ci.core.results.gate import GatedModel, GateReport
from mlops_ci.evaluation.report_file import MAX_REPORT_BYTES, GateAnswer, read_gate_answer
from tests.support.hostile import TEXTS
from tests.support.report_samples import check, judged, requirement, snapshot

PASSING = judged("pass", "fine")
STOPPED = GatedModel("stopped", "fail", "1 check failed", snapshot(check(False)))
ERROR = Diagnostic("check-nulls", "hour has nulls")


def answer(
    *models: GatedModel, verdict: str = "pass", code: int = 0, found: tuple[Diagnostic, ...] = ()
) -> dict[str, Any]:
    """An answer as JSON data, to be spoiled."""
    report = {**encode(GateReport("pass", models, sum(one.fitted for one in models))), "verdict": verdict}
    said = {"verb": "gate", "exitCode": code, "record": report, "diagnostics": encode(found), "format": 1}
    copied: dict[str, Any] = json.loads(json.dumps(said))
    return copied


def given_file(folder: Path, data: Any) -> Path:
    path = folder / "gate.json"
    path.write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())
    return path


def refused(folder: Path, data: Any) -> str:
    with pytest.raises(UsageProblem) as problem:
        read_gate_answer(given_file(folder, data))
    (found,) = problem.value.diagnostics
    assert found.id == "report-invalid"
    return found.message


def test_what_a_gate_writes_is_read_back(tmp_path: Path) -> None:
    passed = read_gate_answer(given_file(tmp_path, answer(PASSING)))
    assert passed == GateAnswer("gate", 0, (), 1, GateReport("pass", (PASSING,), 1))
    failed = read_gate_answer(given_file(tmp_path, answer(PASSING, STOPPED, verdict="fail", code=1, found=(ERROR,))))
    assert failed.record is not None
    assert failed.record.models[1] == STOPPED
    undecided = judged("inconclusive")
    for code in (0, 1):  # where a spec says that this fails
        assert (
            read_gate_answer(given_file(tmp_path, answer(undecided, verdict="inconclusive", code=code))).exit_code
            == code
        )


def test_a_gate_that_could_not_answer_says_why(tmp_path: Path) -> None:
    said = answer(PASSING, code=2, found=(ERROR,))
    del said["record"]
    assert read_gate_answer(given_file(tmp_path, said)).record is None
    assert "$.record: missing" in refused(tmp_path, {**said, "exitCode": 0})
    del said["diagnostics"][0]
    assert refused(tmp_path, said).endswith("$.record: missing, and no error says why")


def _set(*path: str | int, to: Any) -> Callable[[dict[str, Any]], None]:
    def spoil(data: Any) -> None:
        *before, last = path
        for part in before:
            data = data[part]
        data[last] = to

    return spoil


MODEL = ("record", "models", 0)
SPOILED: list[tuple[Callable[[dict[str, Any]], None], str]] = [
    (_set("record", "verdict", to="fail"), "$.record.verdict: fail, but the worst verdict of the models is pass"),
    (_set(*MODEL, "verdict", to="fail"), "$.record.models[0].verdict: the model's verdict is fail, but its comparison has the verdict pass"),
    (
        _set(*MODEL, "comparison", "requirements", 0, "verdict", to="fail"),
        "$.record.models[0].comparison.verdict: pass, and the results of the requirements give the verdict fail",
    ),
    (
        _set(*MODEL, "comparison", "requirements", 0, "lower", to=0.5),
        "$.record.models[0].comparison.requirements[0]: the numbers contradict the reason interval-clear",
    ),
    (
        _set(*MODEL, "comparison", "requirements", 0, "requirement", "min", to=0.7),
        "$.record.models[0].comparison.requirements[0]: the numbers contradict the reason interval-clear",
    ),
    (
        _set(*MODEL, "comparison", "requirements", 0, "reason", "code", to="too-close"),
        "$: not the JSON result of a gate: the reason too-close does not fit the verdict pass",
    ),
    (
        _set(*MODEL, "comparison", "requirements", 0, "requirement", "margin", to=0.1),
        "$: not the JSON result of a gate: these terms do not fit the test threshold: margin, min",
    ),
    (
        _set(*MODEL, "comparison", "requirements", 0, "reason", "limit", to=0.65),
        "$: not the JSON result of a gate: these values do not fit the reason interval-clear: limit",
    ),
    (
        _set(*MODEL, "comparison", "requirements", 0, "rows", to=1_001),
        "$.record.models[0].comparison.requirements[0].rows: more than the holdout has",
    ),
    (
        _set(*MODEL, "comparison", "requirements", to=[]),
        "$.record.models[0].comparison.verdict: pass, and the results of the requirements give the verdict inconclusive",
    ),
    (_set(*MODEL, "comparison", "run", to="1" * 64), "$.record.models[0].comparison: belongs to another run"),
    (_set(*MODEL, "comparison", "modelDigest", to="1" * 64), "$.record.models[0].comparison: belongs to another run"),
    (_set(*MODEL, "run", "model", to="other"), "$.record.models[0].run.model: another model"),
    (_set(*MODEL, "run", "dataset", to="other"), "$.record.models[0].snapshot.dataset: differs from the dataset that"),
    (_set(*MODEL, "run", "seconds", to=-1), "$.record.models[0].run: a malformed digest"),
    (_set(*MODEL, "ref", to="refs/heads/main"), "$.record.models[0].ref: not the ref of the comparison"),
    (_set(*MODEL, "sentence", to="all is well"), "$.record.models[0].sentence: differs from the sentence of the comparison"),
    (_set(*MODEL, "model", to="../x"), "$.record.models[0].model: not a DNS-1123 label"),
    (_set(*MODEL, "snapshot", "checks", 0, "passed", to=False), "verdict: pass, but a check of the data failed"),
    (_set("record", "models", to=[]), "$.record.models: no model"),
    (_set("record", "fits", to=7), "$.record.fits: not the number of models that were fitted"),
    (_set("exitCode", to=1), "$.exitCode: 1, but there is no error"),
    (_set("diagnostics", to=[{"id": "x", "message": "y", "severity": "error"}]), "$.exitCode: 0, but the verdict is pass"),
    (_set("diagnostics", to=[{"id": "<b>", "message": "y", "severity": "note"}]), "$.diagnostics[0].id"),
    (_set("verb", to="release"), "$.verb: expected one of gate"),
    (_set("format", to=2), "$.format: expected one of 1"),
    (_set("plan", to=["x"]), "$: unknown field 'plan'"),
    (_set(*MODEL, "run", "kind", to="Release"), "$.record.models[0].run.kind: expected one of TrainingRun"),
    (_set(*MODEL, "comparison", "extra", to=1), "$.record.models[0].comparison: unknown field 'extra'"),
    (_set(*MODEL, "comparison", "holdoutRows", to=1e300), "$.record.models[0].comparison.holdoutRows: expected int, got float"),
    (_set(*MODEL, "comparison", "holdoutRows", to=10**30), "$.record.models[0].comparison.holdoutRows: too large a number"),
    (_set(*MODEL, "sentence", to="x" * 30_000), "$.record.models[0].sentence: a text of more than 20,000 characters"),
    (_set("diagnostics", to=[{}] * 30_000), "$.diagnostics: more than 20,000 items"),
    (_set(*MODEL, "sentence", to="\ud800"), "$.record.models[0].sentence: not text"),
    (_set(*MODEL, "run", "files", 0, "path", to="../../x"), "unsafe path"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "why"), SPOILED)
def test_what_does_not_follow_is_refused_by_its_place(
    spoil: Callable[[dict[str, Any]], None], why: str, tmp_path: Path
) -> None:
    said = answer(PASSING)
    read_gate_answer(given_file(tmp_path, said))
    spoil(said)
    assert why in refused(tmp_path, said)


def test_a_model_is_judged_once_and_what_was_stopped_failed(tmp_path: Path) -> None:
    assert "$.record.models: a model appears twice" in refused(tmp_path, answer(PASSING, PASSING))
    said = answer(STOPPED, code=1, verdict="pass")
    said["record"]["models"][0]["verdict"] = "pass"
    assert "verdict: pass, but there is no comparison" in refused(tmp_path, said)


def test_a_failing_requirement_cannot_hide_behind_what_cannot_be_compared(tmp_path: Path) -> None:
    one = judged("incomparable", requirements=(requirement("inconclusive"), requirement("fail")))
    why = "comparison.verdict: incomparable, and the results of the requirements give the verdict fail"
    assert why in refused(tmp_path, answer(one, verdict="incomparable"))


DEEP = b'{"format":1,"verb":"gate","exitCode":0,"diagnostics":[],"record":' + b"[" * 200_000


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not the JSON"),
        (b"\xff\xfe", "not the JSON"),
        (b"[]", "$: expected an object"),
        (b"null", "$: expected an object"),
        (DEEP, "nested too deep"),
        (b'{"format":1,"format":1}', "has two fields of the same name"),
        (b'{"format":NaN}', "NaN is not a number"),
        (b'{"format":' + b"9" * 5000 + b"}", "not the JSON"),
        (json.dumps({"x": [[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]}).encode(), "nested deeper than 24"),
        (b'{"format":1e999}', "$.format: not a finite number"),
        (b" " * (MAX_REPORT_BYTES + 1), "larger than 5,000,000 bytes"),
    ],
)
def test_what_is_no_json_of_ours_is_refused(content: bytes, why: str, tmp_path: Path) -> None:
    assert why in refused(tmp_path, content)


def test_there_must_be_a_file(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(UsageProblem, match="there is no such file"):
            read_gate_answer(path)


@given(st.data())
def test_whatever_a_stranger_writes_is_an_answer_or_refused(data: st.DataObject) -> None:
    """Given an answer with any value anywhere, then it is read or refused: there is no third way."""
    said = answer(PASSING, STOPPED, verdict="fail", code=1, found=(ERROR,))
    holder: Any = said
    while isinstance(holder, dict | list) and holder:
        keys = sorted(holder) if isinstance(holder, dict) else range(len(holder))
        key = data.draw(st.sampled_from(list(keys)))
        if not isinstance(holder[key], dict | list) or data.draw(st.booleans()):
            value = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(TEXTS), st.just([]))
            holder[key] = data.draw(value)
            break
        holder = holder[key]
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(UsageProblem):
        read_gate_answer(given_file(Path(folder), said))


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("project", {"name": "a b", "path": "."}, "$.record.project.name"),
        ("project", {"name": "a", "path": "../b"}, "path"),
        ("call", "x" * 81, "$.record.call"),
        ("call", "a\nb", "$.record.call"),
    ],
)
def test_a_project_or_a_call_that_no_gate_writes_is_refused(tmp_path: Path, field: str, value: Any, why: str) -> None:
    spoiled = answer(PASSING)
    spoiled["record"][field] = value
    assert why in refused(tmp_path, spoiled)
