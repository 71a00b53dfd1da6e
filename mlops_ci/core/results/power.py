"""What `gate --power` answers: how small a difference each requirement could see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mlops_ci.core.requirements import RequirementTerms

PowerBasis = Literal["the last release", "assumption", "not known before the first release"]


@dataclass(frozen=True)
class RequirementPower:
    """One requirement, of the holdout as a whole: a slice has fewer rows, and sees less. `smallest` is the true difference (from the champion, or from a floor) that it would see.

    `relative`: as a share of the champion's value. `basis` says where the models' differences from row to row are taken from.
    """

    requirement: RequirementTerms
    smallest: float | None
    basis: PowerBasis
    relative: bool = False


@dataclass(frozen=True)
class ModelPower:
    """One model's holdout: its rows, those of its rarest class, the level of each test, and the power that is meant by "see".

    `worth` is how many independent rows of equal weight they are worth, where they are not that themselves.
    """

    model: str
    rows: int
    rarest: int | None
    alpha: float
    power: float
    requirements: tuple[RequirementPower, ...]
    effective_rows: int | None = None


@dataclass(frozen=True)
class PowerReport:
    """What the gates of these models could tell."""

    models: tuple[ModelPower, ...]
