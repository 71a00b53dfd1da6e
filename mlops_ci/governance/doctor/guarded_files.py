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


def _read_codeowners(world: DoctorContext) -> tuple[str, tuple[codeowners.CodeownersLine, ...]] | None:
    """Return the path of the effective CODEOWNERS and its lines, none of a file that GitHub ignores; None without a file."""
    for place in codeowners.CODEOWNERS_PATHS:
        content = world.read_file(place)
        if content is not None:
            small = (
                content[: codeowners.MAX_CODEOWNERS_BYTES] if len(content) <= codeowners.MAX_CODEOWNERS_BYTES else b""
            )
            return place, codeowners.parse_codeowners(small.decode("utf-8", "replace"))
    return None


def find_unowned_paths(world: DoctorContext) -> tuple[str, tuple[str, ...]] | None:
    """Return the path of the effective CODEOWNERS and the guarded paths without owners; None without a CODEOWNERS."""
    found = _read_codeowners(world)
    if found is None:
        return None
    place, lines = found
    return place, tuple(path for path in (place, *guarded_paths(world)) if not codeowners.find_owners(lines, path))


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


def check_project_owners(world: DoctorContext) -> Iterator[DoctorCheckResult]:
    """Yield whether the owners of each project are those that CODEOWNERS names for its folder."""
    what, found = "each project has its own owners", _read_codeowners(world)
    folders = tuple(folder for folder in world.projects if folder != ".")
    if found is None or not folders:
        return
    place, lines = found
    general = [folder for folder in folders if not any(line.owners and line.is_for(folder) for line in lines)]
    overridden = [text for folder in folders for text in _overridden_lines(world, folder, lines)]
    if overridden:
        yield DoctorCheckResult(
            GROUP,
            what,
            "advisory",
            f"{place} ({world.source_phrase}): {join_names(overridden)}",
            "move the lines of the folder behind the general ones: the last line that matches a path counts",
        )
    if general and len(world.projects) > 1:
        yield DoctorCheckResult(
            GROUP,
            what,
            "advisory",
            f"{place} ({world.source_phrase}) has no line for {join_names(general)}: the owners of other files own these projects, too",
            "mlops-ci init FOLDER --ci github --owner @ORG/TEAM adds the lines",
        )
    if not overridden and (not general or len(world.projects) == 1):
        yield DoctorCheckResult(GROUP, what, "ok", f"{place} ({world.source_phrase}): {join_names(folders)}")


def _overridden_lines(world: DoctorContext, folder: str, lines: tuple[codeowners.CodeownersLine, ...]) -> Iterator[str]:
    """Yield a text for each line by which another one, of other owners, takes specs of a project from the owners of its folder."""
    own = [line for line in lines if line.is_for(folder)]
    seen: set[int] = set()
    for path in sorted(world.files):
        if not path.startswith(f"{folder}/") or not path.endswith((".yaml", ".yml")):
            continue
        meant, counted = codeowners.find_line(own, path), codeowners.find_line(lines, path)
        if meant and counted and meant.owners != counted.owners and counted.number not in seen:
            seen.add(counted.number)
            owners = " ".join(counted.owners) or "nobody"
            yield (
                f"line {counted.number} makes {owners} the owner of {path}, after line {meant.number} named {' '.join(meant.owners) or 'nobody'}"
            )
