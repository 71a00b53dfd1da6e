"""`compare`: candidate and champion, scored on the same held-out rows of today's data, and the gate's verdict on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from mlops_ci import store
from mlops_ci.candidate import Candidate, champion_of, chosen, identify, read_data
from mlops_ci.codec import encode
from mlops_ci.data.split import materialise
from mlops_ci.diagnostics import Diagnostic, has_errors
from mlops_ci.digest import canonical_json
from mlops_ci.errors import Exit, Findings
from mlops_ci.learn.bootstrap import seed_of
from mlops_ci.learn.compare import Contestant, Judgement
from mlops_ci.learn.compare import compare as judge_models
from mlops_ci.learn.metrics import default_requirements
from mlops_ci.learn.score import Packaged, missing_inputs, score
from mlops_ci.outcomes import CompareReport
from mlops_ci.plan import Content, Outcome, Plan, StoreRun
from mlops_ci.project import Project
from mlops_ci.records import Champion, Comparison, FileDigest, Release, Signature, TrainingRun
from mlops_ci.registry import Event
from mlops_ci.reports.markdown import run_report
from mlops_ci.spec.metrics import METRICS


@dataclass(frozen=True)
class Compared:
    """The gate's answer and the run that holds it; `plan` stores it where it is new."""

    comparison: Comparison
    ref: str
    diagnostics: tuple[Diagnostic, ...] = ()
    plan: Plan = Plan()


def compare(project: Project, *, models: tuple[str, ...] = ()) -> Outcome[CompareReport]:
    """Judge the trained candidates of the models named, or all.

    Raises UsageProblem for a model without a spec, Findings when its data are refused or it has not been trained.
    """
    context = project.context
    answers = []
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
        folder = context.scratch / f"run-{name}"
        store.materialise(context.repo, stored, run.files, folder)
        answers.append(
            compare_candidate(project, candidate, run, folder, (context.repo.read(stored.files["log.txt"]) or b""))
        )
    found = tuple(item for answer in answers for item in answer.diagnostics)
    writes = tuple(write for answer in answers for write in answer.plan.writes)
    report = CompareReport(tuple(answer.comparison for answer in answers))
    return Outcome(report, found, Plan(writes), exit_code(project, report.comparisons))


def compare_candidate(project: Project, candidate: Candidate, run: TrainingRun, folder: Path, log: bytes) -> Compared:
    """Return the stored answer for this candidate, champion, holdout and policy; or score and judge.

    `folder` holds the candidate's packaged files.
    """
    name, repo = candidate.model.name, project.context.repo
    champion = champion_of(project, name)
    key = candidate.comparison_key(champion)
    ref = store.run_ref(name, key)
    stored = store.find(repo, ref)
    if stored is not None and repo is not None:
        comparison = store.read_record(repo, stored, "comparison.json", Comparison)
        return Compared(comparison, ref, judged(candidate, comparison))
    project.context.progress(f"comparing {name} on {candidate.sides.split.holdout_rows:,} held-out rows")
    judgement = _judge(project, candidate, run, folder, champion)
    comparison = _record(candidate, run, key, champion, judgement)
    files: dict[str, Content] = {f"{store.MODEL}{file.path}": folder / file.path for file in run.files}
    files |= {
        "run.json": canonical_json(encode(run)).encode(),
        "comparison.json": canonical_json(encode(comparison)).encode(),
        "snapshot.json": canonical_json(encode(candidate.snapshot)).encode(),
        "metrics.json": canonical_json(
            {item.metric: item.value for item in comparison.metrics if not item.slice}
        ).encode(),
        "report.md": run_report(run, candidate.snapshot, comparison).encode(),
        "log.txt": log,
    }
    return Compared(
        comparison,
        ref,
        (*judgement.diagnostics, *judged(candidate, comparison)),
        Plan((StoreRun(ref, files, f"{name}: gate {comparison.verdict} ({key})"),)),
    )


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
    return tuple(found)


def exit_code(project: Project, comparisons: Sequence[Comparison]) -> Exit:
    """Return 1 when a model failed, or is inconclusive where its gate says that this fails."""
    for item in comparisons:
        strict = project.specs.models[item.model].spec.gate.on_inconclusive == "fail"
        if item.verdict == "fail" or (item.verdict == "inconclusive" and strict):
            return Exit.FINDINGS
    return Exit.OK


