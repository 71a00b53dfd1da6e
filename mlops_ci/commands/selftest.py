"""`selftest`: measures the gate's error rates by simulation, with the same code that evaluates real models."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.errors import Findings, UsageProblem
from mlops_ci.core.plan import Outcome
from mlops_ci.core.records.training_run import TrainingRun
from mlops_ci.core.results.simulation import ClaimMeasurement, SelftestReport
from mlops_ci.core.verbs import Option, Verb
from mlops_ci.evaluation.baselines import Baseline, load_baseline
from mlops_ci.evaluation.candidates.candidate import Candidate, identify_candidate, require_data
from mlops_ci.evaluation.candidates.opponents import find_champion
from mlops_ci.evaluation.candidates.training import require_stored_run
from mlops_ci.evaluation.evaluate import paired_predictions
from mlops_ci.evaluation.holdout.sealed import open_holdout
from mlops_ci.evaluation.simulation import own_holdout
from mlops_ci.evaluation.simulation.claims import ALPHA, QUESTION_BUDGET
from mlops_ci.evaluation.simulation.runner import measure_claims
from mlops_ci.governance.verified_registry import verify_project
from mlops_ci.registry.events import version_key
from mlops_ci.repository.context import Context, Project
from mlops_ci.repository.lookup import select_models
from mlops_ci.repository.sparse import whole_spec_folder
from mlops_ci.spec.load import find_root, load_specs

SPEC = Verb(
    "selftest",
    "Measure the gate's error rates by simulation.",
    (
        Option(
            "model",
            "A trained model, which is compared with its champion on its own holdout; without MODEL, simulated populations are used.",
            positional=True,
            metavar="MODEL",
        ),
        Option("trials", "Simulated holdouts for each claim; 500 by default.", kind="count", default=500, metavar="N"),
        Option(
            "jobs",
            "Parallel processes; by default one for each core.",
            kind="count",
            metavar="N",
        ),
    ),
    needs="nothing",
    formats=("text", "json", "github", "markdown"),
    details="Runs the same code that evaluates real models. Measures how often a model that equals the champion is promoted"
    " by mistake, a better model is promoted (power), a model that is worse by the margin passes non-inferiority, and slices block a model"
    " by mistake; also by how much a champion is overstated after 50 pull requests on one holdout. For each claim, it also measures a simple"
    " comparison of two numbers on the same holdouts. Seeds are fixed. Exit code 1 if a claim does not hold.",
)


def selftest(
    context: Context, *, model: str | None = None, trials: int = 500, jobs: int | None = None
) -> Outcome[SelftestReport]:
    """Return the measurement of each claim; a claim that fails by more than two standard errors is an error.

    With `model`, the measurement uses that model's own holdout: the trained candidate against the champion or, if the
    candidate is the champion itself, against another release. The same number of trials gives the same numbers, whatever
    the number of processes. Raises UsageProblem outside a project, and Findings if there are no two models to compare.
    """
    if model is None:
        measured = measure_claims(trials, jobs or -1, context.progress)
        report = SelftestReport(trials, ALPHA, QUESTION_BUDGET, measured)
    else:
        project = _require_project(context)
        candidate, pair = _score_pair(project, model)
        gate = candidate.rules.gate
        metrics = tuple(dict.fromkeys(one.metric for one in candidate.requirements if one.test is not None))
        measured = own_holdout.measure_model_pair(pair, metrics, gate, trials, jobs or -1, context.progress)
        report = SelftestReport(trials, round(1 - gate.confidence, 12), QUESTION_BUDGET, measured, model)
    return Outcome(report, tuple(_claim_finding(one) for one in measured if not one.is_met))


def _require_project(context: Context) -> Project:
    root = find_root(context.start_folder)
    whole = whole_spec_folder(context.repo, root, context.scratch) if root else None
    specs, diagnostics = load_specs(whole) if whole else (None, ())
    if root is None or specs is None:
        raise UsageProblem(
            diagnostics
            or (
                Diagnostic(
                    "project-not-found",
                    f"no mlops.yaml in {context.start_folder} or any folder above it, so there is no model to test",
                    help="go to the folder of your project (-C DIR), or leave out MODEL to simulate populations",
                ),
            )
        )
    return Project(specs, replace(context, root=root, whole_specs=whole))


def _score_pair(project: Project, name: str) -> tuple[Candidate, own_holdout.ModelPair]:
    (name,) = select_models(project, (name,))
    candidate, context = identify_candidate(project, name, require_data(project, name)), project.context
    trained = require_stored_run(project, candidate)
    scratch = Path(tempfile.mkdtemp(dir=context.scratch))
    baseline = _find_baseline(project, candidate, trained.run, scratch)
    context.progress(f"scoring {name} and {baseline.event.ref.name}")
    with open_holdout(project, candidate) as holdout:
        truth, models = paired_predictions(context.root, holdout, trained, baseline, scratch)
    return candidate, own_holdout.ModelPair((name, baseline.event.ref.name), truth, models)


def _find_baseline(project: Project, candidate: Candidate, run: TrainingRun, scratch: Path) -> Baseline:
    """Return the champion or, if the candidate is the champion, the newest other release that can be scored today."""
    name = candidate.model.name
    context, environment = project.context, project.specs.project.spec.champion_environment
    known = verify_project(project, name).state.model(name)
    champion = find_champion(known, environment, offline=context.offline)
    others = known.releases
    newest = sorted(others.values(), key=lambda event: version_key(event.version), reverse=True)
    why = "it has no release yet"
    for event in dict.fromkeys((*([champion] if champion else []), *newest)):
        found = load_baseline(project, candidate, run, event, "champion", scratch / event.version)
        if isinstance(found, Baseline) and found.model is not None:
            return found
        why = f"{event.ref.name} is the same model" if isinstance(found, Baseline) else found.reason
    raise Findings.of(
        "selftest-alone",
        f"there is no second model to compare '{name}' with: {why}",
        location=candidate.model.locate("metadata", "name"),
        help="change the model and train it (mlops-ci train), or release it first; or leave out MODEL to simulate populations",
    )


def _claim_finding(one: ClaimMeasurement) -> Diagnostic:
    bound = f"{'at least' if one.at_least else 'at most'} {one.limit:g}" if one.limit is not None else "anything"
    return Diagnostic(
        "selftest-exceeded",
        f"{one.claim} of {one.metric} on {one.rows:,} rows ({one.setting}) is {one.value:.4f} +- {one.error:.4f},"
        f" but it must be {bound}",
        help="run it again with more --trials; if the value is still outside the limit, the gate does not keep its claim: please"
        " report it, with the versions of numpy and scipy",
    )
