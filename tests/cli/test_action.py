"""The inputs of an Action, which anybody may have written, become values of its own options and nothing else."""

from __future__ import annotations

import json
from typing import Any

import click
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_ci.cli.action import arguments, run_action
from mlops_ci.cli.parser import build_command_group
from mlops_ci.cli.verbs import all_verbs, find_verb
from mlops_ci.core.errors import UsageProblem
from mlops_ci.core.verbs import Verb

ACTIONS = [verb for verb in all_verbs() if "action" in verb.surfaces]
HOSTILE = st.sampled_from(
    [
        "--force",
        "-C",
        "-C/",
        "--",
        "--format=json",
        "-h",
        "--help",
        "a --force",
        "x\n--force",
        '["--force"]',
        "@/etc/passwd",
        "$(id)",
        "*",
        "-1",
    ]
)
TEXT = st.text(max_size=20) | HOSTILE | st.sampled_from(["true", "false", "3", "", " "])


def parsed(argv: list[str]) -> tuple[str, dict[str, Any]]:
    """What the command line makes of it: the verb, and its options."""
    seen: list[tuple[str, dict[str, Any]]] = []

    def note(verb: Verb, options: dict[str, Any]) -> int:
        seen.append((verb.name, options))
        return 0

    build_command_group(note).main(args=argv, prog_name="mlops-ci", standalone_mode=False)
    (found,) = seen  # nothing was printed instead, such as help
    return found


@given(st.sampled_from(ACTIONS), st.data())
def test_whatever_the_inputs_hold_each_stays_the_value_of_its_own_option(action: Verb, data: st.DataObject) -> None:
    inputs = data.draw(st.fixed_dictionaries({}, optional={option.flag: TEXT for option in action.inputs}))
    try:
        argv = arguments(action, inputs)
    except UsageProblem:
        return
    name, options = parsed(argv)
    assert (name, options.pop("fmt")) == (action.name, "github")
    assert options.pop("chdir") == (
        (inputs.get("working-directory", "").strip() and inputs["working-directory"]) or "."
    )
    assert options.pop("every_requirement", False) is False  # an Action has no such input
    for option in (one for one in action.inputs if one.name in options):
        value, text = options.pop(option.name), inputs.get(option.flag, "")
        if not text.strip():
            assert value in (option.default, False, ())
        elif option.multiple:
            assert all(one in text or one in json.loads(text) for one in value)
        else:
            assert (
                str(value).lower().lstrip("0") == text.lstrip("0").strip().lower()
                if option.kind not in ("text", "path")
                else value == text
            )
    assert options == {}


@given(
    st.sampled_from(ACTIONS),
    st.text(max_size=40)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | TEXT,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    ).map(json.dumps),
)
@example(find_verb("gate"), '{"models": "\\ud800"}')
@example(find_verb("gate"), '{"models": "a\\u0000b"}')
@example(find_verb("gate"), "[" * 100_000)
@example(find_verb("deploy"), '{"model": "x", "env": "y", "force": "yes"}')
def test_inputs_of_any_other_form_are_wrong_usage_and_run_nothing(action: Verb, text: str) -> None:
    try:
        inputs = json.loads(text or "{}")
    except (ValueError, RecursionError):
        inputs = None
    if isinstance(inputs, dict) and all(isinstance(one, str | bool) for one in inputs.values()):
        try:
            arguments(action, {name: str(value) for name, value in inputs.items()})
        except UsageProblem:
            pass
        else:
            return  # these would run
    assert run_action([action.name], {"MLOPS_CI_INPUTS": text}) == 2


@pytest.mark.parametrize(
    ("given", "models"),
    [
        ("delay", ["delay"]),
        (" delay , diagnosis\nfare ", ["delay", "diagnosis", "fare"]),
        ('["delay", "a b"]', ["delay", "a b"]),
        ("[]", []),
        ("--force", ["--force"]),
    ],
)
def test_a_list_is_words_or_json(given: str, models: list[str]) -> None:
    assert parsed(arguments(find_verb("gate"), {"models": given}))[1]["models"] == tuple(models)


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"force": "true"}, "there is no input 'force'"),
        ({"power": "yes"}, "the input 'power' is neither true nor false: 'yes'"),
        ({"models": "[1]"}, "the input 'models' is not a JSON list of names"),
        ({"models": '["a\\u0000"]'}, "the input 'models' is not a JSON list of names"),
    ],
)
def test_what_is_wrong_with_an_input_is_said(inputs: dict[str, str], said: str) -> None:
    with pytest.raises(UsageProblem) as raised:
        arguments(find_verb("gate"), inputs)
    assert (raised.value.diagnostics[0].id, raised.value.diagnostics[0].message) == ("action-input", said)


def test_a_problem_with_inputs_is_an_annotation_and_an_output(
    capsys: pytest.CaptureFixture[str], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    assert run_action(["deploy"], {"MLOPS_CI_INPUTS": '{"model": "delay"}'}) == 2
    assert capsys.readouterr().out.startswith("::error title=action-input::the input 'env' is missing%0A")
    assert "\n2\n" in (tmp_path / "output").read_text()


def test_packages_that_cannot_be_installed_are_not_left_out_silently(capsys: pytest.CaptureFixture[str]) -> None:
    environ = {"MLOPS_CI_BIN": "/opt/mlops-ci", "MLOPS_CI_INPUTS": '{"requirements": "requirements.txt"}'}
    assert run_action(["check"], environ) == 2
    assert "title=requirements-not-installed::" in capsys.readouterr().out


def test_only_what_has_an_action_can_be_run_as_one() -> None:
    assert run_action(["gc"], {}) == 2
    assert run_action(["gate", "--power"], {}) == 2
    with pytest.raises(click.UsageError):
        parsed(["action", "gate"])


def test_credentials_that_a_workflow_has_not_are_left_out() -> None:
    environ = {"AWS_ACCESS_KEY_ID": "", "AWS_ENDPOINT_URL": "", "AWS_DEFAULT_REGION": "eu-west-1", "OTHER": ""}
    assert run_action(["gc"], environ) == 2
    assert environ == {"AWS_DEFAULT_REGION": "eu-west-1", "OTHER": ""}
