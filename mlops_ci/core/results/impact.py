"""What a change touches."""

from __future__ import annotations

from collections.abc import Sequence
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


@dataclass(frozen=True)
class ProjectImpact:
    """A project of the repository, and what a change touches in it.

    `folder` is that of its mlops.yaml in the repository, `environment` the first one of its order, `requirements` the file of packages
    that its code needs, or empty. `key` names the call that asked: it is part of the names of what its jobs hand on.
    """

    name: str
    folder: str
    environment: str
    requirements: str
    key: str
    impact: AffectedReport

    @property
    def gate_jobs(self) -> GateJobs:
        """The jobs that the gate of the change has for this project."""
        return GateJobs.of(len(self.impact.batches), sum(model.custom for model in self.impact.models))


@dataclass(frozen=True)
class ProjectsReport:
    """Every project of the repository, and what a change touches in each."""

    projects: tuple[ProjectImpact, ...]

    @property
    def affected_projects(self) -> tuple[ProjectImpact, ...]:
        """The projects with a model that the change touches."""
        return tuple(one for one in self.projects if one.impact.models)

    @property
    def gate_jobs(self) -> int:
        """How many jobs the gate of the change has."""
        return total_gate_jobs([one.gate_jobs for one in self.affected_projects])


@dataclass(frozen=True)
class GateJobs:
    """The jobs of one project in a gate, as `.github/workflows/gate-project.yml` has them; a test compares the two."""

    train: int
    features: int
    predict: int
    judge: int = 1
    keep: int = 1

    @classmethod
    def of(cls, batches: int, custom: int) -> GateJobs:
        """Return the jobs for models in so many batches, of which so many models have code that only a job without rights may run."""
        return cls(batches, min(custom, 1), custom)

    @property
    def total(self) -> int:
        """All of them."""
        return self.train + self.features + self.predict + self.judge + self.keep


def total_gate_jobs(projects: Sequence[GateJobs]) -> int:
    """Return the jobs of a gate for these projects: one finds them and one gives the verdict, which nothing needs where there is none."""
    return 1 + (sum(one.total for one in projects) + 1 if projects else 0)


MATRIX_LIMIT = 256  # jobs that GitHub lets one matrix have
