"""A requirement and what the gate found about it, as fields. Sentences are made from them, never the other way round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

TestKind = Literal["threshold", "ratio", "superiority", "non-inferiority", "no-regression"]
RequirementVerdict = Literal["pass", "fail", "inconclusive", "not-applicable"]
ReasonCode = Literal[
    "metric-unknown",
    "metric-without-test",
    "too-few-rows",
    "too-few-class-rows",
    "no-value",
    "no-interval",
    "not-measured",
    "too-few-groups",
    "no-baseline",
    "same-model",
    "incomparable",
    "other-change",
    "not-comparable",
    "baseline-not-measured",
    "baseline-zero",
    "value-measured",
    "ratio-measured",
    "interval-clear",
    "interval-crosses-limit",
    "improvement-shown",
    "deterioration-shown",
    "no-improvement-seen",
    "too-close",
    "margin-kept",
    "margin-exceeded",
    "beyond-margin",
    "regression-shown",
    "regression-seen",
    "slices-untested",
    "no-regression-shown",
]

SMALLEST_P_VALUE = 1e-16  # smaller ones are of no tail that anybody knows


@dataclass(frozen=True)
class RequirementTerms:
    """What a requirement asks of a metric, in the words of `gate.requirements` in a model's spec.

    `threshold` has `min`, `max` or both, and `by` where groups are compared; `ratio` has `max_ratio`; each other test has a
    `margin`. All but a threshold are `against` an older version. Raises ValueError for terms that are not those of the test.
    """

    metric: str
    test: TestKind
    against: Literal["champion", "anchor"] | None = None
    min: float | None = None
    max: float | None = None
    margin: float | None = None
    max_ratio: float | None = None
    by: str | None = None
    slices: tuple[str, ...] | Literal["all"] | None = None

    def __post_init__(self) -> None:
        """Refuse terms that do not belong to the test: records are read from what others wrote."""
        required, optional = _TERMS[self.test]
        given = _given_fields(self) - {"metric", "test"}
        if not required <= given <= required | optional or not given:
            raise ValueError(f"these terms do not fit the test {self.test}: {', '.join(sorted(given)) or 'none'}")


_MARGIN_TERMS = frozenset({"against", "margin"})
# of each test: the terms that it has, and those that it may have
_TERMS: Mapping[TestKind, tuple[frozenset[str], frozenset[str]]] = {
    "threshold": (frozenset(), frozenset({"min", "max", "by"})),
    "ratio": (frozenset({"against", "max_ratio"}), frozenset()),
    "superiority": (_MARGIN_TERMS, frozenset()),
    "non-inferiority": (_MARGIN_TERMS, frozenset()),
    "no-regression": (_MARGIN_TERMS, frozenset({"slices"})),
}


@dataclass(frozen=True)
class Reason:
    """Why a requirement has its verdict: a code, and the values that the requirement's result does not have itself.

    `needed` and `class_rows` count rows, `effective_rows` independent ones; `skipped` slices or groups that are too small.
    `lacking` is what the metric needs and the model does not give. `baseline` is an older version's name. `why` and `accepted` are words of people or of another step. `untested` are
    columns by which nothing could be tested. Raises ValueError for values that are not those of the code.
    """

    code: ReasonCode
    needed: int | None = None
    class_rows: int | None = None
    effective_rows: int | None = None
    lacking: Literal["probabilities", "scores"] | None = None
    baseline: str | None = None
    why: str | None = None
    accepted: str | None = None
    change_kind: Literal["changed", "retrained"] | None = None
    limit: float | None = None
    rate: Literal["selection", "true-positive", "false-positive"] | None = None
    highest_group: str | None = None
    lowest_group: str | None = None
    tests: int | None = None
    skipped: int | None = None
    untested: tuple[str, ...] | None = None
    untested_whole: bool | None = None

    def __post_init__(self) -> None:
        """Refuse values that do not belong to the code: records are read from what others wrote."""
        meaning = REASONS[self.code]
        given = _given_fields(self) - {"code"}
        if not meaning.required <= given <= meaning.required | meaning.optional:
            raise ValueError(f"these values do not fit the reason {self.code}: {', '.join(sorted(given)) or 'none'}")


class ReasonMeaning(NamedTuple):
    """The verdicts that a reason may explain, and the values that it has and may have."""

    verdicts: frozenset[RequirementVerdict]
    required: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()


_PASS: frozenset[RequirementVerdict] = frozenset({"pass"})
_FAIL: frozenset[RequirementVerdict] = frozenset({"fail"})
_OPEN: frozenset[RequirementVerdict] = frozenset({"inconclusive"})
_ASIDE: frozenset[RequirementVerdict] = frozenset({"not-applicable"})
_GAP = frozenset({"rate", "highest_group", "lowest_group", "skipped"})
REASONS: Mapping[ReasonCode, ReasonMeaning] = {
    "metric-unknown": ReasonMeaning(_OPEN),
    "metric-without-test": ReasonMeaning(_OPEN),
    "too-few-rows": ReasonMeaning(_OPEN, frozenset({"needed"}), frozenset({"effective_rows"})),
    "too-few-class-rows": ReasonMeaning(_OPEN, frozenset({"needed", "class_rows"})),
    "no-value": ReasonMeaning(_OPEN, optional=frozenset({"lacking"})),
    "no-interval": ReasonMeaning(_OPEN, optional=_GAP),
    "not-measured": ReasonMeaning(_OPEN),
    "too-few-groups": ReasonMeaning(_OPEN),
    "no-baseline": ReasonMeaning(_ASIDE),
    "same-model": ReasonMeaning(_ASIDE, frozenset({"baseline"})),
    "incomparable": ReasonMeaning(_OPEN | _ASIDE, frozenset({"why"}), frozenset({"accepted"})),
    "other-change": ReasonMeaning(_ASIDE, frozenset({"change_kind"})),
    "not-comparable": ReasonMeaning(_OPEN),
    "baseline-not-measured": ReasonMeaning(_OPEN, frozenset({"baseline"})),
    "baseline-zero": ReasonMeaning(_OPEN, frozenset({"baseline"})),
    "value-measured": ReasonMeaning(_PASS | _FAIL),
    "ratio-measured": ReasonMeaning(_PASS | _FAIL, frozenset({"baseline"})),
    "interval-clear": ReasonMeaning(_PASS | _FAIL, optional=_GAP),
    "interval-crosses-limit": ReasonMeaning(_OPEN, frozenset({"limit"}), _GAP),
    "improvement-shown": ReasonMeaning(_PASS),
    "deterioration-shown": ReasonMeaning(_FAIL),
    "no-improvement-seen": ReasonMeaning(_OPEN),
    "too-close": ReasonMeaning(_OPEN),
    "margin-kept": ReasonMeaning(_PASS),
    "margin-exceeded": ReasonMeaning(_FAIL),
    "beyond-margin": ReasonMeaning(_OPEN),
    "regression-shown": ReasonMeaning(_FAIL, frozenset({"tests", "skipped"})),
    "regression-seen": ReasonMeaning(_OPEN, frozenset({"tests", "skipped"})),
    "slices-untested": ReasonMeaning(_OPEN, frozenset({"tests", "skipped", "untested", "untested_whole"})),
    "no-regression-shown": ReasonMeaning(_PASS, frozenset({"tests", "skipped"})),
}


@dataclass(frozen=True)
class RequirementResult:
    """One requirement's verdict. `difference` is candidate minus baseline, turned so that positive is better.

    `rows` are the holdout rows that it rests on, `lower` and `upper` the bounds of the difference where there is one, else
    of the candidate's value. `labels_needed` is how many more labelled holdout rows would let the test decide at 80 % power,
    were the effect as seen. Raises ValueError for a verdict that the reason does not explain.
    """

    requirement: RequirementTerms
    verdict: RequirementVerdict
    reason: Reason
    candidate: float | None = None
    baseline: float | None = None
    difference: float | None = None
    lower: float | None = None
    upper: float | None = None
    p_value: float | None = None
    rows: int | None = None
    slice: str | None = None
    labels_needed: int | None = None

    def __post_init__(self) -> None:
        """Refuse a reason that does not explain the verdict: records are read from what others wrote."""
        if self.verdict not in REASONS[self.reason.code].verdicts:
            raise ValueError(f"the reason {self.reason.code} does not fit the verdict {self.verdict}")


def _given_fields(value: RequirementTerms | Reason) -> set[str]:
    return {name for name, item in vars(value).items() if item is not None}
