"""Checks of the trust in verdicts: where they are computed, and who can read the holdouts."""

from __future__ import annotations

from collections.abc import Iterator

from mlops_ci.core.choices import Trust
from mlops_ci.core.results.doctor import DoctorCheckResult
from mlops_ci.governance.doctor.context import DoctorContext
from mlops_ci.governance.doctor.host import join_names

GROUP = "verdicts"
_TRUST_TEXTS: dict[Trust, str] = {
    "local": "a release accepts a verdict from any machine",
    "single-job": "a release accepts a verdict from a job that also ran the candidate's code",
    "separated": "a release accepts only verdicts from a job that ran none of the candidate's code",
}


def check_verdict_trust(world: DoctorContext) -> Iterator[DoctorCheckResult]:
    """Yield the trust that a release requires, and the datasets with each kind of holdout."""
    yield _check_release_trust(world)
    datasets = world.project.specs.datasets
    splits = {name: one.spec.split for name, one in datasets.items()}
    sealed = [name for name, one in splits.items() if one.by == "sealed" and one.source and one.source.url]
    inside = [name for name, one in splits.items() if one.by == "sealed" and name not in sealed]
    readable = [name for name, one in splits.items() if one.by != "sealed"]
    if sealed:
        evidence = f"{join_names(sealed)}: the holdout is at a URL, and training code cannot read it if its job has no credentials"
        yield DoctorCheckResult(GROUP, "sealed holdouts", "ok", evidence)
    what = "training code cannot read the holdout"
    if inside:
        evidence = f"{join_names(inside)}: the sealed holdout is in the repository, where training code can read it"
        yield DoctorCheckResult(GROUP, what, "advisory", evidence, "move it to a URL: split.source.url")
    if readable:
        evidence = (
            f"{join_names(readable)}: the holdout is part of the dataset's own rows, which training code can read"
        )
        yield DoctorCheckResult(
            GROUP, what, "advisory", evidence, "seal it: `split: {by: sealed, source: {type: parquet, url: s3://...}}`"
        )
    unlimited = [name for name, one in splits.items() if one.holdout_budget is None]
    counted = [f"{name}: {one.holdout_budget}" for name, one in splits.items() if one.holdout_budget is not None]
    what = "evaluations on a holdout are counted"
    if counted:
        yield DoctorCheckResult(GROUP, what, "ok", join_names(counted))
    if unlimited:
        evidence = (
            f"{join_names(unlimited)}: any number of candidates may be evaluated on the same rows, and every further candidate makes a"
            " wrong promotion more likely"
        )
        yield DoctorCheckResult(
            GROUP, what, "advisory", evidence, "add `split: {holdoutBudget: 50}`, in a reviewed commit", minor=True
        )


def _check_release_trust(world: DoctorContext) -> DoctorCheckResult:
    trust = world.project.specs.project.spec.policy.trust
    if trust == "separated":
        return DoctorCheckResult(GROUP, "verdicts are trusted", "ok", _TRUST_TEXTS[trust])
    return DoctorCheckResult(
        GROUP,
        "verdicts are trusted",
        "advisory",
        f"`policy.trust` is {trust}: {_TRUST_TEXTS[trust]}",
        "run the gate with the workflow gate.yml, and add `policy: {trust: separated}` in a reviewed commit",
    )
