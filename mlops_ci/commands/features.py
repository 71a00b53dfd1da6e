"""`features`: the held-out rows of models with code of their own, without labels, for the job that lets them predict."""

from __future__ import annotations

import tempfile
from pathlib import Path

from mlops_ci.core.codec import encode
from mlops_ci.core.diagnostics import has_errors
from mlops_ci.core.digest import canonical_json
from mlops_ci.core.errors import Findings
from mlops_ci.core.plan import Outcome, Plan
from mlops_ci.core.planned_writes import CopyOut, Write
from mlops_ci.core.results.ci_jobs import FeaturesReport, FeaturesTask
from mlops_ci.data.split import materialise
from mlops_ci.evaluation.base_branch_rules import base_of
from mlops_ci.evaluation.candidates.candidate import Candidate, chosen, identify, read_data
from mlops_ci.evaluation.evaluate import costs_asked
from mlops_ci.evaluation.external_runs import own_code
from mlops_ci.evaluation.holdout.sealed import opened
from mlops_ci.repository.context import Project
from mlops_ci.training.fit import golden_rows
from mlops_ci.training.inference.cost import BY_RUNNING

ROWS, TASK = ".parquet", ".json"


def features(
    project: Project, *, models: tuple[str, ...] = (), out: str, base: str | None = None
) -> Outcome[FeaturesReport]:
    """Plan a file of rows and one of what is asked, in the folder `out`, for each model named (or all) that has code of its own.

    The rows are the inputs of the held-out rows, and behind them those of the golden rows, which the model has learned from.
    Raises Findings when the data are refused, as `gate` does.
    """
    judge = base_of(project, base)
    folder = project.context.here / out
    writes: list[Write] = []
    tasks = []
    for name in chosen(project, models):
        data, findings = read_data(project, name)
        if has_errors(findings):
            raise Findings(findings)
        with opened(project, identify(project, name, data, base=judge)) as candidate:
            if not own_code(candidate):
                continue
            scratch = Path(tempfile.mkdtemp(dir=project.context.scratch))
            rows = _rows(project, candidate, scratch)
        metrics = tuple(metric for metric in BY_RUNNING if metric in costs_asked(candidate))
        task = FeaturesTask(name, rows, metrics)
        tasks.append(task)
        described = scratch / "task.json"
        described.write_text(canonical_json(encode(task)), encoding="utf-8")
        writes += [
            CopyOut(folder / f"{name}{ROWS}", scratch / "rows.parquet"),
            CopyOut(folder / f"{name}{TASK}", described),
        ]
    return Outcome(FeaturesReport(tuple(tasks)), plan=Plan(tuple(writes)))


def _rows(project: Project, candidate: Candidate, scratch: Path) -> int:
    """Write the rows that a model is to answer, and return how many."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    spec, context = candidate.model.spec, project.context
    sides = materialise(
        context.root,
        candidate.dataset,
        candidate.snapshot.files,
        spec.features,
        spec.target,
        scratch,
        held=candidate.held,
        order=spec.features,
    )
    golden = golden_rows(sides.train, candidate.inputs)
    held_out = pq.read_table(sides.holdout, columns=list(spec.features)).replace_schema_metadata(None)
    for rows in (sides.train, sides.holdout):
        rows.unlink()
    table = pa.concat_tables([held_out, golden.select(list(spec.features))])
    pq.write_table(table, scratch / "rows.parquet")
    return int(table.num_rows)