def _judge(project: Project, candidate: Candidate, run: TrainingRun, folder: Path, champion: Event | None) -> Judgement:
    import pyarrow.parquet as pq

    spec, context = candidate.model.spec, project.context
    scratch = context.scratch / f"compare-{candidate.model.name}"
    scratch.mkdir()
    packaged = [_packaged(candidate.model.name, run.files, run.trusted, run.signature, spec.task, folder)]
    if run.code:
        packaged = [_with_code(packaged[0], context.root, run.code)]
    incomparable = None
    if champion is not None and not _same(champion, run):
        rival = _champion(project, candidate, champion, scratch)
        if isinstance(rival, str):
            incomparable = rival
        else:
            packaged.append(rival)
    wanted = (
        *spec.features,
        *spec.evaluate.slices,
        *(field.name for one in packaged for field in one.signature.inputs),
    )
    columns = tuple(dict.fromkeys(wanted))
    holdout = materialise(
        context.root, candidate.dataset, candidate.snapshot.files, columns, spec.target, scratch
    ).holdout
    table = pq.read_table(holdout)
    features = scratch / "features.parquet"  # the scorer gets no labels
    pq.write_table(table.select([name for name in columns if name != spec.target]), features)
    requirements = spec.gate.requirements or default_requirements(spec.task)
    asked = {*spec.evaluate.metrics, *(requirement.metric for requirement in requirements)}
    latency = any(METRICS[metric].operational and metric.startswith("latency") for metric in asked)
    scores = score(packaged, features, rows=table.num_rows, scratch=scratch, latency=latency)
    digests = [
        run.model_digest,
        champion.record.model_digest if champion and isinstance(champion.record, Release) else "",
    ]
    contestants = [
        Contestant(one.name, digest, scored.predictions, scored.classes, scored.operational)
        for one, digest, scored in zip(packaged, digests, scores, strict=False)
    ]
    against = contestants[1] if len(contestants) > 1 else None
    if champion is not None and _same(champion, run):
        against = Contestant(champion.ref.name, run.model_digest, contestants[0].predictions, contestants[0].classes)
    labels: Any = table[spec.target].to_numpy()
    slices: Mapping[str, Any] = {name: table[name].to_numpy() for name in spec.evaluate.slices}
    return judge_models(
        spec.task,
        labels,
        contestants[0],
        against,
        spec.gate,
        metrics=spec.evaluate.metrics,
        slices=slices,
        incomparable=incomparable,
        seed=seed_of(*digests, candidate.sides.split.holdout_digest),
    )


def _same(champion: Event, run: TrainingRun) -> bool:
    return isinstance(champion.record, Release) and champion.record.run_key == run.key


def _champion(project: Project, candidate: Candidate, champion: Event, scratch: Path) -> Packaged | str:
    """Return the champion, ready to be scored on today's rows, or why it cannot be."""
    release, repo = champion.record, project.context.repo
    if not isinstance(release, Release) or repo is None:
        return f"{champion.ref.name} was tagged by another tool and has no record"
    stored = store.find(repo, store.release_ref(release.model, release.version), fetch=True)
    if stored is None:
        return f"the files of {champion.ref.name} are not in this clone, nor at its remote"
    run = store.read_record(repo, stored, "run.json", TrainingRun)
    if run.task != candidate.model.spec.task or run.signature.output != candidate.output:
        return f"{champion.ref.name} answers another question ({run.task} of {run.signature.output.name})"
    if missing := missing_inputs(run.signature, {column.name for column in candidate.snapshot.columns}):
        return f"{champion.ref.name} needs {', '.join(missing)}, which today's data do not have"
    folder = scratch / "champion"
    store.materialise(repo, stored, release.model_files, folder)
    packaged = _packaged(champion.ref.name, release.model_files, release.trusted, run.signature, run.task, folder)
    if not release.code:
        return packaged
    for file in release.code:
        content = repo.read(f"{release.commit}:{_in_repository(project, file.path)}")
        if content is None:
            return f"the code of {champion.ref.name} is not in its commit: {file.path}"
        path = scratch / "champion-code" / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return _with_code(packaged, scratch / "champion-code", release.code)


def _packaged(
    name: str, files: Sequence[FileDigest], trusted: tuple[str, ...], signature: Signature, task: Any, folder: Path
) -> Packaged:
    model = next(file for file in files if file.path == "model.skops")
    return Packaged(name, folder / model.path, model.sha256, trusted, signature, task)


def _with_code(packaged: Packaged, root: Path, code: Sequence[FileDigest]) -> Packaged:
    """Let a model of the repository's own classes be loaded: from its code's folders, in a process of its own."""
    folders = dict.fromkeys(str(root / PurePosixPath(file.path).parent) for file in code)
    return Packaged(
        packaged.name,
        packaged.model,
        packaged.sha256,
        packaged.trusted,
        packaged.signature,
        packaged.task,
        (*folders, str(root)),
    )


def _in_repository(project: Project, path: str) -> str:
    repo = project.context.repo
    return (project.context.root / path).relative_to(repo.root).as_posix() if repo else path


def _record(
    candidate: Candidate, run: TrainingRun, key: str, champion: Event | None, judgement: Judgement
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
        confidence=candidate.model.spec.gate.confidence,
        metrics=judgement.metrics,
        requirements=judgement.requirements,
        verdict=judgement.verdict,
        sentence=judgement.sentence,
        champion=against,
    )
