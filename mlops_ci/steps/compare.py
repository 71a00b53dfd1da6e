"""`compare`: candidate and champion, scored on the same held-out rows of today's data, and the gate's verdict on them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlops_ci import store
from mlops_ci.asking import ask, counted, published
from mlops_ci.assignment import needed_repository
from mlops_ci.candidate import Candidate, champion_of, chosen, identify, read_data, sliced
from mlops_ci.codec import encode
from mlops_ci.data.split import materialise
from mlops_ci.diagnostics import Diagnostic, has_errors
from mlops_ci.digest import canonical_json
from mlops_ci.errors import EnvironmentProblem, Exit, Findings
from mlops_ci.events import Event
from mlops_ci.holdout import opened, put_away
from mlops_ci.learn.bootstrap import seed_of
from mlops_ci.learn.compare import Contestant, Judgement
from mlops_ci.learn.compare import compare as judge_models
from mlops_ci.learn.estimator import import_folders
from mlops_ci.learn.frame import incompatible_inputs
from mlops_ci.learn.metrics import default_requirements
from mlops_ci.learn.score import Packaged, missing_inputs, score
from mlops_ci.outcomes.gate import CompareReport
from mlops_ci.plan import Outcome, Plan
from mlops_ci.project import Project
from mlops_ci.records import Champion, Comparison, FileDigest, Release, TrainingRun
from mlops_ci.reports.markdown import run_report
from mlops_ci.spec.kinds import Gate, ModelSpec
from mlops_ci.spec.metrics import METRICS
from mlops_ci.writes import AppendLedger, Content


@dataclass(frozen=True)
class Compared:
    """The gate's answer and the run that holds it; `plan` stores it where it is new, `questions` count it where that is due."""

    comparison: Comparison
    ref: str
    diagnostics: tuple[Diagnostic, ...] = ()
    plan: Plan = Plan()
    questions: tuple[AppendLedger, ...] = ()


def compare(project: Project, *, models: tuple[str, ...] = ()) -> Outcome[CompareReport]:
    """Judge the trained candidates of the models named, or all.

    Raises UsageProblem for a model without a spec, Findings when its data are refused or it has not been trained.
    """
    needed_repository(project)
    context = project.context
    answers: list[Compared] = []
    of_data: list[Diagnostic] = []
    for name in chosen(project, models):
        data, findings = read_data(project, name)
        if has_errors(findings):
            raise Findings(findings)
        candidate = identify(project, name, data)
        stored = store.find(context.repo, store.run_ref(name, candidate.key))
        if stored is None or context.repo is None:
            raise Findings.of(
                "run-missing",
                f"'{name}' as it is now has not been trained",
                help=f"mlops-ci train {name} (or mlops-ci gate {name})",
            )
        run = store.read_record(context.repo, stored, "run.json", TrainingRun)
        folder = Path(tempfile.mkdtemp(dir=context.scratch))
        store.materialise(context.repo, stored, run.files, folder)
        waiting = [question for answer in answers for question in answer.questions]
        log = context.repo.read(stored.files["log.txt"]) or b""
        with opened(project, candidate) as candidate:
            of_data.extend(candidate.findings)
            answers.append(compare_candidate(project, candidate, run, folder, log, waiting))
    found = (*dict.fromkeys(of_data), *(item for answer in answers for item in answer.diagnostics))
    writes = tuple(write for answer in answers for write in answer.plan.writes)
    questions = [question for answer in answers for question in answer.questions]
    report = CompareReport(tuple(answer.comparison for answer in answers))
    plan = published(project, Plan(writes), questions)
    return Outcome(report, found, plan, exit_code(project, report.comparisons))


