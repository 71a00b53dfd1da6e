"""The repository's files that guard it: who owns its specs and workflows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from mlops_ci.core.results.doctor import DoctorCheckResult
from mlops_ci.governance.doctor import codeowners
from mlops_ci.governance.doctor.context import DoctorContext
from mlops_ci.governance.doctor.host import join_names
from mlops_ci.spec.located_spec import LocatedSpec

GROUP = "review"


def guarded_paths(world: DoctorContext) -> tuple[str, ...]:
    """Return the paths of the repository whose changes change what is demanded: specs, workflows, signers, metrics' code."""
    specs = world.project.specs
    every: list[LocatedSpec[Any]] = [specs.project, *specs.datasets.values(), *specs.models.values()]
    every += specs.deployments.values()
    paths = {world.repository_path(one.path) for one in every}
    paths |= {
        world.repository_path(PurePosixPath(metric.entrypoint.partition(":")[0]).as_posix())
        for model in specs.models.values()
        for metric in model.spec.evaluate.custom.values()
    }
    if (signing := specs.project.spec.signing) is not None:
        paths.add(world.repository_path(PurePosixPath(signing.allowed_signers).as_posix()))
    return tuple(sorted(paths | set(world.workflows) | {".github/workflows/new.yml"}))


def find_unowned_paths(world: DoctorContext) -> tuple[str, tuple[str, ...]] | None:
    """Return the CODEOWNERS that counts and the guarded paths that nobody owns in it; None where there is none."""
    for place in codeowners.CODEOWNERS_PATHS:
        content = world.read_file(place)
        if content is not None:
            lines = (
                codeowners.parse_codeowners(content[: codeowners.MAX_CODEOWNERS_BYTES].decode("utf-8", "replace"))
                if len(content) <= codeowners.MAX_CODEOWNERS_BYTES
                else ()
            )
            return place, tuple(
                path for path in (place, *guarded_paths(world)) if not codeowners.find_owners(lines, path)
            )
    return None


def check_code_owners(world: DoctorContext) -> Iterator[DoctorCheckResult]:
    """Tell whether somebody owns each file that says what is demanded."""
    what = "specs, policy and workflows have owners"
    found = find_unowned_paths(world)
    if found is None:
        yield DoctorCheckResult(
            GROUP,
            what,
            "advisory",
            f"there is no CODEOWNERS {world.source_phrase}",
            "write .github/CODEOWNERS, such as `* @your-org/ml`, and let the branch's rules require a review of code owners",
        )
        return
    place, bare = found
    if bare:
        yield DoctorCheckResult(
            GROUP,
            what,
            "advisory",
            f"in {place} ({world.source_phrase}) nobody owns {join_names(bare)}",
            "add lines for them; the last line that matches a path counts",
        )
        return
    yield DoctorCheckResult(
        GROUP,
        what,
        "ok",
        f"{place} ({world.source_phrase}) names owners for each of {len(guarded_paths(world)):,} paths",
    )
