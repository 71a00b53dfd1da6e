"""The calls of the gate in a workflow, and the projects that they evaluate."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mlops_ci.governance.doctor.host import dict_or_empty, dicts_in, string_or_empty

_GATE_WORKFLOW = re.compile(r"[^/]+/mlops-ci/\.github/workflows/gate\.ya?ml@.*", re.IGNORECASE | re.DOTALL)
_GATE_ACTION = re.compile(r"[^/]+/mlops-ci/actions/gate@.*", re.IGNORECASE | re.DOTALL)
_GATE_COMMAND = re.compile(r"\bmlops-ci\s+(?:-\S+\s+)*gate\b|\bnox\b.*\bgate\b")
_MATRIX_VALUE = re.compile(r"\$\{\{\s*matrix\.([A-Za-z_][\w-]*)(?:\.([A-Za-z_][\w-]*))?\s*\}\}")


@dataclass(frozen=True)
class GateCall:
    """A call of the gate in a job. `check` is its check's name on GitHub; `folders` are the folders that it is called for.

    `folders` is None if they are known only when the workflow runs. `below`: every project below a folder is evaluated, too.
    """

    check: str
    folders: tuple[str, ...] | None
    below: bool = False

    def evaluates(self, folder: str) -> bool | None:
        """Return whether a project's folder is among those that are evaluated; None if that is unknown."""
        if self.folders is None:
            return None
        return folder in self.folders or (self.below and any(_is_below(folder, one) for one in self.folders))


def find_gate_calls(data: Any) -> Iterator[GateCall]:
    """Yield the calls of the gate in a workflow's jobs and steps."""
    for key, body in dict_or_empty(dict_or_empty(data).get("jobs")).items():
        job = dict_or_empty(body)
        name = string_or_empty(job.get("name")) or key
        if _GATE_WORKFLOW.fullmatch(string_or_empty(job.get("uses"))):
            given = dict_or_empty(job.get("with")).get("working-directory", ".")
            yield GateCall(f"{name} / verdict", _resolve_folders(given, job), below=True)
        steps = job.get("steps")
        for step in dicts_in(steps):
            if _GATE_ACTION.fullmatch(string_or_empty(step.get("uses"))):
                given = dict_or_empty(step.get("with")).get("working-directory", ".")
                yield GateCall(name, _resolve_folders(given, job))
            for line in string_or_empty(step.get("run")).splitlines():
                if _GATE_COMMAND.search(line[:1000]):
                    yield GateCall(name, _command_folders(line[:1000], step, job, data))


def _is_below(folder: str, above: str) -> bool:
    return above == "." or folder.startswith(f"{above}/")


def _resolve_folders(given: Any, job: dict[str, Any]) -> tuple[str, ...] | None:
    """Return the folders that an input names: itself, or what a matrix that stands in the file has for it."""
    text = given if isinstance(given, str) else ""
    if "${{" not in text:
        return (posixpath.normpath(text or "."),)
    found = _MATRIX_VALUE.fullmatch(text.strip())
    matrix = dict_or_empty(dict_or_empty(job.get("strategy")).get("matrix"))
    if found is None or not matrix or not isinstance(matrix.get(found[1], []), list):
        return None
    values = [*matrix.get(found[1], []), *(leg.get(found[1]) for leg in dicts_in(matrix.get("include")))]
    folders = [dict_or_empty(one).get(found[2]) if found[2] else one for one in values if one is not None]
    if not folders or not all(isinstance(one, str) and "${{" not in one for one in folders):
        return None
    return tuple(posixpath.normpath(str(one) or ".") for one in folders)


def _command_folders(line: str, step: dict[str, Any], job: dict[str, Any], data: Any) -> tuple[str, ...] | None:
    """Return the folder that a command line runs in, as far as the file says it; None for one that only a shell knows."""
    places = (step, _run_defaults(job), _run_defaults(dict_or_empty(data)))
    start = next((str(place["working-directory"]) for place in places if "working-directory" in place), ".")
    try:
        words = shlex.split(line)
    except ValueError:
        return None
    at = next((index for index, word in enumerate(words[:-1]) if word == "-C"), None)
    inside = words[at + 1] if at is not None else "."
    if "$" in inside or "cd" in words:
        return None
    return _resolve_folders(start if inside == "." else posixpath.join(start, inside), job)


def _run_defaults(place: dict[str, Any]) -> dict[str, Any]:
    return dict_or_empty(dict_or_empty(place.get("defaults")).get("run"))
