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
_FIRST_MODEL = re.compile(r"\bgate\s+(?:--\s+)?(\"?\$[^\s|;&>]*|[a-z0-9][a-z0-9-]*(?=[\s|;&]|$))")
_MATRIX_VALUE = re.compile(r"\$\{\{\s*matrix\.([A-Za-z_][\w-]*)(?:\.([A-Za-z_][\w-]*))?\s*\}\}")


@dataclass(frozen=True)
class GateCall:
    """A call of the gate in a job. `check` is its check's name on GitHub; `folders` are the folders that it is called for.

    `folders` is None if they are known only when the workflow runs. `below`: every project below a folder is evaluated, too.
    `condition` says whether the call is made for every change, and `complete` whether for all models: None if only a run knows.
    """

    check: str
    folders: tuple[str, ...] | None
    below: bool = False
    condition: bool | None = True
    complete: bool | None = True

    def evaluates(self, folder: str) -> bool | None:
        """Return whether all models of a project's folder are evaluated for every change; None if that is unknown."""
        named = None
        if self.folders is not None:
            named = folder in self.folders or (self.below and any(_is_below(folder, one) for one in self.folders))
        answers = {named, self.condition, self.complete}
        return False if False in answers else None if None in answers else True


def find_gate_calls(data: Any) -> Iterator[GateCall]:
    """Yield the calls of the gate in a workflow's jobs and steps."""
    for key, body in dict_or_empty(dict_or_empty(data).get("jobs")).items():
        job = dict_or_empty(body)
        name = string_or_empty(job.get("name")) or key
        condition = _read_condition(job)
        if _GATE_WORKFLOW.fullmatch(string_or_empty(job.get("uses"))):
            given = dict_or_empty(job.get("with"))
            folders = _resolve_folders(given.get("working-directory", "."), job)
            yield GateCall(f"{name} / verdict", folders, True, condition, _has_all_models(given.get("models")))
        steps = job.get("steps")
        for step in dicts_in(steps):
            made = condition if condition is not True else _read_condition(step)
            if _GATE_ACTION.fullmatch(string_or_empty(step.get("uses"))):
                given = dict_or_empty(step.get("with"))
                folders = _resolve_folders(given.get("working-directory", "."), job)
                yield GateCall(name, folders, False, made, _has_all_models(given.get("models")))
            for line in string_or_empty(step.get("run")).splitlines():
                if _GATE_COMMAND.search(line[:1000]):
                    folders = _command_folders(line[:1000], step, job, data)
                    yield GateCall(name, folders, False, made, _has_all_models(_named_model(line[:1000])))


def _read_condition(place: dict[str, Any]) -> bool | None:
    """Return whether a job or step runs for every change; None if a condition decides that when it runs."""
    if "if" not in place:
        return True
    given = place["if"]
    text = re.sub(r"^\$\{\{(.*)\}\}$", r"\1", str(given).strip()).strip().lower()
    return {"false": False, "true": True, "always()": True, "success()": True, "!cancelled()": True}.get(text)


def _has_all_models(given: Any) -> bool | None:
    """Return whether an input of models leaves the choice to the change; None if it is known only when the workflow runs."""
    if not given:
        return True
    return None if "$" in str(given) else False


def _named_model(line: str) -> str:
    """Return the first model that a command line names; empty if it names none."""
    found = _FIRST_MODEL.search(line)
    return found[1] if found else ""


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
