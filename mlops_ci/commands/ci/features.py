"""`ci features`: writes holdout rows without labels, for the job in which models with their own code predict."""

from __future__ import annotations

import tempfile
from pathlib import Path

from mlops_ci.core.codec import encode
from mlops_ci.core.digest import canonical_json
from mlops_ci.core.plan import Outcome, Plan
from mlops_ci.core.planned_writes import ExportFile, PlannedWrite
from mlops_ci.core.results.ci_jobs import FeaturesReport, FeaturesTask
from mlops_ci.core.verbs import BASE_OPTION, MODELS_OPTION, Option, Verb
from mlops_ci.data.split import SplitSource, write_split_files
from mlops_ci.evaluation.base_branch_rules import find_base
from mlops_ci.evaluation.candidates.candidate import Candidate
from mlops_ci.evaluation.evaluate import operational_metrics
from mlops_ci.evaluation.external_runs import runs_untrusted_code
from mlops_ci.evaluation.holdout.sealed import open_candidate
from mlops_ci.repository.context import Project
from mlops_ci.repository.lookup import select_models
from mlops_ci.training.golden import external_golden_rows, make_golden_rows
from mlops_ci.training.inference.cost import RUNTIME_METRICS

SPEC = Verb(
    "features",
    "Write holdout rows without labels, for `ci predict`.",
    (
        MODELS_OPTION,
        Option("out", "The folder to write to.", kind="path", required=True, metavar="DIR"),
        BASE_OPTION,
    ),
    writes=True,
    surfaces=("cli", "action"),
    icon="grid",
    details="Only for models that run the repository's own code, trust additional types, or are of XGBoost or LightGBM. The job that evaluates loads all other models itself; this executes no code of the repository.",
    group="ci",
    asks=True,
    judges=True,
)

ROWS_SUFFIX, TASK_SUFFIX = ".parquet", ".json"


def features(
    project: Project, *, models: tuple[str, ...] = (), out: str, base: str | None = None
) -> Outcome[FeaturesReport]:
    """Plan, for each named model (or all) that runs its own code, a file of rows and a file of the task in the folder `out`.

    The rows are the inputs of the holdout rows, followed by those of the golden rows, which are training rows. Raises
    Findings when the checks refuse the data, as `gate` does.
    """
    base_branch = find_base(project, base)
    folder = project.context.start_folder / out
    writes: list[PlannedWrite] = []
    tasks = []
    for name in select_models(project, models):
        with open_candidate(project, name, base_branch, hands_over=True) as candidate:
            if not runs_untrusted_code(candidate):
                continue
            scratch = Path(tempfile.mkdtemp(dir=project.context.scratch))
            rows = _write_rows(project, candidate, scratch)
        metrics = tuple(metric for metric in RUNTIME_METRICS if metric in operational_metrics(candidate))
        task = FeaturesTask(name, rows, metrics)
        tasks.append(task)
        task_file = scratch / "task.json"
        task_file.write_text(canonical_json(encode(task)), encoding="utf-8")
        writes += [
            ExportFile(folder / f"{name}{ROWS_SUFFIX}", scratch / "rows.parquet"),
            ExportFile(folder / f"{name}{TASK_SUFFIX}", task_file),
        ]
    return Outcome(FeaturesReport(tuple(tasks)), plan=Plan(tuple(writes)))


def _write_rows(project: Project, candidate: Candidate, scratch: Path) -> int:
    """Write the rows that the model has to predict, and return their number."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    spec, context = candidate.model.spec, project.context
    source = SplitSource(context.root, candidate.dataset_by_rules, candidate.snapshot.files, candidate.sealed_holdout)
    sides = write_split_files(source, spec.features, spec.target, scratch, order=spec.features)
    made = make_golden_rows(sides.train, candidate.inputs, candidate.golden, candidate.dataset.spec.columns)
    golden = external_golden_rows(made, candidate.golden).table
    with pq.ParquetFile(sides.holdout) as file:
        names = list(spec.features)
        holdout = file.read(names).select(names).replace_schema_metadata(None)
    for rows in (sides.train, sides.holdout):
        rows.unlink()
    table = pa.concat_tables([holdout, golden.select(list(spec.features))])
    pq.write_table(table, scratch / "rows.parquet")
    return int(table.num_rows)
