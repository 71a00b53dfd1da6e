"""How far verdicts can be trusted: where they come from, and who can read what a model is judged on."""

from __future__ import annotations

from collections.abc import Iterator

from mlops_ci.core.results.doctor import Examined
from mlops_ci.governance.doctor.context import World
from mlops_ci.governance.doctor.host import listed
from mlops_ci.spec.spec_types import Trust

GROUP = "judging"
_TRUSTED: dict[Trust, str] = {
    "local": "a release takes a verdict of anybody's machine",
    "single-job": "a release takes a verdict of a job that the candidate's own code ran in",
    "separated": "a release takes only verdicts of a job that ran no code of the candidate",
}


def judging(world: World) -> Iterator[Examined]:
    """Tell what a release accepts, and for each kind of holdout which datasets have it."""
    yield _trust(world)
    datasets = world.project.specs.datasets
    splits = {name: one.spec.split for name, one in datasets.items()}
    sealed = [name for name, one in splits.items() if one.by == "sealed" and one.source and one.source.url]
    inside = [name for name, one in splits.items() if one.by == "sealed" and name not in sealed]
    readable = [name for name, one in splits.items() if one.by != "sealed"]
    if sealed:
        evidence = f"{listed(sealed)}: at a URL, out of reach for training code where its job has no credentials"
        yield Examined(GROUP, "sealed holdouts", "ok", evidence)
    what = "training code cannot read the holdout"
    if inside:
        evidence = f"{listed(inside)}: the sealed holdout lies in the repository, where training code can read it"
        yield Examined(GROUP, what, "advisory", evidence, "move it to a URL: split.source.url")
    if readable:
        evidence = f"{listed(readable)}: the holdout is rows of the repository's own data, which training code can read"
        yield Examined(
            GROUP, what, "advisory", evidence, "seal it: `split: {by: sealed, source: {type: parquet, url: s3://...}}`"
        )
    unlimited = [name for name, one in splits.items() if one.holdout_budget is None]
    counted = [f"{name}: {one.holdout_budget}" for name, one in splits.items() if one.holdout_budget is not None]
    what = "questions to a holdout are counted"
    if counted:
        yield Examined(GROUP, what, "ok", listed(counted))
    if unlimited:
        evidence = (
            f"{listed(unlimited)}: any number of candidates may be judged on the same rows, each at full confidence"
        )
        yield Examined(
            GROUP, what, "advisory", evidence, "add `split: {holdoutBudget: 50}`, in a reviewed commit", minor=True
        )


def _trust(world: World) -> Examined:
    trust = world.project.specs.project.spec.policy.trust
    if trust == "separated":
        return Examined(GROUP, "verdicts are trusted", "ok", _TRUSTED[trust])
    return Examined(
        GROUP,
        "verdicts are trusted",
        "advisory",
        f"`policy.trust` is {trust}: {_TRUSTED[trust]}",
        "let the workflow gate.yml judge, and add `policy: {trust: separated}` in a reviewed commit",
    )
