"""What can explain another model: named only where it can be the reason."""

from __future__ import annotations

from dataclasses import replace

from mlops_ci.core.records.training_run import TrainingEnvironment
from mlops_ci.core.results.queries import RecordedDifference
from mlops_ci.training.reproduction_differences import find_difference_causes

RECORDED = TrainingEnvironment("3.11.7", {"numpy": "2.0", "scipy": "1.0"}, "Linux-x86_64", "one", ("openblas Haswell",))
ELSEWHERE = replace(RECORDED, cpu="another", threadpools=("openblas Zen",))
SAME, AGREE = ("0.1.0", "0.1.0"), ("d1", "d1")


def kinds(used: TrainingEnvironment, toolkits: tuple[str, str] = SAME, digests: tuple[str, ...] = AGREE) -> list[str]:
    return [cause.kind for cause in find_difference_causes(RECORDED, used, toolkits, digests)]


def test_a_machine_is_blamed_only_when_nothing_else_can_be() -> None:
    assert kinds(ELSEWHERE) == ["cpu"]
    assert kinds(replace(ELSEWHERE, packages={"numpy": "2.1", "scipy": "1.0"})) == ["library"]
    assert kinds(ELSEWHERE, digests=("d1", "d2")) == ["unseeded"]


def test_python_is_a_library_and_every_one_that_moved_is_evidence() -> None:
    used = replace(RECORDED, python="3.12.1", packages={"numpy": "2.0"})
    (cause,) = find_difference_causes(RECORDED, used, SAME, AGREE)
    assert cause.kind == "library"
    assert cause.evidence == (
        RecordedDifference("Python", "3.11.7", "3.12.1"),
        RecordedDifference("scipy", "1.0", None),
    )
    assert "scipy (recorded: 1.0, here: not installed)" in cause.sentence


def test_a_toolkit_that_moved_is_named_beside_the_rest() -> None:
    assert kinds(RECORDED, ("0.1.0", "0.2.0")) == ["toolkit"]
    assert kinds(ELSEWHERE, ("0.1.0", "0.2.0"), ("d1", "d2")) == ["unseeded", "toolkit"]


def test_what_nothing_explains_is_called_that() -> None:
    assert kinds(RECORDED) == ["unexplained"]
