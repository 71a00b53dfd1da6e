"""The runs in a clone and the table that compares them. One listing of refs and one batch of objects read all runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlops_ci.core.codec import decode_json, encode
from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.digest import digest_json
from mlops_ci.core.records.comparison import Comparison, MetricValue
from mlops_ci.core.records.events import Release
from mlops_ci.core.records.training_run import TrainingRun
from mlops_ci.core.results.queries import ModelRuns, RunRow
from mlops_ci.registry.run_store import RELEASE_PREFIX, RUN_PREFIX
from mlops_ci.registry.state import RegistryState, fold_refs
from mlops_ci.repository.git import Repository
from mlops_ci.repository.ref_listing import LOG_PREFIX, TAG_PREFIX
from mlops_ci.repository.refs import Ref

_MAX_DEPTH = 6  # levels of nested parameters that are flattened; deeper values are shown as JSON
_DIGEST_DIGITS = 8  # hex digits of a digest in a table: enough to distinguish the rows
_MAX_CELL_LENGTH = 60  # characters of a value in a table


@dataclass(frozen=True)
class Experiment:
    """One run: a training run without a gate (`comparison` is None), or a gated run. One training can have several gated runs.

    `version` is the version that the run was released as; None if it was not released.
    """

    key: str
    ref: str
    oid: str
    run: TrainingRun
    comparison: Comparison | None
    version: str | None


@dataclass(frozen=True)
class Experiments:
    """The registry, the readable runs of this clone (newest first), and a warning for each unreadable run."""

    registry: RegistryState
    runs: tuple[Experiment, ...]
    diagnostics: tuple[Diagnostic, ...]


def read_experiments(repo: Repository, model: str | None = None) -> Experiments:
    """Return the runs of one model in this clone, or of all models."""
    runs = [f"{prefix}{model}/" if model else prefix for prefix in (RUN_PREFIX, RELEASE_PREFIX)]
    refs = repo.refs(TAG_PREFIX, LOG_PREFIX, *runs)
    registry = fold_refs(refs)
    held: dict[str, Ref] = {}
    for prefix in (RUN_PREFIX, RELEASE_PREFIX):  # a released run may have only its release ref in this clone
        for ref in refs:
            if ref.name.startswith(prefix) and ref.oid not in held:
                held[ref.oid] = ref
    released = {
        event.record.run_oid: event.version
        for state in registry.models.values()
        for event in state.events
        if isinstance(event.record, Release)
    }
    objects = repo.read_objects(
        [f"{oid}:{name}" for oid in held for name in ("run.json", "comparison.json")], or_corrupt=True
    )
    found: list[Experiment] = []
    unreadable: list[Diagnostic] = []
    for (oid, ref), run, comparison in zip(held.items(), objects, objects, strict=False):
        try:
            found.append(_read_experiment(ref, run, comparison, released.get(oid)))
        except (ValueError, RecursionError) as error:
            unreadable.append(_unreadable_warning(ref, error))
    gated = {(one.run.model, one.run.key) for one in found if one.comparison}
    kept = [one for one in found if one.comparison or (one.run.model, one.run.key) not in gated]
    kept.sort(key=lambda one: (one.run.started_on, one.key), reverse=True)
    return Experiments(registry, tuple(kept), tuple(unreadable))


def runs_table(model: str, runs: Sequence[Experiment]) -> ModelRuns:
    """Return a model's runs side by side: their metrics, and the inputs in which they differ."""
    told = [_traits(one.run) for one in runs]
    names = list(dict.fromkeys(name for traits in told for name in traits))
    differing = [name for name in names if len({traits.get(name) for traits in told}) > 1]
    if differing != ["spec"] and "spec" in differing:
        differing.remove("spec")  # the other differing columns already show the change of the spec
    rows = tuple(_run_row(one, _cells(traits, told, differing)) for one, traits in zip(runs, told, strict=True))
    return ModelRuns(model, tuple(differing), tuple(dict.fromkeys(name for row in rows for name in row.metrics)), rows)


