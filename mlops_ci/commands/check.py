"""`check`: data quality, and a snapshot of the data."""

from __future__ import annotations

import difflib

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.errors import UsageProblem
from mlops_ci.core.plan import Outcome
from mlops_ci.core.records import DatasetSnapshot
from mlops_ci.core.results.gate import CheckReport
from mlops_ci.data.snapshot import take_snapshot
from mlops_ci.repository.context import Project


def check(project: Project, *, datasets: tuple[str, ...] = ()) -> Outcome[CheckReport]:
    """Read the datasets named, or all, and judge their checks.

    Raises UsageProblem for a dataset without a spec, Findings when data cannot be read at all.
    """
    context, known = project.context, project.specs.datasets
    for name in datasets:
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            raise UsageProblem.of(
                "dataset-unknown",
                f"there is no Dataset spec '{name}'",
                help=f"did you mean '{close[0]}'?" if close else f"the datasets are {', '.join(known) or 'none yet'}",
            )
    snapshots: list[DatasetSnapshot] = []
    findings: list[Diagnostic] = []
    for name in dict.fromkeys(datasets) or known:
        context.progress(f"checking {name}")
        record, found = take_snapshot(context.root, known[name], context.clock(), context.cache, project.reference)
        snapshots.append(record)
        findings.extend(found)
    return Outcome(CheckReport(tuple(snapshots)), tuple(findings))
