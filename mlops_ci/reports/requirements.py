"""A requirement's result in plain English, rendered from its fields: the requirement, the measurement and the reason."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from mlops_ci.core.requirements import SMALLEST_P_VALUE, ReasonCode, RequirementResult
from mlops_ci.spec.requirement_text import describe_terms, format_metric


def requirement_label(item: RequirementResult) -> str:
    """Return a requirement's terms, with the slice that decided it, if any."""
    return describe_terms(item.requirement) + (f" ({item.slice})" if item.slice else "")


def reason_text(item: RequirementResult) -> str:
    """Return why a requirement has its verdict and, if known, how many more rows would decide it."""
    needed = item.labels_needed
    more = "" if needed is None else f"; about {needed:,} more labelled rows are needed to decide this"
    return explain_verdict(item) + more


def explain_verdict(item: RequirementResult) -> str:
    """Return why a requirement has its verdict."""
    return _EXPLANATIONS[item.reason.code](item)


def describe_p_value(p: float, model: str, look: str) -> str:
    """Return a p-value with its meaning: in how many holdouts a model under the null hypothesis would look this extreme.

    `model` describes the null hypothesis (such as "no better"), `look` the direction ("good" or "bad").
    """
    if p <= SMALLEST_P_VALUE:
        return f"p < {SMALLEST_P_VALUE:.2g}"
    holdouts = 100 if p >= 0.01 else 10 ** -math.floor(math.log10(p))
    return f"p = {p:.2g}: a model that is {model} would give a result at least this {look} in {round(p * holdouts):,} of {holdouts:,} holdouts"


def _explain_few_rows(item: RequirementResult) -> str:
    worth = item.reason.effective_rows
    rows = f"{item.rows or 0:,} rows" + ("" if worth is None else f", equivalent to {worth:,} independent rows")
    return f"the holdout has {rows}, and the gate needs {item.reason.needed or 0:,}"


def _explain_few_class_rows(item: RequirementResult) -> str:
    reason = item.reason
    return (
        f"the holdout has {reason.class_rows:,} rows of its rarest class, and {_metric(item)} needs {reason.needed:,}"
    )


def _explain_no_value(item: RequirementResult) -> str:
    if _metric(item) == "cost":
        return "cost has no value here: the holdout has a class that the model does not know, or `evaluate.costs` names a class that does not exist"
    if (lacking := item.reason.lacking) is not None:
        return f"{_metric(item)} needs {lacking}, and the model gives none"
    return f"{_metric(item)} has no value here: the holdout has only one class, or some numbers are too large"


def _explain_no_interval(item: RequirementResult) -> str:
    return f"these rows give no interval for {_metric(item)}: its values on resamples of these rows differ too much, or not at all{_gap(item)}"


def _explain_incomparable(item: RequirementResult) -> str:
    accepted = item.reason.accepted
    return f"{item.reason.why}" + ("" if accepted is None else f"; accepted: {accepted}")


def _explain_other_change(item: RequirementResult) -> str:
    if item.reason.change_kind == "changed":
        return "this kind of requirement is only for retrained models, but the spec, the code or the interface of this model has changed"
    return "this kind of requirement is only for changed models, but this candidate is the same model trained again"


def _explain_measured_ratio(item: RequirementResult) -> str:
    mine, theirs, most = item.candidate or 0.0, item.baseline or math.nan, item.requirement.max_ratio or 0.0
    seen = f"{_metric(item)} is {format_metric(mine)} against {format_metric(theirs)} of {item.reason.baseline}"
    return f"{seen}: the ratio is {_format_ratio(mine / theirs, most)}, and at most {_format_ratio(most)} is allowed"


def _format_ratio(ratio: float, limit: float | None = None) -> str:
    """Return a ratio with two decimals, or more if two would hide on which side of the limit it is."""
    if limit is None:
        return f"{ratio:.2f}" if round(ratio, 2) == ratio else f"{ratio:g}"
    exact = (text for text in (f"{ratio:.2f}", f"{ratio:.4f}") if (float(text) <= limit) == (ratio <= limit))
    return next(exact, repr(ratio))


def _explain_interval(item: RequirementResult) -> str:
    return f"{_interval(item)}{_gap(item)}"


def _explain_crossed_limit(item: RequirementResult) -> str:
    return f"{_interval(item)}: the limit {_number(item.reason.limit)} is inside this interval{_gap(item)}"


def _interval(item: RequirementResult) -> str:
    return f"{_number(item.candidate)}, between {_number(item.lower)} and {_number(item.upper)}"


def _gap(item: RequirementResult) -> str:
    reason = item.reason
    if reason.rate is None:
        return ""
    small = _count_skipped(item, "group", "to count")
    return (
        f" (the {reason.rate} rate is highest for {reason.highest_group} and lowest for {reason.lowest_group}{small})"
    )


def _explain_improvement(item: RequirementResult) -> str:
    margin = item.requirement.margin
    return _with_p_value(item, "", f"better by at most {margin:g}" if margin else "no better", "good")


def _explain_deterioration(item: RequirementResult) -> str:
    return _with_p_value(item, "", "no worse", "bad")


