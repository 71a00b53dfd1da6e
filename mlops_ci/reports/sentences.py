"""A comparison in sentences: the result of each requirement with its reason, and notes on the evaluation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from mlops_ci.core.records.comparison import ComparedRelease, Comparison, MetricValue
from mlops_ci.core.requirements import RequirementResult, RequirementVerdict
from mlops_ci.reports import formatting
from mlops_ci.reports.requirements import explain_verdict, reason_text, requirement_label
from mlops_ci.spec.metrics import METRIC_DEFINITIONS
from mlops_ci.spec.positive_class import format_label

VERDICT_PHRASES: Mapping[RequirementVerdict, str] = {
    "pass": "holds",
    "fail": "does not hold",
    "inconclusive": "cannot be decided",
    "not-applicable": "does not apply",
}
_MAX_WORST_SLICES = 3


def requirement_sentence(item: RequirementResult) -> str:
    """Return a requirement's terms, result and reason as a sentence."""
    return f"“{requirement_label(item)}” {VERDICT_PHRASES[item.verdict]}: {reason_text(item)}."


def requirement_sentences(comparison: Comparison) -> Iterator[str]:
    """Yield a sentence for each requirement; those that do not apply for the same reason share one sentence."""
    not_applicable = Counter(
        explain_verdict(item) for item in comparison.requirements if item.verdict == "not-applicable"
    )
    for item in comparison.requirements:
        if item.verdict != "not-applicable" or not_applicable[explain_verdict(item)] == 1:
            yield requirement_sentence(item)
    for reason, count in not_applicable.items():
        if count > 1:
            yield f"{formatting.format_count(count, 'requirement')} do not apply: {reason}."


def headline(comparison: Comparison) -> str:
    """Return the comparison's sentence without what the requirements below it say.

    That is the interval of a number whose bounds stand in their table, and the reason why some of them do not apply.
    """
    shown = {item.requirement.metric for item in comparison.requirements if item.lower is not None}
    sentence, level = comparison.sentence, f"{100 * comparison.confidence:.4g} %"
    for one in comparison.metrics:
        if one.slice is None and one.metric in shown and one.lower is not None:
            value = f"{one.metric} {formatting.format_number(one.value)}"
            interval = formatting.format_interval(one.lower, one.upper)
            sentence = sentence.replace(f"{value} {interval} (two-sided {level} interval)", value)
            sentence = sentence.replace(f"{value} {interval}", value)  # as earlier versions wrote it
    for item in comparison.requirements:
        if item.verdict == "not-applicable":
            sentence = sentence.removesuffix(f"; {explain_verdict(item)}")
    return sentence


def evaluation_notes(comparison: Comparison) -> Iterator[str]:
    """Yield notes on the evaluation: the positive class, a retrain, rules of the base branch, rows that tests leave out."""
    champion = comparison.champion
    if comparison.positive is not None:
        why = "" if comparison.positive.named else ", the label that sorts last"
        yield f"The positive class is {format_label(comparison.positive.label)}{why}."
    if comparison.occasion == "retrained" and champion is not None and comparison.champion_state == "compared":
        yield f"This candidate is a retrain of v{champion.version}: the spec and the code are the same, but the rows or the packages are different."
    if comparison.rules_source is not None:
        yield f"The rules are those of {comparison.rules_source}; this change modifies them, but the modified rules apply only after the merge."
    older: tuple[tuple[str, ComparedRelease | None], ...] = (("champion", champion), ("anchor", comparison.anchor))
    for name, version in older:
        if version is not None and version.excluded:
            yield (
                f"The {name}, v{version.version}, may have been trained on {version.excluded:,} of the"
                f" {comparison.holdout_rows:,} holdout rows: tests against it leave these rows out."
            )


def worst_slices(comparison: Comparison) -> tuple[str, tuple[MetricValue, ...]] | None:
    """Return a heading and the slices with the worst values of the first metric that has slices; None without slices.

    Slices that are too small for an interval are used only if all slices are.
    """
    sliced = [item for item in comparison.metrics if item.slice is not None]
    names = [item.requirement.metric for item in comparison.requirements] + [item.metric for item in sliced]
    directed = {name: up for name, one in METRIC_DEFINITIONS.items() if (up := one.higher_is_better) is not None}
    metric = next((name for name in names if name in directed and any(item.metric == name for item in sliced)), None)
    if metric is None:
        return None
    known = [item for item in sliced if item.metric == metric]
    shown = sorted(
        [item for item in known if item.lower is not None] or known,
        key=lambda item: item.value if directed[metric] else -item.value,
    )[:_MAX_WORST_SLICES]
    among = f", the worst of {len(known):,} slices" if len(known) > len(shown) else ""
    return f"{metric} by slice{among}:", tuple(shown)


def holdout_budget_line(comparison: Comparison) -> str | None:
    """Return how many evaluations the holdout budget has left; None without a budget."""
    question = comparison.holdout_question
    if question is None:
        return None
    where = f"of {question.budget:,} evaluations on the holdout of {question.dataset}, epoch {question.epoch}"
    return f"{max(question.budget - question.number, 0):,} {where}, are left" if question.number else f"one {where}"


def slice_rows(values: tuple[MetricValue, ...]) -> list[tuple[str, ...]]:
    """Return slices as rows of a table: slice, value, interval, rows."""
    return [
        (
            item.slice or "",
            formatting.format_number(item.value),
            formatting.format_interval(item.lower, item.upper),
            f"{item.rows:,}",
        )
        for item in values
    ]
