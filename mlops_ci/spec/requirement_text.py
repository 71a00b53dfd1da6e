"""Turns a requirement into the terms that records keep and into a short text, and formats a metric's value."""

from __future__ import annotations

from mlops_ci.core.requirements import RequirementTerms, TestKind
from mlops_ci.spec.spec_types import Requirement


def requirement_terms(requirement: Requirement) -> RequirementTerms:
    """Return a spec's requirement as the terms that records keep."""
    test = _test_kind(requirement)
    if test == "threshold":
        return RequirementTerms(
            requirement.metric, test, min=requirement.min, max=requirement.max, by=requirement.by or None
        )
    against = requirement.against or "champion"
    if test == "ratio":
        return RequirementTerms(requirement.metric, test, against, max_ratio=requirement.max_ratio)
    slices = (requirement.slices or None) if test == "no-regression" else None
    return RequirementTerms(requirement.metric, test, against, margin=requirement.margin, slices=slices)


def _test_kind(requirement: Requirement) -> TestKind:
    if requirement.max_ratio is not None:
        return "ratio"
    return requirement.test or ("threshold" if requirement.against is None else "superiority")


def describe_terms(terms: RequirementTerms) -> str:
    """Return a short description of a requirement's terms, such as `auc: at least 0.65`."""
    by_more = f" by more than {terms.margin:g}" if terms.margin else ""
    slices = terms.slices
    where = f", by {', '.join(slices)}" if isinstance(slices, tuple) else ", in every slice" if slices else ""
    bounds = [f"at least {terms.min:g}"] if terms.min is not None else []
    bounds += [f"at most {terms.max:g}"] if terms.max is not None else []
    condition = {
        "threshold": " and ".join(bounds),
        "ratio": f"at most {terms.max_ratio or 0:g} times the value of the {terms.against}",
        "superiority": f"better than the {terms.against}{by_more}",
        "non-inferiority": f"not worse than the {terms.against}{by_more}",
        "no-regression": f"no regression against the {terms.against}{by_more}{where}",
    }[terms.test]
    return f"{terms.metric}{f' by {terms.by}' if terms.by else ''}: {condition}"


def describe_requirement(requirement: Requirement) -> str:
    """Return a short description of a spec's requirement."""
    return describe_terms(requirement_terms(requirement))


def format_metric(value: float) -> str:
    """Return a metric's value as text.

    Three decimals, two significant digits below 0.001, one decimal and thousands separators from 100.
    """
    if value != 0 and abs(value) < 0.001:
        return f"{value:.2g}"
    return f"{value:.3f}" if abs(value) < 100 else f"{value:,.1f}"