def flatten_json(value: Any, prefix: str = "", depth: int = _MAX_DEPTH) -> Iterator[tuple[str, Any]]:
    """Yield each leaf of JSON data with its path, such as `train.params.learning_rate` or `gate.requirements[0].min`.

    A list without objects is a leaf. A leaf with nested values is returned as JSON text.
    """
    if isinstance(value, Mapping) and value and depth:
        for key, item in value.items():
            yield from flatten_json(item, f"{prefix}.{key}" if prefix else str(key), depth - 1)
    elif isinstance(value, list | tuple) and depth and any(isinstance(item, Mapping) for item in value):
        for index, item in enumerate(value):
            yield from flatten_json(item, f"{prefix}[{index}]", depth - 1)
    else:
        yield prefix, _leaf_value(value)


def _leaf_value(value: Any) -> Any:
    items = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    if not any(isinstance(item, Mapping | list | tuple) for item in items):
        return value
    try:
        return json.dumps(value, sort_keys=True)
    except RecursionError:  # the run may be written by an untrusted user
        return "(nested too deep)"


def overall_metrics(comparison: Comparison | None) -> dict[str, MetricValue]:
    """Return the metrics on the whole holdout (not on slices), by name."""
    return {item.metric: item for item in comparison.metrics if item.slice is None} if comparison else {}


def _read_experiment(
    ref: Ref, run_json: bytes | None, comparison_json: bytes | None, version: str | None
) -> Experiment:
    """Return the run at a ref; raises ValueError when its records are invalid or do not match the ref's name."""
    if run_json is None:
        raise ValueError("run.json is missing")
    run = decode_json(TrainingRun, run_json)
    comparison = decode_json(Comparison, comparison_json) if comparison_json is not None else None
    key = comparison.key if comparison else run.key
    model, _, name = ref.name.removeprefix(RUN_PREFIX).removeprefix(RELEASE_PREFIX).rpartition("/")
    if run.model != model or (ref.name.startswith(RUN_PREFIX) and name != key):
        raise ValueError("the ref's name does not match the run in it")
    if comparison is not None and (comparison.run, comparison.model) != (run.key, run.model):
        raise ValueError("comparison.json and run.json describe different runs")
    return Experiment(key, ref.name, ref.oid, run, comparison, version)


def _unreadable_warning(ref: Ref, error: Exception) -> Diagnostic:
    return Diagnostic(
        "run-unreadable",
        f"the run {ref.name} cannot be read and is left out: {error}",
        help=f"the run was changed or is damaged: inspect it (git ls-tree -r {ref.name}). If it is not released, delete it"
        f" (git update-ref -d {ref.name}) and create it again (mlops-ci gate)",
        severity="warning",
    )


def _run_row(one: Experiment, traits: Mapping[str, str]) -> RunRow:
    return RunRow(
        key=one.key,
        run=one.run.key,
        ref=one.ref,
        on=one.run.started_on,
        estimator=one.run.estimator,
        differs=traits,
        metrics={name: item.value for name, item in overall_metrics(one.comparison).items()},
        verdict=one.comparison.verdict if one.comparison else None,
        version=one.version,
    )


def _traits(run: TrainingRun) -> dict[str, Any]:
    """Return the inputs of a run by column name; the feature list is a tuple."""
    params = {name: _format_value(value) for name, value in flatten_json(run.params)} if run.params else {}
    return {
        **params,
        "features": tuple(field.name for field in run.signature.inputs),
        "target": run.signature.output.name,
        "dataset": run.dataset,
        "rows": f"{run.split.train_rows:,}",
        "data": run.split.train_digest[:_DIGEST_DIGITS],
        "seed": str(run.seed),
        "code": digest_json(encode(run.code))[:_DIGEST_DIGITS] if run.code else "",
        "python": run.environment.python,
        **run.environment.packages,
        "spec": run.spec_digest[:_DIGEST_DIGITS],
    }


def _cells(traits: Mapping[str, Any], all_traits: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, str]:
    cells = {name: str(traits[name]) for name in names if name in traits and name != "features"}
    if "features" in names:
        common = set.intersection(*(set(one["features"]) for one in all_traits))
        cells["features"] = " ".join(f"+{name}" for name in traits["features"] if name not in common) or str(
            len(traits["features"])
        )
    return {name: cells[name] for name in names if name in cells}


def _format_value(value: Any) -> str:
    shown = value if isinstance(value, str) else json.dumps(value)
    return shown if len(shown) <= _MAX_CELL_LENGTH else f"{shown[:_MAX_CELL_LENGTH]}..."
