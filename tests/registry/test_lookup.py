"""What a command line names is found in the registry, or the message offers what is there."""

from __future__ import annotations

import pytest

from mlops_ci.core.errors import Findings, UsageProblem
from mlops_ci.registry.lookup import require_release, require_release_record
from mlops_ci.registry.state import ModelState, fold_refs
from tests.support.registry_samples import RELEASE, plain_tag, tag


def state(*versions: str) -> ModelState:
    """Given tags of other tools, one a version, in that order, each on a commit of its own."""
    refs = [plain_tag(f"delay@v{version}", f"{at:040x}", at, f"{at:040x}") for at, version in enumerate(versions, 1)]
    return fold_refs(refs).model("delay")


def refusal(found: ModelState, version: str | None) -> tuple[str, str | None]:
    with pytest.raises(UsageProblem) as caught:
        require_release(found, version)
    (one,) = caught.value.diagnostics
    assert one.id == "release-unknown"
    return one.message, one.help


def test_without_a_version_it_is_the_highest_and_not_the_last_one() -> None:
    assert require_release(state("1.2.0", "1.10.0", "1.9.0"), None).version == "1.10.0"


@pytest.mark.parametrize("named", ["1.0.0", "v1.0.0"])
def test_a_version_is_found_with_or_without_its_letter(named: str) -> None:
    assert require_release(state("1.0.0", "2.0.0"), named).name == "delay@v1.0.0"


def test_before_the_first_release_the_help_makes_one() -> None:
    empty = ModelState("delay")
    assert refusal(empty, None) == ("'delay' has no release yet", "mlops-ci gate delay && mlops-ci release delay")
    assert refusal(empty, "1.0.0") == (
        "'delay' has no version 1.0.0",
        "create the first release: mlops-ci release delay",
    )


def test_a_misspelt_version_is_met_with_the_one_that_was_meant() -> None:
    message, help = refusal(state("1.0.0", "2.0.0"), "v1.0")
    assert message == "'delay' has no version 1.0"
    assert help == "did you mean '1.0.0'?"


def test_a_version_that_was_taken_back_is_said_to_be_revoked() -> None:
    refs = [plain_tag("delay@v1.0.0", "1" * 40, 1), plain_tag("delay@v1.0.0!", "2" * 40, 2)]
    message, help = refusal(fold_refs(refs).model("delay"), "1.0.0")
    assert message == "version 1.0.0 of 'delay' was revoked"
    assert help == "use another version (none is left); why it was revoked: mlops-ci history delay"


def test_the_record_of_a_release_is_its_own_and_a_tag_of_another_tool_has_none() -> None:
    ours = fold_refs([tag(RELEASE, "1" * 40, 1)]).model("delay")
    assert require_release_record(require_release(ours, None)) == RELEASE
    with pytest.raises(
        Findings, match=r"^tag delay@v1\.0\.0 has no record of a gate, so this release cannot be deployed$"
    ):
        require_release_record(require_release(state("1.0.0"), None))
