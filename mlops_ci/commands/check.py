"""`check`: data quality, and a snapshot of the data."""

from __future__ import annotations

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.errors import Findings, UsageProblem
from mlops_ci.core.plan import Outcome
from mlops_ci.core.records.training_run import DatasetSnapshot
from mlops_ci.core.results.gate import CheckReport
from mlops_ci.core.suggestions import suggest
from mlops_ci.core.verbs import ALL_SURFACES, DATASETS_OPTION, Verb
from mlops_ci.data.snapshot import take_snapshot
from mlops_ci.evaluation.candidates.left_out import require_data_files
from mlops_ci.repository.context import Project

SPEC = Verb(
    "check",
    "Check data quality and write a snapshot of the data.",
    (DATASETS_OPTION,),
    surfaces=ALL_SURFACES,
    icon="database",
)


def check(project: Project, *, datasets: tuple[str, ...] = ()) -> Outcome[CheckReport]:
    """Read the named datasets, or all of them, and evaluate their checks.

    A dataset that cannot be read gives findings, and no snapshot. Raises UsageProblem for a dataset without a spec.
    """
    context, known = project.context, project.specs.datasets
    for name in datasets:
        if name not in known:
            raise UsageProblem.of(
                "dataset-unknown",
                f"there is no Dataset spec named '{name}'",
                help=suggest(name, known, otherwise="the datasets are") or "this project has no Dataset spec yet",
            )
    snapshots: list[DatasetSnapshot] = []
    findings: list[Diagnostic] = []
    for name in dict.fromkeys(datasets) or known:
        context.progress(f"checking {name}")
        require_data_files(project, known[name])
        try:
            record, found = take_snapshot(context.root, known[name], context.clock(), context.cache, project.reference)
        except Findings as error:
            findings.extend(error.diagnostics)  # the other datasets are checked all the same
            continue
        snapshots.append(record)
        findings.extend(found)
    return Outcome(CheckReport(tuple(snapshots)), tuple(findings))
