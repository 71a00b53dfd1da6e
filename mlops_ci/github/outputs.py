"""What each verb's Action gives to the steps after it, as text; `verbs.py` says which outputs there are."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from mlops_ci.outcomes.gate import GateReport
from mlops_ci.outcomes.lifecycle import DeployReport, ReleaseReport


def outputs(record: Any) -> Mapping[str, str]:
    """Return a record's outputs by name; none for records that have none of their own."""
    writer = _WRITERS.get(type(record))
    return writer(record) if writer else {}


def _gate(report: GateReport) -> Mapping[str, str]:
    passed = [one.model for one in report.models if one.verdict == "pass"]
    return {"verdict": report.verdict, "passed": json.dumps(passed), "fits": str(report.fits)}


def _release(report: ReleaseReport) -> Mapping[str, str]:
    released = [one for one in report.models if one.state == "released"]
    return {"released": json.dumps([f"{one.model}@v{one.version}" for one in released])}


def _deploy(report: DeployReport) -> Mapping[str, str]:
    return {"state": report.state, "version": report.version, "branch": report.branch or ""}


_WRITERS: Mapping[type, Callable[[Any], Mapping[str, str]]] = {
    GateReport: _gate,
    ReleaseReport: _release,
    DeployReport: _deploy,
}
