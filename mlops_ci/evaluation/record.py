"""The comparison of one model as a record, the run that stores it, and a finding for each requirement that does not hold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mlops_ci.core.choices import Trust
from mlops_ci.core.codec import encode
from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.digest import canonical_json
from mlops_ci.core.plan import Plan
from mlops_ci.core.planned_writes import FileContent
from mlops_ci.core.records.comparison import ComparedRelease, Comparison, MetricValue, PositiveClass
from mlops_ci.core.records.training_run import TrainingRun
from mlops_ci.evaluation.baselines import Baseline
from mlops_ci.evaluation.candidates.candidate import Candidate
from mlops_ci.evaluation.evaluation_task import EvaluationTask
from mlops_ci.evaluation.holdout.budget import without_question_number
from mlops_ci.evaluation.verdict.alignment import NoBaseline
from mlops_ci.evaluation.verdict.compare import CandidateJudgement
from mlops_ci.registry import run_store
from mlops_ci.reports.markdown import run_report
from mlops_ci.reports.requirements import reason_text, requirement_label
from mlops_ci.spec.positive_class import positive_class


def comparison_record(task: EvaluationTask, found: CandidateJudgement, key: str, trust: Trust) -> Comparison:
    """Return the record of an evaluation; `key` identifies it, and `trust` describes the job that evaluated."""
    candidate, run, baselines = task.candidate, task.trained.run, task.baselines
    return Comparison(
        key=key,
        model=run.model,
        run=run.key,
        model_digest=run.model_digest,
        champion_state=found.champion_state,
        holdout_digest=candidate.sides.split.holdout_digest,
        holdout_rows=candidate.sides.split.holdout_rows,
        policy_digest=candidate.policy_digest,
        confidence=task.gate.confidence,
        metrics=found.metrics,
        requirements=found.requirements,
        verdict=found.verdict,
        sentence=found.sentence,
        champion=_compared_release(
            baselines["champion"], found.champion_metrics, found.excluded_rows.get("champion", 0)
        ),
        anchor=_compared_release(baselines["anchor"], found.anchor_metrics, found.excluded_rows.get("anchor", 0)),
        occasion=task.change_kind,
        rules_source=candidate.rules.base,
        trust=trust,
        positive=_positive_class(candidate, run),
        project=candidate.snapshot.project,
    )


def _positive_class(candidate: Candidate, run: TrainingRun) -> PositiveClass | None:
    if run.task != "binary-classification":
        return None
    named = candidate.rules.positive
    label = positive_class(run.signature.classes, named)
    return None if label is None else PositiveClass(label, named is not None)


def _compared_release(
    baseline: Baseline | NoBaseline, metrics: tuple[MetricValue, ...], excluded: int
) -> ComparedRelease | None:
    if isinstance(baseline, NoBaseline):
        return None
    release = baseline.release
    return ComparedRelease(
        baseline.event.version, release.run_key, release.model_digest, baseline.event.ref.oid, metrics, excluded
    )


def evaluation_records(task: EvaluationTask, comparison: Comparison) -> Mapping[str, FileContent]:
    """Return the files, by path, that a run stores about an evaluation beside `comparison.json` and the model's files."""
    run, snapshot = task.trained.run, task.candidate.snapshot
    values = {item.metric: item.value for item in comparison.metrics if not item.slice}
    return {
        "run.json": canonical_json(encode(run)).encode(),
        "snapshot.json": canonical_json(encode(snapshot)).encode(),
        "metrics.json": canonical_json(values).encode(),
        "report.md": run_report(run, snapshot, without_question_number(comparison)).encode(),
        "log.txt": task.trained.log,
    }


def plan_gate_run(
    comparison: Comparison,
    run: TrainingRun,
    records: Mapping[str, FileContent],
    folder: Path,
    store: run_store.StoreTarget,
) -> Plan:
    """Return the plan of the run that stores a comparison.

    `records` are the run's other files, by path; the model's files are in `folder`. The stored comparison has no number
    in the holdout ledger, because a concurrent evaluation may still take that number.
    """
    stored = canonical_json(encode(without_question_number(comparison))).encode()
    title = f"{comparison.model}: gate {comparison.verdict} ({comparison.key})"
    ref = run_store.run_ref(comparison.model, comparison.key)
    return run_store.plan_store(ref, title, {**records, "comparison.json": stored}, run.files, folder, store)


def requirement_findings(candidate: Candidate, comparison: Comparison) -> tuple[Diagnostic, ...]:
    """Return a finding for each requirement that does not hold, located in the model's spec."""
    # requirements of another commit have no line in this spec
    requirements = candidate.rules.gate.requirements if candidate.rules.base is None else ()
    findings = []
    for index, item in enumerate(comparison.requirements):
        if item.verdict in ("pass", "not-applicable"):
            continue
        place = ("spec", "gate", "requirements", index, "metric") if requirements else ("spec",)
        failed = item.verdict == "fail"
        findings.append(
            Diagnostic(
                "gate-failed" if failed else "gate-inconclusive",
                f"{candidate.model.name}: {requirement_label(item)}: {reason_text(item)}",
                candidate.model.locate(*place),
                None
                if failed
                else "add labelled rows, or improve the model, until the requirement has a clear result; the model can be promoted"
                " only then",
                "error" if failed else "warning",
            )
        )
    if not findings and comparison.verdict == "inconclusive":
        message = f"{candidate.model.name}: {comparison.sentence}"
        findings.append(
            Diagnostic(
                "gate-inconclusive", message, candidate.model.locate("spec", "gate", key=True), severity="warning"
            )
        )
    return tuple(findings)
