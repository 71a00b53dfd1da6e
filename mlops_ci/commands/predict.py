"""`predict`: a model with code of its own answers rows without labels, in a job that has nothing worth stealing."""

from __future__ import annotations

from pathlib import Path

from mlops_ci.core.codec import DecodeError, encode, read
from mlops_ci.core.digest import canonical_json
from mlops_ci.core.errors import Findings, UsageProblem
from mlops_ci.core.plan import Outcome, Plan
from mlops_ci.core.planned_writes import CopyOut
from mlops_ci.core.records import TrainingRun
from mlops_ci.core.results.ci_jobs import FeaturesTask, PredictReport
from mlops_ci.evaluation.baselines import packaged
from mlops_ci.evaluation.external_runs import COSTS, PREDICTIONS
from mlops_ci.registry import run_store as store
from mlops_ci.registry import run_transfer as bundles
from mlops_ci.repository import git
from mlops_ci.repository.context import Context
from mlops_ci.training.inference.cost import measure
from mlops_ci.training.inference.scoring import answered


def predict(context: Context, *, run: str, features: str, out: str) -> Outcome[PredictReport]:
    """Plan the answers of the model in the bundle `run` for its rows in the folder `features`, in the folder `out`.

    Raises UsageProblem when a file is not there, Findings when the model cannot be used or fails.
    """
    (context.scratch / "arrived").mkdir()
    repo = git.create(context.scratch / "arrived")
    (stored, *more) = bundles.taken(repo, context.here / run)
    if more:
        raise Findings.of("bundle-invalid", f"{run} holds runs of several models", help="train one model a job")
    name = bundles.model_of(stored)
    folder = context.here / features
    task = _task(folder / f"{name}.json")
    rows = folder / f"{name}.parquet"
    record = store.read_record(repo, stored, "run.json", TrainingRun)
    package = context.scratch / "package"
    store.materialise(repo, stored, record.files, package)
    model = packaged(name, record, record.files, record.trusted, package)
    predictions = answered(model, rows, rows=task.rows, scratch=context.scratch)
    (costs,) = measure([model], rows, task.metrics, scratch=context.scratch)
    told = context.scratch / "costs.json"
    told.write_text(canonical_json(encode(costs)), encoding="utf-8")
    into = context.here / out
    plan = Plan((CopyOut(into / f"{name}{PREDICTIONS}", predictions), CopyOut(into / f"{name}{COSTS}", told)))
    return Outcome(PredictReport(name, task.rows, task.metrics), costs.diagnostics, plan)


def _task(file: Path) -> FeaturesTask:
    try:
        return read(FeaturesTask, file.read_bytes())
    except (OSError, DecodeError) as error:
        raise UsageProblem.of(
            "features-missing",
            f"{file.name} does not say what the model is asked",
            help="`mlops-ci features MODEL --out DIR` writes it, with the rows beside it",
        ) from error