def compare_candidate(
    project: Project,
    candidate: Candidate,
    run: TrainingRun,
    folder: Path,
    log: bytes,
    waiting: Sequence[AppendLedger] = (),
) -> Compared:
    """Return the stored answer for this candidate, champion, holdout and policy; or score and judge.

    `folder` holds the candidate's packaged files; `waiting` are questions of the same command that are not counted yet.
    Raises as `asking.ask` does, before anything is scored.
    """
    name, repo = candidate.model.name, project.context.repo
    champion = champion_of(project, name)
    key = candidate.comparison_key(champion)
    ref = store.run_ref(name, key)
    asked = ask(project, candidate, run, waiting)
    questions = counted(project, candidate, run, asked)
    stored = store.find(repo, ref)
    if stored is not None and repo is not None:
        comparison = store.read_record(repo, stored, "comparison.json", Comparison)
        return Compared(comparison, ref, (*asked.diagnostics, *judged(candidate, comparison)), questions=questions)
    project.context.progress(f"comparing {name} on {candidate.sides.split.holdout_rows:,} held-out rows")
    judgement = _judge(project, candidate, run, folder, champion, asked.gate)
    comparison = _record(candidate, run, key, champion, judgement, asked.gate.confidence)
    records: dict[str, Content] = {
        "run.json": canonical_json(encode(run)).encode(),
        "comparison.json": canonical_json(encode(comparison)).encode(),
        "snapshot.json": canonical_json(encode(candidate.snapshot)).encode(),
        "metrics.json": canonical_json(
            {item.metric: item.value for item in comparison.metrics if not item.slice}
        ).encode(),
        "report.md": run_report(run, candidate.snapshot, comparison).encode(),
        "log.txt": log,
    }
    title = f"{name}: gate {comparison.verdict} ({key})"
    plan = store.storing(ref, title, records, run.files, folder, project.specs.project.spec)
    found = (*asked.diagnostics, *judgement.diagnostics, *judged(candidate, comparison))
    return Compared(comparison, ref, found, plan, questions)


def judged(candidate: Candidate, comparison: Comparison) -> tuple[Diagnostic, ...]:
    """Return a finding for each requirement that does not hold, at its place in the spec."""
    given = candidate.model.spec.gate.requirements
    found = []
    for index, item in enumerate(comparison.requirements):
        if item.verdict in ("pass", "not-applicable"):
            continue
        place = ("spec", "gate", "requirements", index, "metric") if given else ("spec",)
        failed = item.verdict == "fail"
        found.append(
            Diagnostic(
                "gate-failed" if failed else "gate-inconclusive",
                f"{candidate.model.name}: {item.requirement}: {item.reason}",
                candidate.model.locate(*place),
                None
                if failed
                else "nothing is promoted until it is decided; more labelled rows, or a larger effect, decide it",
                "error" if failed else "warning",
            )
        )
    if not found and comparison.verdict == "inconclusive":
        message = f"{candidate.model.name}: {comparison.sentence}"
        found.append(
            Diagnostic(
                "gate-inconclusive", message, candidate.model.locate("spec", "gate", key=True), severity="warning"
            )
        )
    return tuple(found)


def exit_code(project: Project, comparisons: Sequence[Comparison]) -> Exit:
    """Return 1 when a model failed, or is undecided where its gate says that this fails."""
    for item in comparisons:
        strict = project.specs.models[item.model].spec.gate.on_inconclusive == "fail"
        if item.verdict == "fail" or (item.verdict != "pass" and strict):
            return Exit.FINDINGS
    return Exit.OK


@dataclass(frozen=True)
class _Incomparable:
    """Why a champion cannot be scored on today's rows."""

    why: str


def _judge(
    project: Project, candidate: Candidate, run: TrainingRun, folder: Path, champion: Event | None, gate: Gate
) -> Judgement:
    import pyarrow.parquet as pq

    spec, context = candidate.model.spec, project.context
    scratch = Path(tempfile.mkdtemp(dir=context.scratch))
    mine = _packaged(candidate.model.name, run, run.files, run.trusted, folder)
    rival = _rival(project, candidate, run, champion, scratch)
    packaged = [mine, rival] if isinstance(rival, Packaged) else [mine]
    slices = sliced(spec)
    columns = tuple(
        dict.fromkeys((*spec.features, *slices, *(field.name for one in packaged for field in one.signature.inputs)))
    )
    sides = materialise(
        context.root, candidate.dataset, candidate.snapshot.files, columns, spec.target, scratch, candidate.held
    )
    table = pq.read_table(sides.holdout)
    for rows in (sides.train, sides.holdout):
        rows.unlink()  # nothing that a scoring process could find has the labels
    put_away(candidate)
    features = scratch / "features.parquet"
    pq.write_table(table.select([name for name in columns if name != spec.target]), features)
    latency = any(METRICS[metric].operational and metric.startswith("latency") for metric in _asked(spec))
    against = None
    # the champion first, and in a process of its own: a candidate's code must find nothing of it to touch
    if isinstance(rival, Packaged) and champion is not None and isinstance(champion.record, Release):
        try:
            (theirs,) = score([rival], features, rows=table.num_rows, scratch=scratch, latency=latency)
        except Findings as failed:
            rival = _Incomparable(failed.diagnostics[0].message)
        else:
            release = champion.record
            against = Contestant(
                rival.name,
                release.model_digest,
                theirs.predictions,
                theirs.classes,
                theirs.operational,
                run=release.run_key,
            )
    (scores,) = score([mine], features, rows=table.num_rows, scratch=scratch, latency=latency)
    contestant = Contestant(
        mine.name, run.model_digest, scores.predictions, scores.classes, scores.operational, run=run.key
    )
    if champion is not None and _same(champion, run):
        against = replace(contestant, name=champion.ref.name)
    labels: Any = table[spec.target].to_numpy()
    return judge_models(
        spec.task,
        labels,
        contestant,
        against,
        gate,
        metrics=spec.evaluate.metrics,
        slices={name: table[name].to_numpy() for name in slices},
        incomparable=rival.why if isinstance(rival, _Incomparable) else None,
        seed=seed_of(run.key, champion.ref.oid if champion else "", candidate.sides.split.holdout_digest),
    )


