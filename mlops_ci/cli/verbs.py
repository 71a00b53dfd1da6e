"""Collects the verbs: each file in `commands/` has its own row, `SPEC = Verb(...)`; the sections here give their order.

The command line, the nox sessions and the Actions are generated from the rows; a test compares them with each function's
parameters.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from mlops_ci.core import verbs as row_names
from mlops_ci.core.verbs import Verb

# the verbs for people, in the order in which a project needs them; --help has the same order
SECTIONS: dict[str, tuple[str, ...]] = {
    "Start a project": ("init", "validate"),
    "Train and evaluate": ("check", "train", "compare", "gate"),
    "Release and deploy": ("release", "approve", "deploy", "rollback", "retire"),
    "Look back": ("show", "history", "diff", "fetch", "predict", "reproduce", "audit"),
    "Maintain": ("doctor", "signers", "plugins", "selftest", "gc"),
}
CI_GROUP = "ci"
CI_SUMMARY = "Steps of the gate as separate CI jobs."
CI_VERBS = ("projects", "affected", "features", "predict", "keep", "report")
COMMANDS = (*(name for names in SECTIONS.values() for name in names), *(f"{CI_GROUP} {name}" for name in CI_VERBS))

_FOLDER = Path(__file__).parents[1] / "commands"


@cache
def find_verb(command: str) -> Verb:
    """Return the row of a command such as `gate` or `ci keep`; raises KeyError when there is none."""
    if command not in COMMANDS:
        raise KeyError(command)
    return read_row(_FOLDER / f"{command.replace(' ', '/')}.py")


def all_verbs() -> tuple[Verb, ...]:
    """Return every row in the order of the sections; the rows of CI come last."""
    return tuple(find_verb(command) for command in COMMANDS)


def find_action_verb(name: str) -> Verb | None:
    """Return the row of the verb whose Action has that name, or None."""
    return next((verb for verb in all_verbs() if verb.name == name and "action" in verb.surfaces), None)


def read_row(file: Path) -> Verb:
    """Return the row of a verb's file, without importing the file: the imports of all verbs take over a second.

    A row can therefore use only names that `core/verbs.py` defines. Raises ValueError for a file without a row.
    """
    for statement in ast.parse(file.read_bytes()).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "SPEC":
            code = compile(ast.Expression(statement.value), str(file), "eval")
            row: Verb = eval(code, dict(vars(row_names)))  # noqa: S307 - an expression in a file of this package
            return row
    raise ValueError(f"{file} does not define its command: SPEC = Verb(...)")
