"""The records of the gate: the answer for one candidate, and the question that it asked of the holdout."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from mlops_ci.core.choices import Trust
from mlops_ci.core.records.base import RECORD_FORMAT, ProjectRef
from mlops_ci.core.requirements import RequirementResult

Verdict = Literal["pass", "fail", "inconclusive", "incomparable"]


@dataclass(frozen=True)
class MetricValue:
    """A metric on the holdout or a slice of it, with its two-sided interval at the gate's confidence where it has one."""

    metric: str
    value: float
    lower: float | None = None
    upper: float | None = None
    slice: str | None = None
    rows: int = 0


@dataclass(frozen=True)
class ComparedRelease:
    """A released version that a candidate is measured against; `excluded` holdout rows were its to learn from, and left out."""

    version: str
    run: str
    model_digest: str
    release_oid: str
    metrics: tuple[MetricValue, ...] = ()
    excluded: int = 0


@dataclass(frozen=True)
class HoldoutQuestion:
    """What an answer of the gate cost: one of `budget` questions to an epoch of a dataset's holdout.

    `number` is the question's place in the ledger, from 1. A run keeps none: whoever loses the race for a place takes another.
    """

    dataset: str
    epoch: int
    budget: int
    number: int | None = None


@dataclass(frozen=True)
class PositiveClass:
    """The class of a binary target that metrics such as recall are about; not `named`: the label that sorts last."""

    label: str | int | bool
    named: bool


@dataclass(frozen=True)
class Comparison:
    """The gate's answer for one candidate. `champion` is None only when `champion_state` says that there is none.

    `confidence` is that of each test. `holdout_question` is there where questions to the holdout are counted.
    `rules_source` is the branch and commit whose rules these were, where they are not the candidate's own.
    `trust` is that of the place where the gate ran.
    """

    key: str
    model: str
    run: str
    model_digest: str
    champion_state: Literal["none", "same", "compared", "incomparable"]
    holdout_digest: str
    holdout_rows: int
    policy_digest: str
    confidence: float
    metrics: tuple[MetricValue, ...]
    requirements: tuple[RequirementResult, ...]
    verdict: Verdict
    sentence: str
    champion: ComparedRelease | None = None
    holdout_question: HoldoutQuestion | None = None
    anchor: ComparedRelease | None = None
    occasion: Literal["changed", "retrained"] | None = None
    rules_source: str | None = None
    trust: Trust | None = None
    positive: PositiveClass | None = None
    project: ProjectRef = field(kw_only=True)
    kind: Literal["Comparison"] = "Comparison"
    format: Literal[1] = RECORD_FORMAT


@dataclass(frozen=True)
class HoldoutLedgerEntry:
    """A model that was judged on a holdout: what the ledger of its dataset and epoch keeps, one commit each."""

    dataset: str
    epoch: int
    holdout_digest: str
    model_digest: str
    model: str
    run: str
    asked_on: str
    project: ProjectRef = field(kw_only=True)
    kind: Literal["Question"] = "Question"
    format: Literal[1] = RECORD_FORMAT
