"""The comparison of two runs: a pure function of their records, and of their specs if those are known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlops_ci.core.records.comparison import Comparison
from mlops_ci.core.records.events import Release
from mlops_ci.core.records.training_run import ColumnProfile, DatasetSnapshot, TrainingRun
from mlops_ci.core.results.queries import DiffReport, DiffSide, FieldChange, FileChange, MetricChange
from mlops_ci.registry.experiments import flatten_json, overall_metrics
from mlops_ci.spec.metrics import METRIC_DEFINITIONS
from mlops_ci.spec.requirement_text import describe_terms

MEAN_SHIFT = 0.1  # in standard deviations of the column: a larger change of the mean is reported
NULL_SHARE_CHANGE = 0.01  # as a share of the rows: a larger change of the missing values is reported


@dataclass(frozen=True)
class ComparedRun:
    """One run with all its known records. `spec` is the Model spec at the release's commit; None for a run that is not released."""

    name: str
    run: TrainingRun
    comparison: Comparison | None = None
    snapshot: DatasetSnapshot | None = None
    release: Release | None = None
    spec: Mapping[str, Any] | None = None


def diff_runs(before: ComparedRun, after: ComparedRun) -> DiffReport:
    """Return the differences between two runs: spec, data, metrics, environment, code, gate and files."""
    judged = (before.comparison, after.comparison)
    same_holdout = judged[0].holdout_digest == judged[1].holdout_digest if judged[0] and judged[1] else None
    return DiffReport(
        before=_diff_side(before),
        after=_diff_side(after),
        same_model=before.run.model_digest == after.run.model_digest,
        same_holdout=same_holdout,
        spec=tuple(_spec_changes(before, after)),
        data=tuple(_data_changes(before, after)),
        metrics=tuple(_metric_changes(before, after)),
        environment=_changes(_environment_facts(before.run), _environment_facts(after.run)),
        code=_changes(_code_facts(before.run), _code_facts(after.run)),
        gate=_changes(_gate_facts(before), _gate_facts(after)),
        files=tuple(_file_changes(before.run, after.run)),
    )


def _diff_side(side: ComparedRun) -> DiffSide:
    run, release = side.run, side.release
    return DiffSide(
        name=side.name,
        model=run.model,
        run=run.key,
        model_digest=run.model_digest,
        on=release.made_on if release else run.started_on,
        version=release.version if release else None,
        commit=release.commit if release else None,
    )


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    names = dict.fromkeys((*before, *after))
    return tuple(
        FieldChange(name, before.get(name), after.get(name))
        for name in names
        if name not in before or name not in after or not _is_equal(before[name], after[name])
    )


def _is_equal(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)  # to Python, True is 1


def _spec_changes(before: ComparedRun, after: ComparedRun) -> Iterator[FieldChange]:
    """Yield the changes between the two specs if both are known, else between the spec fields that the runs record."""
    if before.spec is not None and after.spec is not None:
        yield from _changes(dict(flatten_json(before.spec)), dict(flatten_json(after.spec)))
    else:
        yield from _changes(_spec_outline(before.run), _spec_outline(after.run))


def _spec_outline(run: TrainingRun) -> dict[str, Any]:
    """Return the spec fields that a run records, under their names in the spec."""
    built = "train.entrypoint" if run.code else "train.estimator"
    return {
        "task": run.task,
        "dataset": run.dataset,
        "target": run.signature.output.name,
        "features": [field.name for field in run.signature.inputs],
        built: run.estimator,
        "train.seed": run.seed,
        **({"train.text": list(run.text)} if run.text else {}),
        **dict(flatten_json(run.params or {}, "train.params") if run.params else ()),
        **({"train.weights": run.weights} if run.weights else {}),
        **({"train.columns": list(run.columns)} if run.columns else {}),
        **dict(flatten_json(run.fit or {}, "train.fit") if run.fit else ()),
    }


