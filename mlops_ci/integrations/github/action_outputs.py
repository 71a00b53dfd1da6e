"""The outputs of each verb's Action as text; the verbs' rows declare them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlops_ci.core.digest import digest_file
from mlops_ci.core.results.doctor import DoctorReport
from mlops_ci.core.results.gate import GateReport
from mlops_ci.core.results.impact import AffectedReport, ProjectsReport
from mlops_ci.core.results.lifecycle import DeployReport, GcReport, ReleaseReport


def action_outputs(record: Any) -> Mapping[str, str]:
    """Return a record's own outputs by name; empty for records without any."""
    writer = _OUTPUTS_BY_REPORT.get(type(record))
    return writer(record) if writer else {}


def _affected_outputs(report: AffectedReport) -> Mapping[str, str]:
    names = [model.name for model in report.models]
    return {
        "models": json.dumps(names),
        "datasets": json.dumps([dataset.name for dataset in report.datasets]),
        "custom": json.dumps([model.name for model in report.models if model.custom]),
        "any": "true" if names else "false",
        "count": str(len(names)),
        "matrix": json.dumps([" ".join(batch) for batch in report.batches]),
    }


def _projects_outputs(report: ProjectsReport) -> Mapping[str, str]:
    entries = []
    for one in report.affected_projects:
        outputs = _affected_outputs(one.impact)
        names = {"name": one.name, "folder": one.folder, "environment": one.environment}
        handed = {"requirements": one.requirements, "key": one.key}
        entries.append({**names, **handed, **{name: outputs[name] for name in ("models", "matrix", "custom")}})
    return {
        "projects": json.dumps(entries),
        "folders": json.dumps([one.folder for one in report.projects]),
        "any": "true" if entries else "false",
        "count": str(len(entries)),
        "jobs": str(report.gate_jobs),
    }


def _doctor_outputs(report: DoctorReport) -> Mapping[str, str]:
    return {"problems": str(report.count("problem")), "advisory": str(report.count("advisory"))}


def _gate_outputs(report: GateReport) -> Mapping[str, str]:
    digest = digest_file(Path(report.bundle)) if report.bundle and Path(report.bundle).is_file() else ""
    passed = json.dumps([one.model for one in report.models if one.verdict == "pass"])
    return {"verdict": report.verdict, "passed": passed, "fits": str(report.fits), "digest": digest}


def _release_outputs(report: ReleaseReport) -> Mapping[str, str]:
    released = [one for one in report.models if one.state == "released"]
    return {
        "released": json.dumps([f"{one.model}@v{one.version}" for one in released]),
        "ungated": json.dumps([one.model for one in report.models if one.state == "ungated"]),
    }


def _deploy_outputs(report: DeployReport) -> Mapping[str, str]:
    return {"state": report.state, "version": report.version, "branch": report.branch or ""}


def _gc_outputs(report: GcReport) -> Mapping[str, str]:
    return {"removed": str(len(report.runs.removed)), "kept": str(sum(report.runs.kept.values()))}


_OUTPUTS_BY_REPORT: Mapping[type, Callable[[Any], Mapping[str, str]]] = {
    AffectedReport: _affected_outputs,
    ProjectsReport: _projects_outputs,
    DoctorReport: _doctor_outputs,
    GateReport: _gate_outputs,
    ReleaseReport: _release_outputs,
    DeployReport: _deploy_outputs,
    GcReport: _gc_outputs,
}
