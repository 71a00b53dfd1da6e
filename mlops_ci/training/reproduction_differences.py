"""Explains why a model that was trained again differs from the recorded one, as far as the records show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlops_ci.core.records.training_run import TrainingEnvironment
from mlops_ci.core.results.queries import Cause, RecordedDifference


def find_difference_causes(
    recorded: TrainingEnvironment, used: TrainingEnvironment, toolkits: tuple[str, str], digests: tuple[str, ...]
) -> tuple[Cause, ...]:
    """Return the possible causes of a difference between two models; there is always at least one.

    `toolkits` are the mlops-ci versions of the release and of this process. `digests` are the digests of the models that
    were trained here from the same inputs. The processor is a cause only when nothing else explains the difference: the
    libraries are as recorded, and two trainings here give the same model.
    """
    causes = [*_library_causes(recorded, used), *_seed_causes(digests)]
    if not causes:
        causes += _cpu_causes(recorded, used)
    causes += _toolkit_causes(*toolkits)
    sentence = (
        "everything in the record is unchanged; something that is not recorded (a dependency of a library, an "
        "environment variable) may differ"
    )
    return tuple(causes) or (Cause("unexplained", sentence),)


def find_changed_values(
    recorded: Mapping[str, str | None], found: Mapping[str, str | None]
) -> tuple[RecordedDifference, ...]:
    """Return the entries that differ between two mappings, in the order of the first."""
    names = dict.fromkeys((*recorded, *found))
    return tuple(
        RecordedDifference(name, recorded.get(name), found.get(name))
        for name in names
        if recorded.get(name) != found.get(name)
    )


def _library_causes(recorded: TrainingEnvironment, used: TrainingEnvironment) -> Iterator[Cause]:
    before = {"Python": recorded.python, **recorded.packages}
    if changed := find_changed_values(before, {"Python": used.python, **used.packages}):
        shown = ", ".join(
            f"{one.what} (recorded: {one.recorded}, here: {one.found or 'not installed'})" for one in changed[:5]
        )
        more = f" and {len(changed) - 5} more" if len(changed) > 5 else ""
        yield Cause("library", f"library versions differ: {shown}{more}", changed)


def _seed_causes(digests: tuple[str, ...]) -> Iterator[Cause]:
    if len(set(digests)) > 1:
        evidence = (RecordedDifference("model digest of two trainings here", digests[0], digests[1]),)
        yield Cause(
            "unseeded",
            "two trainings here on the same rows with the same seed give different models: the estimator uses random "
            "numbers that the seed does not control",
            evidence,
        )


def _cpu_causes(recorded: TrainingEnvironment, used: TrainingEnvironment) -> Iterator[Cause]:
    before, now = (
        {"platform": one.platform, "cpu": one.cpu, "kernels": ", ".join(one.threadpools)} for one in (recorded, used)
    )
    if changed := find_changed_values(before, now):
        shown = "; ".join(f"{one.what} {one.recorded or 'unknown'}, here {one.found or 'unknown'}" for one in changed)
        yield Cause(
            "cpu", f"the CPU kernels differ: the libraries are the same, but the machine is not: {shown}", changed
        )


def _toolkit_causes(before: str, now: str) -> Iterator[Cause]:
    if before != now:
        yield Cause(
            "toolkit",
            f"the toolkit versions differ: the release was made with mlops-ci {before}, and this is mlops-ci {now}",
            (RecordedDifference("mlops-ci", before, now),),
        )
