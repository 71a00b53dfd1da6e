"""Tries the estimators that specs name on generated rows, so that one that cannot be fitted is found before any training."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.data.cache import read_cache_entry, write_cache_entry
from mlops_ci.repository.context import Context
from mlops_ci.spec.load import Specs
from mlops_ci.training.trial import TrialResult, plan_trial, run_trial


def trial_findings(context: Context, specs: Specs, names: Collection[str] | None = None) -> Iterator[Diagnostic]:
    """Yield the findings of trying the estimator of each model, or of these; equal trials run once, and an earlier answer is used again."""
    results: dict[str, TrialResult] = {}
    for name, model in specs.models.items():
        if names is not None and name not in names:
            continue
        dataset = specs.datasets.get(model.spec.dataset)
        trial = plan_trial(model.spec, dataset.spec) if dataset else None
        if trial is None:
            continue
        key = trial.key
        if key not in results:
            known = read_cache_entry(context.cache, key, TrialResult)
            if known is None:
                context.progress(f"trying the estimator of {name} on generated rows")
                known = run_trial(trial, context.root, context.scratch)
                write_cache_entry(context.cache, key, known)
            results[key] = known
        yield from results[key].findings_at(model)
