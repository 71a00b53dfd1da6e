"""Runs the step of an Action: `mlops-ci action VERB`, with the inputs as JSON in MLOPS_CI_INPUTS.

The author of a pull request may control the inputs. Each input can only become the value of its own option: it is passed as
`--option=value` or after `--`, and never through a shell.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from mlops_ci import __version__
from mlops_ci.cli import terminal
from mlops_ci.cli.main import run_command_line
from mlops_ci.cli.verbs import find_action_verb
from mlops_ci.core.errors import Exit, ToolError, UsageProblem
from mlops_ci.core.verbs import FOLDER_OPTION, REQUIREMENTS_OPTIONS, Option, Verb
from mlops_ci.integrations.github.runner_files import write_outputs

SETUP = "setup"
_INSTALLER_INPUTS = frozenset(option.flag for option in REQUIREMENTS_OPTIONS)
_BOOLEANS = {"": False, "false": False, "true": True}


def run_action(argv: Sequence[str], environ: MutableMapping[str, str]) -> int:
    """Run the verb that `argv` names, with the inputs in the environment, and return the exit code."""
    for empty in [name for name, value in environ.items() if name.startswith("AWS_") and not value]:
        del environ[empty]  # a workflow cannot omit a variable, and the S3 drivers treat an empty one as set
    name = argv[0] if len(argv) == 1 else ""
    try:
        inputs = _read_inputs(environ)
        if environ.get("MLOPS_CI_BIN") and inputs.get("requirements"):
            raise UsageProblem.of(
                "requirements-not-installed",
                "the input `requirements` cannot be used with MLOPS_CI_BIN, which names an environment that is already installed",
                help="install the packages into that environment, or run without MLOPS_CI_BIN",
            )
        if name == SETUP:
            return _set_up(environ)
        command = arguments(_require_action_verb(name), inputs)
    except ToolError as error:
        terminal.print_problem(error, "github", name)
        return error.exit_code
    return run_command_line(command)


def arguments(verb: Verb, inputs: Mapping[str, str]) -> list[str]:
    """Return the command line for a verb's inputs; an empty input counts as missing.

    Raises UsageProblem for an unknown input, a missing required input, and a malformed value.
    """
    known = {option.flag: option for option in verb.inputs}
    if unknown := sorted(set(inputs) - set(known)):
        raise _input_problem(f"there is no input {', '.join(map(repr, unknown))}", f"the inputs are {', '.join(known)}")
    options: list[str] = []
    positional: list[str] = []
    for name, option in known.items():
        value = inputs.get(name, "")
        if not _is_text(value):
            raise _input_problem(
                f"the input '{name}' contains characters that are not allowed in a text",
                "check the source of the value in the workflow",
            )
        if not value.strip():
            if option.required:
                raise _input_problem(f"the input '{name}' is missing", f"{name}: {option.help}")
        elif option.positional:
            positional += _split_list(name, value) if option.multiple else [value]
        elif option is FOLDER_OPTION:
            options += ["-C", value]
        elif name not in _INSTALLER_INPUTS:
            options += _option_arguments(option, value)
    return [*verb.command.split(), "--format=github", *options, "--", *positional]


def _option_arguments(option: Option, value: str) -> Iterator[str]:
    if option.kind == "flag":
        if value.strip() not in _BOOLEANS:
            raise _input_problem(
                f"the input '{option.flag}' is neither true nor false: {value!r}", "write true or false"
            )
        yield from [f"--{option.flag}"] if _BOOLEANS[value.strip()] else []
        return
    if option.kind == "choice" and value not in option.choices:
        raise _input_problem(f"the input '{option.flag}' is {value!r}", f"it can be {', '.join(option.choices)}")
    if option.kind == "count" and not re.fullmatch(r"0*[1-9][0-9]{0,8}", value.strip(), re.ASCII):
        raise _input_problem(f"the input '{option.flag}' is {value!r}", "write a whole number of at least 1")
    values = (
        _split_list(option.flag, value) if option.multiple else [value.strip() if option.kind == "count" else value]
    )
    yield from (f"--{option.flag}={one}" for one in values)


def _split_list(name: str, value: str) -> list[str]:
    """Return the items of a list: JSON, such as another step's output, or words separated by white space or commas."""
    if not value.lstrip().startswith("["):
        return [word for word in re.split(r"[\s,]+", value) if word]
    try:
        items = json.loads(value)
    except (ValueError, RecursionError):
        items = None
    if not isinstance(items, list) or not all(isinstance(one, str) and one and _is_text(one) for one in items):
        raise _input_problem(
            f"the input '{name}' is not a JSON list of names",
            'write a list such as ["a", "b"], or the names with spaces between them: a b',
        )
    return items


def _is_text(value: str) -> bool:
    """Return whether the value can be a program's argument: it has no null character and no lone UTF-16 surrogate."""
    return not re.search(r"[\0\ud800-\udfff]", value)


def _read_inputs(environ: Mapping[str, str]) -> dict[str, str]:
    try:
        inputs: Any = json.loads(environ.get("MLOPS_CI_INPUTS") or "{}")
    except (ValueError, RecursionError):
        inputs = None
    if not isinstance(inputs, dict) or not all(isinstance(value, str | bool) for value in inputs.values()):
        raise _input_problem(
            "MLOPS_CI_INPUTS is not a JSON object of strings", "set `MLOPS_CI_INPUTS: ${{ toJSON(inputs) }}`"
        )
    return {name: str(value).lower() if isinstance(value, bool) else value for name, value in inputs.items()}


def _require_action_verb(name: str) -> Verb:
    verb = find_action_verb(name)
    if verb is None:
        raise _input_problem(f"there is no Action named {name!r}", "use one of the folders in actions/")
    return verb


def _set_up(environ: Mapping[str, str]) -> int:
    """Put the command on the PATH of the following steps, without the other programs of its environment."""
    folder = Path(environ["RUNNER_TEMP"]) / "mlops-ci" / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    command = folder / "mlops-ci"
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -I -m mlops_ci "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    with Path(environ["GITHUB_PATH"]).open("a", encoding="utf-8") as stream:
        stream.write(f"{folder}\n")
    write_outputs(environ, {"exit-code": "0", "version": __version__, "command": str(command)})
    terminal.print_line(f"mlops-ci {__version__} is on the PATH")
    return Exit.OK


def _input_problem(message: str, help: str) -> UsageProblem:
    return UsageProblem.of("action-input", message, help=help)
