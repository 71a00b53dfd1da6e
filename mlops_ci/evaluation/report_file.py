"""Reads a gate's answer from a file that may be forged: refuses every value that contradicts another value of the file."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

from mlops_ci.core.ci_job import MAX_CALL_LENGTH
from mlops_ci.core.codec import DecodeError, decode
from mlops_ci.core.diagnostics import Diagnostic, has_errors, replace_control_characters
from mlops_ci.core.errors import UsageProblem
from mlops_ci.core.records.comparison import Comparison
from mlops_ci.core.requirement_consistency import requirement_contradiction, verdict_contradiction
from mlops_ci.core.results.gate import GatedModel, GateReport, worst_verdict

MAX_REPORT_BYTES = 5_000_000
_MAX_DEPTH = 24
_MAX_ITEMS = 20_000  # items of a list or an object
_MAX_TEXT_LENGTH = 20_000  # characters of a text
_MAX_INTEGER = 2**53  # up to here every JSON reader represents integers exactly
_NAME_PATTERN = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")  # DNS-1123, as the schemas have it
_ID_PATTERN = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_DIGEST_PATTERN = re.compile(r"[0-9a-f]{16,64}")  # keys of runs are shorter than digests


@dataclass(frozen=True)
class GateAnswer:
    """The output of `gate` for `--format json` or `github`; `record` is None when an error stopped the gate."""

    verb: Literal["gate"]
    exit_code: int
    diagnostics: tuple[Diagnostic, ...]
    format: Literal[1]
    record: GateReport | None = None


def read_gate_answer(path: Path) -> GateAnswer:
    """Return the gate's answer in a file; raises UsageProblem `report-invalid`, with the JSON path, when it is not valid."""
    try:
        if not path.is_file():
            raise _invalid_report_problem(path, "there is no such file")
        with path.open("rb") as stream:
            content = stream.read(MAX_REPORT_BYTES + 1)
    except OSError as error:
        raise _invalid_report_problem(path, f"it cannot be read: {error.strerror}") from error
    if len(content) > MAX_REPORT_BYTES:
        raise _invalid_report_problem(path, f"it is larger than {MAX_REPORT_BYTES:,} bytes")
    try:
        data = json.loads(content, parse_constant=_reject_constant, object_pairs_hook=_require_unique_fields)
        _require_within_limits(data)
        answer = decode(GateAnswer, data)
    except RecursionError as error:
        raise _invalid_report_problem(path, "$: it is nested too deep") from error
    except DecodeError as error:
        raise _invalid_report_problem(path, str(error)) from error
    except ValueError as error:  # not JSON, not Unicode, a number of 4,300 digits, or a value that a record refuses
        raise _invalid_report_problem(path, f"$: not the JSON result of a gate: {error}") from error
    if contradiction := next(_contradictions(answer), None):
        raise _invalid_report_problem(path, contradiction)
    return answer


def _invalid_report_problem(path: Path, why: str) -> UsageProblem:
    return UsageProblem.of(
        "report-invalid",
        f"{path.name} is not a valid result of a gate: {why[:500]}",
        help="pass, unchanged, the file that `mlops-ci gate --format github` of the same version wrote; its output `record` names"
        " the file",
    )


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _require_unique_fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("an object has two fields of the same name")
    return fields


def _require_within_limits(data: Any) -> None:
    """Raise DecodeError when JSON data are nested too deep, too long, or have a number that is too large or not finite."""
    left: list[tuple[str, int, Any]] = [("$", 0, data)]
    while left:
        where, depth, value = left.pop()
        if isinstance(value, dict | list):
            if depth >= _MAX_DEPTH:
                raise DecodeError(f"{where}: nested deeper than {_MAX_DEPTH}")
            if len(value) > _MAX_ITEMS:
                raise DecodeError(f"{where}: more than {_MAX_ITEMS:,} items")
            if isinstance(value, dict):
                left += [(f"{where}.{key[:50]}", depth + 1, item) for key, item in value.items()]
            else:
                left += [(f"{where}[{at}]", depth + 1, item) for at, item in enumerate(value)]
        elif isinstance(value, str) and len(value) > _MAX_TEXT_LENGTH:
            raise DecodeError(f"{where}: a text of more than {_MAX_TEXT_LENGTH:,} characters")
        elif isinstance(value, int) and not -_MAX_INTEGER <= value <= _MAX_INTEGER:
            raise DecodeError(f"{where}: too large a number")
        elif isinstance(value, float) and not math.isfinite(value):
            raise DecodeError(f"{where}: not a finite number")


