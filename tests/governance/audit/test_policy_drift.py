"""Versions that passed a gate which today's would not be: recorded terms and numbers against today's requirements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from mlops_ci.core.codec import encode
from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.digest import digest_json
from mlops_ci.core.records.comparison import MetricValue
from mlops_ci.core.records.events import Release
from mlops_ci.core.requirements import Reason, RequirementResult
from mlops_ci.governance.audit import policy_drift
from mlops_ci.governance.audit.inventory import ModelInventory
from mlops_ci.registry.state import fold_refs
from mlops_ci.spec.located_spec import LocatedSpec
from mlops_ci.spec.requirement_text import requirement_terms
from mlops_ci.spec.spec_types import GateSpec, ModelSpec, Requirement, TrainSpec
from mlops_ci.spec.yaml.document import read_documents
from tests.support.registry_samples import RELEASE, tag

BETTER = Requirement("auc", against="champion", test="superiority")
TEXT = b"apiVersion: mlops-ci/v1\nkind: Model\nmetadata: {name: delay}\nspec:\n  gate: {}\n"


def _model(*requirements: Requirement) -> LocatedSpec[ModelSpec]:
    (document,) = read_documents("models/delay.yaml", TEXT)
    gate = GateSpec(requirements=requirements)
    spec = ModelSpec("binary-classification", "flights", "late", ("hour",), TrainSpec(), gate=gate)
    return LocatedSpec("Model", "delay", None, "models/delay.yaml", "0" * 64, spec, document)


def _release(*judged: RequirementResult, metrics: tuple[MetricValue, ...] = ()) -> Release:
    return replace(RELEASE, evidence=replace(RELEASE.evidence, requirements=judged, metrics=metrics))


def _judged(asked: Requirement, value: float, lower: float, upper: float) -> RequirementResult:
    return RequirementResult(
        requirement_terms(asked), "pass", Reason("interval-clear"), value, lower=lower, upper=upper
    )


def _drift(release: Release, *requirements: Requirement) -> Sequence[Diagnostic]:
    refs = [tag(release, "1" * 40, 1)]
    held = ModelInventory("delay", fold_refs(refs).model("delay"), {f"delay@v{release.version}": "1" * 40})
    return list(policy_drift.breaks(held, _model(*requirements)))


FLOOR = Requirement("auc", min=0.62)
PASSED = _release(_judged(FLOOR, 0.76, 0.75, 0.77))


@pytest.mark.parametrize(
    ("today", "why"),
    [
        (Requirement("auc", min=0.75), "auc: at least 0.75, but the recorded value is 0.750 to 0.770"),
        (Requirement("auc", min=0.8), "auc: at least 0.8, but the recorded value is 0.750 to 0.770"),
        (Requirement("auc", max=0.76), "auc: at most 0.76, but the recorded value is 0.750 to 0.770"),
        (Requirement("f1", min=0.1), "f1: at least 0.1: f1 was not measured"),
        (BETTER, "auc: better than the champion: the gate did not test it"),
    ],
)
def test_evidence_that_does_not_meet_todays_gate_is_a_warning(today: Requirement, why: str) -> None:
    (found,) = _drift(PASSED, today)
    assert (found.id, found.severity) == ("audit-policy-drift", "warning")
    assert found.message == (
        f"delay@v{RELEASE.version} passed under policy ffffffffff, but it would fail under the current policy: {why}"
    )


@pytest.mark.parametrize("today", [FLOOR, Requirement("auc", min=0.74), Requirement("auc", min=0.5, max=0.9)])
def test_evidence_that_meets_todays_gate_is_none(today: Requirement) -> None:
    assert _drift(PASSED, today) == []


def test_a_test_was_asked_only_with_the_same_terms() -> None:
    """Given a passed test with a margin, then a smaller margin, other slices or another baseline were never asked."""
    asked = Requirement("auc", against="champion", test="no-regression", margin=0.02, slices=("city",))
    told = RequirementResult(
        requirement_terms(asked), "pass", Reason("no-regression-shown", tests=2, skipped=0), difference=0.0
    )
    release = _release(told)
    assert _drift(release, asked) == []
    for other in (
        replace(asked, margin=0.01),
        replace(asked, slices="all"),
        replace(asked, against="anchor"),
        replace(asked, test="non-inferiority", slices=None),
    ):
        assert [one.id for one in _drift(release, other)] == ["audit-policy-drift"]


def test_a_gap_by_one_column_says_nothing_of_another() -> None:
    gap = Requirement("demographic-parity-difference", max=0.1, by="sex")
    release = _release(_judged(gap, 0.05, 0.02, 0.08))
    assert _drift(release, gap) == []
    assert len(_drift(release, replace(gap, by="age"))) == 1


def test_what_was_reported_counts_where_no_threshold_was_judged() -> None:
    exact = _release(metrics=(MetricValue("latency-p95-ms", 2.0),))
    assert _drift(exact, Requirement("latency-p95-ms", max=2.0)) == []  # without an interval it may be on the limit
    assert len(_drift(exact, Requirement("latency-p95-ms", max=1.9))) == 1


def test_a_gate_that_did_not_change_is_not_asked_again() -> None:
    today = Requirement("auc", min=0.99)
    spec = _model(today).spec
    same = digest_json([encode(spec.gate), encode(spec.evaluate)])
    assert _drift(replace(PASSED, evidence=replace(PASSED.evidence, policy_digest=same)), today) == []