def _asked(spec: ModelSpec) -> set[str]:
    requirements = spec.gate.requirements or default_requirements(spec.task)
    return {*spec.evaluate.metrics, *(requirement.metric for requirement in requirements)}


def _same(champion: Event, run: TrainingRun) -> bool:
    return isinstance(champion.record, Release) and champion.record.run_key == run.key


def _rival(
    project: Project, candidate: Candidate, run: TrainingRun, champion: Event | None, scratch: Path
) -> Packaged | _Incomparable | None:
    """Return the champion, ready to be scored on today's rows, or why it cannot be; None when there is none to score.

    Raises EnvironmentProblem when its files are out of reach: that says nothing about the two models.
    """
    repo = project.context.repo
    if champion is None or repo is None or _same(champion, run):
        return None
    release = champion.record
    if not isinstance(release, Release):
        return _Incomparable(f"{champion.ref.name} was tagged by another tool and has no record")
    stored = store.find(repo, store.release_ref(release.model, release.version), fetch=True)
    if stored is None:
        raise EnvironmentProblem.of(
            "store-missing",
            f"the files of {champion.ref.name}, the champion, are neither in this clone nor at its remote",
            help=f"git fetch origin {store.release_ref(release.model, release.version)}; if it is gone, look for a clone that has it",
        )
    theirs = store.read_record(repo, stored, "run.json", TrainingRun)
    if theirs.task != candidate.model.spec.task or theirs.signature.output != candidate.output:
        return _Incomparable(
            f"{champion.ref.name} answers another question ({theirs.task} of {theirs.signature.output.name})"
        )
    split, today = theirs.split, candidate.sides.split
    told = (split.by, split.epoch, split.fraction, theirs.row_key)
    if told != (today.by, today.epoch, today.fraction, candidate.dataset.spec.key):
        return _Incomparable(
            f"{champion.ref.name} learned from another split, so that today's holdout is not new to it"
        )
    types = {column.name: column.type for column in candidate.snapshot.columns}
    if missing := missing_inputs(theirs.signature, types):
        return _Incomparable(f"{champion.ref.name} needs {', '.join(missing)}, which today's data do not have")
    if changed := incompatible_inputs(theirs.signature.inputs, types):
        return _Incomparable(f"{champion.ref.name} knows other types: {', '.join(changed)}")
    folder = scratch / "champion"
    store.materialise(repo, stored, release.model_files, folder)
    return _packaged(champion.ref.name, theirs, release.model_files, release.trusted, folder)


def _packaged(
    name: str, run: TrainingRun, files: Sequence[FileDigest], trusted: tuple[str, ...], folder: Path
) -> Packaged:
    """Describe a model's files; one with code of its own finds it beside them, and is scored in a process of its own."""
    model = next(file for file in files if file.path == "model.skops")
    paths = import_folders(run.estimator, folder / store.CODE) if run.code else ()
    return Packaged(name, folder / model.path, model.sha256, trusted, run.signature, run.task, paths)


def _record(
    candidate: Candidate, run: TrainingRun, key: str, champion: Event | None, judgement: Judgement, confidence: float
) -> Comparison:
    release = champion.record if champion else None
    against = None
    if champion is not None and isinstance(release, Release):
        against = Champion(
            champion.version, release.run_key, release.model_digest, champion.ref.oid, judgement.champion_metrics
        )
    return Comparison(
        key=key,
        model=run.model,
        run=run.key,
        model_digest=run.model_digest,
        champion_state=judgement.champion_state,
        holdout_digest=candidate.sides.split.holdout_digest,
        holdout_rows=candidate.sides.split.holdout_rows,
        policy_digest=candidate.policy_digest,
        confidence=confidence,
        metrics=judgement.metrics,
        requirements=judgement.requirements,
        verdict=judgement.verdict,
        sentence=judgement.sentence,
        champion=against,
    )