def _contradictions(answer: GateAnswer) -> Iterator[str]:
    """Yield a text for each contradiction between parts of an answer, and for each malformed name."""
    for at, one in enumerate(answer.diagnostics):
        if len(one.id) > 80 or not _ID_PATTERN.fullmatch(one.id):
            yield f"$.diagnostics[{at}].id: not the id of a finding"
    refused = answer.exit_code != 0
    if answer.record is None:
        if not refused or not has_errors(answer.diagnostics):
            yield "$.record: missing, and no error says why"
        return
    report = answer.record
    if report.project is not None and not _NAME_PATTERN.fullmatch(report.project.name):
        yield "$.record.project.name: not a DNS-1123 label"
    if len(report.call) > MAX_CALL_LENGTH or report.call != replace_control_characters(report.call):
        yield f"$.record.call: longer than {MAX_CALL_LENGTH} characters, or with control characters"
    if not report.models:
        yield "$.record.models: no model"
    if len({one.model for one in report.models}) != len(report.models):
        yield "$.record.models: a model appears twice"
    for at, gated in enumerate(report.models):
        yield from (f"$.record.models[{at}].{why}" for why in _model_contradictions(gated))
    if report.verdict != (follows := worst_verdict(one.verdict for one in report.models)):
        yield f"$.record.verdict: {report.verdict}, but the worst verdict of the models is {follows}"
    if report.fits != sum(one.fitted for one in report.models):
        yield "$.record.fits: not the number of models that were fitted"
    if not 0 <= answer.exit_code <= 4 or (report.verdict == "fail" or has_errors(answer.diagnostics)) > refused:
        yield f"$.exitCode: {answer.exit_code}, but the verdict is {report.verdict}"
    if report.verdict == "pass" and refused and not has_errors(answer.diagnostics):
        yield f"$.exitCode: {answer.exit_code}, but there is no error"


def _model_contradictions(gated: GatedModel) -> Iterator[str]:
    comparison, run = gated.comparison, gated.run
    if not _NAME_PATTERN.fullmatch(gated.model):
        yield "model: not a DNS-1123 label"
    if run is not None:
        if run.model != gated.model:
            yield "run.model: another model"
        if run.seconds < 0 or not _DIGEST_PATTERN.fullmatch(run.key) or not _DIGEST_PATTERN.fullmatch(run.model_digest):
            yield "run: a malformed digest, or a negative duration"
    if gated.snapshot is not None and run is not None and gated.snapshot.dataset != run.dataset:
        yield "snapshot.dataset: differs from the dataset that the model was trained on"
    if comparison is None:
        if gated.verdict != "fail":
            yield f"verdict: {gated.verdict}, but there is no comparison"
        if gated.ref is not None:
            yield "ref: present, but there is no comparison"
        return
    if run is None or gated.snapshot is None:
        yield "comparison: present, but its run or snapshot is missing"
    elif (comparison.model, comparison.run, comparison.model_digest) != (run.model, run.key, run.model_digest):
        yield "comparison: belongs to another run"
    if not _DIGEST_PATTERN.fullmatch(comparison.key):
        yield "comparison.key: not a digest"
    if gated.ref is not None and gated.ref != f"refs/mlops/runs/{gated.model}/{comparison.key}":
        yield "ref: not the ref of the comparison"
    if gated.verdict != comparison.verdict:
        yield f"verdict: the model's verdict is {gated.verdict}, but its comparison has the verdict {comparison.verdict}"
    if gated.sentence != comparison.sentence:
        yield "sentence: differs from the sentence of the comparison"
    yield from (f"comparison.{why}" for why in _requirement_contradictions(comparison))
    if gated.snapshot is not None and not gated.snapshot.has_passed and gated.verdict == "pass":
        yield "verdict: pass, but a check of the data failed"
    if comparison.champion_state == "compared" and comparison.champion is None:
        yield "comparison.champion: missing"


def _requirement_contradictions(comparison: Comparison) -> Iterator[str]:
    if (why := verdict_contradiction(comparison.verdict, comparison.requirements)) is not None:
        yield f"verdict: {comparison.verdict}, and {why}"
    for at, item in enumerate(comparison.requirements):
        if (why := requirement_contradiction(item, comparison.confidence)) is not None:
            yield f"requirements[{at}]: {why}"
        if item.rows is not None and item.rows > comparison.holdout_rows:
            yield f"requirements[{at}].rows: more than the holdout has"
