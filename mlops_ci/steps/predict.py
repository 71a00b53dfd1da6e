"""`predict`: a model with code of its own answers rows without labels, in a job that has nothing worth stealing."""

from __future__ import annotations

from pathlib import Path

from mlops_ci import bundles, git, store
from mlops_ci.arrivals import COSTS, PREDICTIONS
from mlops_ci.codec import DecodeError, encode, read
from mlops_ci.digest import canonical_json
from mlops_ci.errors import Findings, UsageProblem
from mlops_ci.learn.measure import measure
from mlops_ci.learn.score import answered
from mlops_ci.outcomes.separated import FeaturesTask, PredictReport
from mlops_ci.plan import Outcome, Plan
from mlops_ci.project import Context
from mlops_ci.records import TrainingRun
from mlops_ci.rivals import packaged
from mlops_ci.writes import CopyOut


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
