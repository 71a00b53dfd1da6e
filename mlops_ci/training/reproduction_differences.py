"""Why a model that was trained again is not the same: what has moved since, as far as that can be told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlops_ci.core.records.training_run import TrainingEnvironment
from mlops_ci.core.results.queries import Cause, RecordedDifference


def find_difference_causes(
    recorded: TrainingEnvironment, used: TrainingEnvironment, toolkits: tuple[str, str], digests: tuple[str, ...]
) -> tuple[Cause, ...]:
    """Name what can explain that a model is another one; never nothing.

    `toolkits` are the version that made the release and the one here, `digests` those of the models that were trained here
    from the same inputs. The processor is named only where nothing else can explain it: the libraries are as recorded,
    and two trainings here agree.
    """
    found = [*_library_causes(recorded, used), *_seed_causes(digests)]
    if not found:
        found += _cpu_causes(recorded, used)
    found += _toolkit_causes(*toolkits)
    sentence = "everything that is recorded is as it was; what is not (a library's own dependency, an environment variable) may differ"
    return tuple(found) or (Cause("unexplained", sentence),)


def find_changed_values(
    recorded: Mapping[str, str | None], found: Mapping[str, str | None]
) -> tuple[RecordedDifference, ...]:
    """Return what differs between two mappings, in the order of the first."""
    names = dict.fromkeys((*recorded, *found))
    return tuple(
        RecordedDifference(name, recorded.get(name), found.get(name))
        for name in names
        if recorded.get(name) != found.get(name)
    )


def _library_causes(recorded: TrainingEnvironment, used: TrainingEnvironment) -> Iterator[Cause]:
    before = {"Python": recorded.python, **recorded.packages}
    if gone := find_changed_values(before, {"Python": used.python, **used.packages}):
        shown = ", ".join(f"{one.what} {one.recorded} is {one.found or 'not installed'} here" for one in gone[:5])
        more = f" and {len(gone) - 5} more" if len(gone) > 5 else ""
        yield Cause("library", f"a library has moved: {shown}{more}", gone)


def _seed_causes(digests: tuple[str, ...]) -> Iterator[Cause]:
    if len(set(digests)) > 1:
        evidence = (RecordedDifference("model digest of two trainings here", digests[0], digests[1]),)
        yield Cause(
            "unseeded",
            "two trainings here, of the same rows with the same seed, do not agree: the estimator draws numbers that the seed does not decide",
            evidence,
        )


def _cpu_causes(recorded: TrainingEnvironment, used: TrainingEnvironment) -> Iterator[Cause]:
    before, now = (
        {"platform": one.platform, "cpu": one.cpu, "kernels": ", ".join(one.threadpools)} for one in (recorded, used)
    )
    if differs := find_changed_values(before, now):
        shown = "; ".join(f"{one.what} {one.recorded or 'unknown'}, here {one.found or 'unknown'}" for one in differs)
        yield Cause("cpu", f"another CPU kernel: the libraries are the same, the machine is not: {shown}", differs)


def _toolkit_causes(before: str, now: str) -> Iterator[Cause]:
    if before != now:
        yield Cause(
            "toolkit",
            f"the toolkit has moved: mlops-ci {before} made it, this is {now}",
            (RecordedDifference("mlops-ci", before, now),),
        )
