"""Records as plain text for a terminal or a CI log. A table maps the name of each type of record to its function.

The functions are imported when they are needed: to import all of them takes a quarter of the time of a small check.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from mlops_ci.reports import formatting


def render_text(record: Any) -> str:
    """Return a step's record as text; an empty string for a type of record without a text form."""
    return formatting.escape_log_lines("\n".join(report_pieces(record)))


def report_pieces(record: Any, *, every_requirement: bool = False) -> list[str]:
    """Return a step's record as lines and tables, which `page.lay_out` puts on a page; none for a record without a text form.

    Requirements that do not apply are in no table, unless `every_requirement` is set.
    """
    kind = type(record).__name__
    if kind not in _WRITERS:
        return []
    module, function = _WRITERS[kind].split(".")
    write = getattr(import_module(f"mlops_ci.reports.{module}"), function)
    options = {"every_requirement": True} if every_requirement and kind in ("CompareReport", "GateReport") else {}
    return list(write(record, **options))


# a module of this room, and its function
_WRITERS: Mapping[str, str] = {
    "AffectedReport": "impact.impact_lines",
    "ProjectsReport": "impact.projects_lines",
    "AuditReport": "queries.audit_lines",
    "ValidateReport": "gate.validate_lines",
    "CheckReport": "gate.check_lines",
    "TrainReport": "gate.train_lines",
    "CompareReport": "gate.compare_lines",
    "GateReport": "gate.gate_lines",
    "FeaturesReport": "ci_jobs.features_lines",
    "PredictReport": "ci_jobs.predict_lines",
    "KeepReport": "ci_jobs.keep_lines",
    "ReleaseReport": "lifecycle.release_lines",
    "ApproveReport": "lifecycle.approve_lines",
    "DeployReport": "lifecycle.deploy_lines",
    "RetireReport": "lifecycle.retire_lines",
    "ShowReport": "registry.show_lines",
    "HistoryReport": "registry.history_lines",
    "RunsReport": "queries.runs_lines",
    "DiffReport": "queries.diff_lines",
    "DoctorReport": "doctor.doctor_lines",
    "PluginsReport": "plugins.plugins_lines",
    "SignersReport": "signers.signers_lines",
    "FetchReport": "lifecycle.fetch_lines",
    "TablePredictionsReport": "lifecycle.table_predictions_lines",
    "ReproduceReport": "queries.reproduce_lines",
    "GcReport": "lifecycle.gc_lines",
    "NotificationReport": "lifecycle.notify_lines",
    "PowerReport": "power.power_lines",
    "SelftestReport": "simulation.simulation_lines",
    "InitReport": "lifecycle.init_lines",
}
