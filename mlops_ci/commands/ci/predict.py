"""`ci predict`: a model with its own code predicts rows without labels, in a job without secrets."""

from __future__ import annotations

from pathlib import Path

from mlops_ci.core.codec import DecodeError, decode_json, encode
from mlops_ci.core.digest import canonical_json
from mlops_ci.core.errors import Findings, UsageProblem
from mlops_ci.core.plan import Outcome, Plan
from mlops_ci.core.planned_writes import ExportFile
from mlops_ci.core.records.training_run import TrainingRun
from mlops_ci.core.results.ci_jobs import FeaturesTask, PredictReport
from mlops_ci.core.verbs import Option, Verb
from mlops_ci.evaluation.baselines import packaged_model
from mlops_ci.evaluation.external_runs import COSTS_SUFFIX, PREDICTIONS_SUFFIX
from mlops_ci.registry import run_store, run_transfer
from mlops_ci.repository import git
from mlops_ci.repository.context import Context
from mlops_ci.repository.object_writer import bundle_object_format
from mlops_ci.training.inference.cost import measure_costs
from mlops_ci.training.inference.scoring import predict_to_file

SPEC = Verb(
    "predict",
    "Predict holdout rows in a job that has no labels.",
    (
        Option("run", "The file that `train --out` wrote for the model.", kind="path", required=True, metavar="FILE"),
        Option("features", "The folder that `ci features` wrote.", kind="path", required=True, metavar="DIR"),
        Option("out", "The folder to write the predictions to.", kind="path", required=True, metavar="DIR"),
    ),
    needs="nothing",
    writes=True,
    surfaces=("cli", "action"),
    icon="eye",
    group="ci",
)


def predict(context: Context, *, run: str, features: str, out: str) -> Outcome[PredictReport]:
    """Plan a file in the folder `out` with the predictions of the model in the bundle `run` for its rows in `features`.

    Raises UsageProblem when a file is missing, and Findings when the model cannot be used or fails.
    """
    (context.scratch / "arrived").mkdir()
    bundle = context.start_folder / run
    repo = git.create_repository(context.scratch / "arrived", bundle_object_format(bundle))
    (stored, *more) = run_transfer.read_bundle(repo, bundle)
    if more:
        raise Findings.of(
            "bundle-invalid", f"{run} contains runs of several models", help="train one model in each job"
        )
    name = run_transfer.run_model_name(stored)
    folder = context.start_folder / features
    task = _read_task(folder / f"{name}.json")
    rows = folder / f"{name}.parquet"
    record = run_store.read_record(repo, stored, "run.json", TrainingRun)
    package = context.scratch / "package"
    run_store.write_model_files(repo, stored, record.files, package)
    model = packaged_model(name, record, package)
    predictions = predict_to_file(model, rows, rows=task.rows, scratch=context.scratch)
    (costs,) = measure_costs([model], rows, task.metrics, scratch=context.scratch)
    costs_file = context.scratch / "costs.json"
    costs_file.write_text(canonical_json(encode(costs)), encoding="utf-8")
    into = context.start_folder / out
    plan = Plan(
        (
            ExportFile(into / f"{name}{PREDICTIONS_SUFFIX}", predictions),
            ExportFile(into / f"{name}{COSTS_SUFFIX}", costs_file),
        )
    )
    return Outcome(PredictReport(name, task.rows, task.metrics), costs.diagnostics, plan)


def _read_task(file: Path) -> FeaturesTask:
    try:
        return decode_json(FeaturesTask, file.read_bytes())
    except (OSError, DecodeError) as error:
        raise UsageProblem.of(
            "features-missing",
            f"{file.name} is missing, or does not describe the rows that the model has to predict",
            help="`mlops-ci ci features MODEL --out DIR` writes the file, together with the rows",
        ) from error
