"""Check of the owners of the files that define the rules: specs, policy and workflows."""

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
    """Return the paths whose changes can change the rules: specs, workflows, allowed signers, code of custom metrics."""
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
    """Return the path of the effective CODEOWNERS and the guarded paths without owners; None without a CODEOWNERS."""
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
    """Yield whether each file that defines the rules has an owner."""
    what = "specs, policy and workflows have owners"
    found = find_unowned_paths(world)
    if found is None:
        yield DoctorCheckResult(
            GROUP,
            what,
            "advisory",
            f"there is no CODEOWNERS {world.source_phrase}",
            "write .github/CODEOWNERS, such as `* @your-org/ml`, and require a review by code owners in the branch's rules",
        )
        return
    place, bare = found
    if bare:
        yield DoctorCheckResult(
            GROUP,
            what,
            "advisory",
            f"{place} ({world.source_phrase}) names no owners for {join_names(bare)}",
            "add lines for them; the last line that matches a path counts",
        )
        return
    yield DoctorCheckResult(
        GROUP,
        what,
        "ok",
        f"{place} ({world.source_phrase}) names owners for each of {len(guarded_paths(world)):,} paths",
    )
