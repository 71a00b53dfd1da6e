"""What a change touches."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class AffectedItem:
    """A model or a dataset that a change touches, and why; `custom`: a model with code of the repository's own, or types that its spec trusts."""

    name: str
    reasons: tuple[str, ...]
    custom: bool = False


@dataclass(frozen=True)
class AffectedReport:
    """The models and datasets that a change touches.

    `compared` says what the work tree was compared with, by name and commit, and `commits` are its ids; it is None where the
    answer does not come from a comparison, and `because` says why. `removed` are specs that are gone, `of` is how many models there are.
    """

    models: tuple[AffectedItem, ...]
    datasets: tuple[AffectedItem, ...]
    removed: tuple[str, ...]
    total_models: int
    compared: str | None = None
    because: str | None = None
    commits: tuple[str, ...] = ()

    @property
    def batches(self) -> tuple[tuple[str, ...], ...]:
        """The models by name, in at most LIMIT groups of nearly the same size: one each where there are that few."""
        names = [model.name for model in self.models]
        jobs = min(len(names), MATRIX_LIMIT)
        cuts = [len(names) * at // jobs for at in range(jobs + 1)] if jobs else [0]
        return tuple(tuple(names[start:end]) for start, end in pairwise(cuts))


MATRIX_LIMIT = 256  # jobs that GitHub lets one matrix have