def _explain_kept_margin(item: RequirementResult) -> str:
    margin = item.requirement.margin or 0.0
    return _with_p_value(item, f": not worse by more than {margin:g}", f"{margin:g} worse", "good")


def _explain_exceeded_margin(item: RequirementResult) -> str:
    margin = item.requirement.margin or 0.0
    return _with_p_value(item, f": worse by more than {margin:g}", f"at most {margin:g} worse", "bad")


def _with_p_value(item: RequirementResult, conclusion: str, model: str, look: str) -> str:
    return f"{_difference(item)}{conclusion} ({describe_p_value(item.p_value or 0.0, model, look)})"


def _explain_regression(item: RequirementResult) -> str:
    model = "no worse in any slice" if item.slice else "no worse"
    chance = describe_p_value(item.p_value or 0.0, model, "bad")
    tests = item.reason.tests or 0
    adjusted = f", adjusted for {tests:,} tests" if tests > 1 else ""
    return f"{_where(item)} {_difference(item)} ({chance}{adjusted}){_small_slices(item)}"


def _explain_unsure_regression(item: RequirementResult) -> str:
    return (
        f"{_where(item)} {_difference(item)} on every row, but there are too few rows to be sure{_small_slices(item)}"
    )


def _explain_untested_slices(item: RequirementResult) -> str:
    where = ["on the whole holdout"] if item.reason.untested_whole else []
    where += [f"by {column}" for column in item.reason.untested or ()]
    return f"{_metric(item)} could not be compared {' and '.join(where) or 'by slice'}{_small_slices(item)}"


def _explain_no_regression(item: RequirementResult) -> str:
    tests = item.reason.tests or 0
    among = f" in {tests:,} tests; the worst result is {_where(item)}" if tests > 1 else ""
    return f"no evidence of a regression{among}: {_difference(item)}{_small_slices(item)}"


def _where(item: RequirementResult) -> str:
    return f"in {item.slice}" if item.slice else "on the whole holdout"


def _small_slices(item: RequirementResult) -> str:
    return _count_skipped(item, "slice", "to test")


def _count_skipped(item: RequirementResult, noun: str, purpose: str) -> str:
    skipped = item.reason.skipped or 0
    return f"; {skipped:,} {noun}{' is' if skipped == 1 else 's are'} too small {purpose}" if skipped else ""


def _difference(item: RequirementResult) -> str:
    difference = item.difference or 0.0
    how = (
        f"{format_metric(abs(difference))} {'better' if difference > 0 else 'worse'}" if difference else "no difference"
    )
    return f"{_number(item.candidate)} against {_number(item.baseline)}, {how}"


def _number(value: float | None) -> str:
    return "not measured" if value is None else format_metric(value)


def _metric(item: RequirementResult) -> str:
    return item.requirement.metric


_EXPLANATIONS: Mapping[ReasonCode, Callable[[RequirementResult], str]] = {
    "metric-unknown": lambda item: f"{_metric(item)} is not one of this model's metrics",
    "metric-without-test": lambda item: f"{_metric(item)} has no test against another version; use max or maxRatio",
    "too-few-rows": _explain_few_rows,
    "too-few-class-rows": _explain_few_class_rows,
    "no-value": _explain_no_value,
    "no-interval": _explain_no_interval,
    "not-measured": lambda item: f"{_metric(item)} was not measured",
    "too-few-groups": lambda item: f"fewer than two groups by {item.requirement.by} have enough rows to be compared",
    "no-baseline": lambda item: f"there is no {item.requirement.against} yet",
    "same-model": lambda item: f"the candidate is the {item.requirement.against} itself ({item.reason.baseline})",
    "incomparable": _explain_incomparable,
    "other-change": _explain_other_change,
    "not-comparable": lambda item: f"{_metric(item)} of the two models cannot be compared on these rows",
    "baseline-not-measured": lambda item: f"{_metric(item)} of {item.reason.baseline} was not measured",
    "baseline-zero": lambda item: f"{_metric(item)} of {item.reason.baseline} is 0, so no ratio to it can be computed",
    "value-measured": lambda item: f"{_metric(item)} is {_number(item.candidate)}",
    "ratio-measured": _explain_measured_ratio,
    "interval-clear": _explain_interval,
    "interval-crosses-limit": _explain_crossed_limit,
    "improvement-shown": _explain_improvement,
    "deterioration-shown": _explain_deterioration,
    "no-improvement-seen": lambda item: (
        f"{_difference(item)}: no improvement was observed, and more rows would probably not show one"
    ),
    "too-close": lambda item: f"{_difference(item)}: too close to decide",
    "margin-kept": _explain_kept_margin,
    "margin-exceeded": _explain_exceeded_margin,
    "beyond-margin": lambda item: (
        f"{_difference(item)}: too close to decide, and more rows would probably not show that the difference is within the margin"
    ),
    "regression-shown": _explain_regression,
    "regression-seen": _explain_unsure_regression,
    "slices-untested": _explain_untested_slices,
    "no-regression-shown": _explain_no_regression,
}
