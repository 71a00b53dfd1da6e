"""The command that usually comes next, for the end of a report on a terminal. The module imports little, for quick queries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def next_step(record: Any) -> str | None:
    """Return what to do after a command that succeeded with this record; None where its report says so, or nothing follows."""
    find = _STEPS.get(type(record).__name__)
    return find(record) if find else None


def _after_gate(record: Any) -> str | None:
    if record.verdict == "inconclusive":
        return "mlops-ci gate --power (how small a difference the holdout can show)"
    if record.verdict != "pass":
        return None
    if all(one.comparison is not None and one.comparison.champion_state == "same" for one in record.models):
        return f"mlops-ci show {record.models[0].model}"  # there is nothing to release: each is the champion already
    return "commit and merge, then mlops-ci release"


def _after_release(record: Any) -> str | None:
    released = [one for one in record.models if one.version]
    if not released:
        return None
    return (
        f"mlops-ci deploy {released[0].model}@v{released[0].version} --env {released[0].environment or 'ENVIRONMENT'}"
    )


def _after_deploy(record: Any) -> str | None:
    return None if record.state == "requested" else f"mlops-ci show {record.model}"


def _after_show(record: Any) -> str | None:
    if not record.models or record.at:
        return None
    model = record.models[0].model
    return f"mlops-ci history {model}" if record.running else f"mlops-ci show {model}"


def _after_history(record: Any) -> str | None:
    return f"mlops-ci show {record.events[0].model}" if record.events else None


def _after_runs(record: Any) -> str | None:
    # the newest run, seen from the one before it; the reports list the newest first
    several = [one for one in record.models if len(one.runs) > 1]
    if not several:
        return None
    older, newest = (f"{several[0].model}@{run.key[:12]}" for run in (several[0].runs[1], several[0].runs[0]))
    return f"mlops-ci diff {older} {newest}"


_STEPS: Mapping[str, Callable[[Any], str | None]] = {
    "ValidateReport": lambda _: "mlops-ci check",
    "CheckReport": lambda _: "mlops-ci gate",
    "TrainReport": lambda _: "mlops-ci compare",
    "CompareReport": lambda _: "mlops-ci gate",
    "GateReport": _after_gate,
    "ReleaseReport": _after_release,
    "DeployReport": _after_deploy,
    "RetireReport": _after_deploy,
    "ShowReport": _after_show,
    "HistoryReport": _after_history,
    "RunsReport": _after_runs,
    "FetchReport": lambda record: f"mlops-ci reproduce {record.model}@v{record.version}",
    "ReproduceReport": lambda _: "mlops-ci audit",
}
