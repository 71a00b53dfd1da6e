"""What a requirement asks, and a metric's value, as text."""

from __future__ import annotations

from mlops_ci.spec.spec_types import Requirement


def describe_requirement(requirement: Requirement) -> str:
    """Say what a requirement asks, in a few words."""
    metric, margin = requirement.metric, requirement.margin
    whose = f"the {requirement.against or 'champion'}'s"
    if requirement.max_ratio is not None:
        return f"{metric} at most {requirement.max_ratio:g} times {whose}"
    match requirement.test or requirement.against:
        case "superiority" | "champion" | "anchor":
            return f"{metric} better than {whose}" + (f" by more than {margin:g}" if margin else "")
        case "non-inferiority":
            return f"{metric} shown to be at most {margin:g} worse than {whose}"
        case "no-regression":
            slices = requirement.slices
            where = f", by {', '.join(slices)}" if isinstance(slices, tuple) else ", in every slice" if slices else ""
            return f"{metric} not worse than {whose}" + (f" by more than {margin:g}" if margin else "") + where
    bounds = [f"at least {requirement.min:g}"] if requirement.min is not None else []
    bounds += [f"at most {requirement.max:g}"] if requirement.max is not None else []
    return f"{metric}{f' by {requirement.by}' if requirement.by else ''} {' and '.join(bounds)}"


def format_metric(value: float) -> str:
    """Write a metric for people: three decimals, two digits when it is tiny, thousands when it is large."""
    if value != 0 and abs(value) < 0.001:
        return f"{value:.2g}"
    return f"{value:.3f}" if abs(value) < 100 else f"{value:,.1f}"