def _data_changes(before: ComparedRun, after: ComparedRun) -> Iterator[FieldChange]:
    one, other = before.run, after.run
    yield from _changes(
        {"dataset": one.dataset, "training rows": one.split.train_digest, "rows": _row_count(before)},
        {"dataset": other.dataset, "training rows": other.split.train_digest, "rows": _row_count(after)},
    )
    yield from _changes(_split_facts(one), _split_facts(other))
    yield from _changes(_column_types(before), _column_types(after))
    if before.snapshot is not None and after.snapshot is not None:
        profiles = {column.name: column for column in before.snapshot.columns}
        for column in after.snapshot.columns:
            if (known := profiles.get(column.name)) is not None:
                yield from _profile_changes(known, before.snapshot.rows, column, after.snapshot.rows)


def _row_count(side: ComparedRun) -> int:
    return side.snapshot.rows if side.snapshot else side.run.split.train_rows + side.run.split.holdout_rows


def _split_facts(run: TrainingRun) -> dict[str, Any]:
    split = run.split
    return {
        "split": f"{split.by}, epoch {split.epoch}, holdout {split.fraction:g}",
        "holdout rows": split.holdout_rows,
    }


def _column_types(side: ComparedRun) -> dict[str, str]:
    """Return the types of the dataset's columns; without a snapshot, only of the columns that the model uses."""
    if side.snapshot is not None:
        return {f"column {column.name}": column.type for column in side.snapshot.columns}
    used = (*side.run.signature.inputs, side.run.signature.output)
    return {f"column {field.name}": field.type for field in used}


def _profile_changes(one: ColumnProfile, rows: int, other: ColumnProfile, other_rows: int) -> Iterator[FieldChange]:
    """Yield the changes of a column's profile that exceed `MEAN_SHIFT` or `NULL_SHARE_CHANGE`."""
    shares = [column.nulls / count if count else 0.0 for column, count in ((one, rows), (other, other_rows))]
    if abs(shares[1] - shares[0]) > NULL_SHARE_CHANGE:
        yield FieldChange(f"column {one.name}: missing", *(f"{share:.1%}" for share in shares))
    if (
        one.mean is not None
        and other.mean is not None
        and one.std
        and abs(other.mean - one.mean) > MEAN_SHIFT * one.std
    ):
        yield FieldChange(f"column {one.name}: mean", one.mean, other.mean)


def _metric_changes(before: ComparedRun, after: ComparedRun) -> Iterator[MetricChange]:
    one, other = overall_metrics(before.comparison), overall_metrics(after.comparison)
    for name in dict.fromkeys((*one, *other)):
        old, new = one.get(name), other.get(name)
        difference = new.value - old.value if old and new else None
        up = METRIC_DEFINITIONS[name].higher_is_better if name in METRIC_DEFINITIONS else None
        better = (difference > 0) is up if difference and up is not None else None
        yield MetricChange(name, old, new, difference, better)


def _environment_facts(run: TrainingRun) -> dict[str, Any]:
    env = run.environment
    known = {"python": env.python, **env.packages, "platform": env.platform, "cpu": env.cpu}
    return {**known, "threadpools": list(env.threadpools)}


def _code_facts(run: TrainingRun) -> dict[str, str]:
    return {file.path: f"sha256:{file.sha256} ({file.size:,} bytes)" for file in run.code}


def _gate_facts(side: ComparedRun) -> dict[str, Any]:
    found = side.comparison
    if found is None:
        return {}
    return {
        "verdict": found.verdict,
        "sentence": found.sentence,
        "champion": found.champion.version if found.champion else found.champion_state,
        "confidence": found.confidence,
        "policy": found.policy_digest,
        "holdout": found.holdout_digest,
        "holdout rows": found.holdout_rows,
        **{
            describe_terms(item.requirement) + (f" ({item.slice})" if item.slice else ""): item.verdict
            for item in found.requirements
        },
    }


def _file_changes(one: TrainingRun, other: TrainingRun) -> Iterator[FileChange]:
    before, after = ({file.path: file for file in run.files} for run in (one, other))
    for path in dict.fromkeys((*before, *after)):
        old, new = before.get(path), after.get(path)
        same = old is not None and new is not None and old.sha256 == new.sha256
        yield FileChange(path, old.size if old else None, new.size if new else None, same)
