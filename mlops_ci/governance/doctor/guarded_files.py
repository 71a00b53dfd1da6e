"""The repository's files that guard it: who owns its specs and workflows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from mlops_ci.core.results.doctor import Examined
from mlops_ci.governance.doctor import codeowners as owners
from mlops_ci.governance.doctor.context import World
from mlops_ci.governance.doctor.host import listed
from mlops_ci.spec.located_spec import Loaded

GROUP = "review"


def guarded(world: World) -> tuple[str, ...]:
    """Return the paths of the repository whose changes change what is demanded: specs, workflows, signers, metrics' code."""
    specs = world.project.specs
    every: list[Loaded[Any]] = [specs.project, *specs.datasets.values(), *specs.models.values()]
    every += specs.deployments.values()
    paths = {world.place(one.path) for one in every}
    paths |= {
        world.place(PurePosixPath(metric.entrypoint.partition(":")[0]).as_posix())
        for model in specs.models.values()
        for metric in model.spec.evaluate.custom.values()
    }
    if (signing := specs.project.spec.signing) is not None:
        paths.add(world.place(PurePosixPath(signing.allowed_signers).as_posix()))
    return tuple(sorted(paths | set(world.workflows) | {".github/workflows/new.yml"}))


def uncovered(world: World) -> tuple[str, tuple[str, ...]] | None:
    """Return the CODEOWNERS that counts and the guarded paths that nobody owns in it; None where there is none."""
    for place in owners.PLACES:
        content = world.read(place)
        if content is not None:
            lines = (
                owners.parse(content[: owners.LIMIT].decode("utf-8", "replace")) if len(content) <= owners.LIMIT else ()
            )
            return place, tuple(path for path in (place, *guarded(world)) if not owners.owners_of(lines, path))
    return None


def review(world: World) -> Iterator[Examined]:
    """Tell whether somebody owns each file that says what is demanded."""
    what = "specs, policy and workflows have owners"
    found = uncovered(world)
    if found is None:
        yield Examined(
            GROUP,
            what,
            "advisory",
            f"there is no CODEOWNERS {world.source}",
            "write .github/CODEOWNERS, such as `* @your-org/ml`, and let the branch's rules require a review of code owners",
        )
        return
    place, bare = found
    if bare:
        yield Examined(
            GROUP,
            what,
            "advisory",
            f"in {place} ({world.source}) nobody owns {listed(bare)}",
            "add lines for them; the last line that matches a path counts",
        )
        return
    yield Examined(
        GROUP, what, "ok", f"{place} ({world.source}) names owners for each of {len(guarded(world)):,} paths"
    )
