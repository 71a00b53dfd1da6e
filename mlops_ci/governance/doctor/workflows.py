"""Checks of the workflows that use the toolkit: its version, the permissions of jobs, and whether every change is gated."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mlops_ci.core.results.doctor import DoctorCheckResult
from mlops_ci.governance.doctor.context import DoctorContext
from mlops_ci.governance.doctor.gate_calls import GateCall, find_gate_calls
from mlops_ci.governance.doctor.gate_triggers import find_trigger_gap
from mlops_ci.governance.doctor.host import dict_or_empty, join_names, strings_in
from mlops_ci.repository.toolkit_pins import ToolkitPin, find_toolkit_pins
from mlops_ci.spec.yaml.document import read_documents
from mlops_ci.spec.yaml.nodes import SyntaxProblem

GROUP = "workflows"
_TAG = re.compile(r"v?\d+(\.\d+)*([-+.][0-9A-Za-z.-]+)?")


@dataclass(frozen=True)
class Workflow:
    """A workflow that uses the toolkit. `data` is None if its YAML cannot be read; `calls` are those of the gate."""

    path: str
    pins: tuple[ToolkitPin, ...]
    data: Any
    calls: tuple[GateCall, ...] = ()

    @property
    def checks(self) -> frozenset[str]:
        """The names that the gate's check may have on GitHub."""
        return frozenset(call.check for call in self.calls)

    @property
    def events(self) -> dict[str, Any]:
        """The events that start the workflow, each with its filters."""
        on = dict_or_empty(self.data).get("on")
        if isinstance(on, dict):
            return on
        return dict.fromkeys([on] if isinstance(on, str) else strings_in(on))


def find_toolkit_workflows(world: DoctorContext) -> tuple[Workflow, ...]:
    """Return the workflows that use the toolkit."""
    found = []
    for path in world.workflows:
        text = (world.read_file(path) or b"").decode("utf-8", "replace")
        if not find_toolkit_pins(text) and not re.search(r"\bmlops-ci\s", text):
            continue
        data = _parse_workflow(path, text)
        found.append(Workflow(path, find_toolkit_pins(text), data, tuple(find_gate_calls(data))))
    return tuple(found)


def _parse_workflow(path: str, text: str) -> Any:
    try:
        (document,) = read_documents(path, text.encode())
    except (SyntaxProblem, ValueError):
        return None
    return document.data


def check_workflows(world: DoctorContext) -> Iterator[DoctorCheckResult]:
    """Yield whether a workflow gates each change, with a pinned version of the toolkit and minimal permissions."""
    found = find_toolkit_workflows(world)
    if not found:
        yield DoctorCheckResult(
            GROUP,
            "changes are gated",
            "advisory",
            f"no workflow {world.source_phrase} calls mlops-ci",
            "mlops-ci init . --ci github --owner @ORG/TEAM writes the workflows (docs/github.md)",
        )
        return
    yield from _check_pins(found)
    for one in found:
        if one.data is None:
            why = "it cannot be read as YAML (merge keys and tags are not supported)"
            yield DoctorCheckResult(GROUP, f"{one.path}: permissions", "unknown", why)
        else:
            yield _check_permissions(one)
    gates = [one for one in found if one.checks]
    if not gates and all(one.data is not None for one in found):
        yield DoctorCheckResult(
            GROUP,
            "changes are gated",
            "advisory",
            f"no job {world.source_phrase} runs the gate",
            "call mlops-ci/mlops-ci/.github/workflows/gate.yml, or the Action actions/gate (docs/github.md)",
        )
    for one in gates:
        yield _check_gate_triggers(one, world.branch)
    if gates:
        yield from _check_projects(world, gates)


def _check_projects(world: DoctorContext, gates: Sequence[Workflow]) -> Iterator[DoctorCheckResult]:
    """Yield whether each project is evaluated by a gate that runs for pull requests."""
    states: dict[str, set[bool | None]] = {folder: set() for folder in world.projects}
    for one in gates:
        for event in {"pull_request", "pull_request_target"} & set(one.events):
            gap = find_trigger_gap(dict_or_empty(one.events[event]), world.branch)
            if gap is not None and gap.certain:
                continue
            for call, folder in itertools.product(one.calls, world.projects):
                evaluated = call.evaluates(folder)
                states[folder].add(None if evaluated and gap is not None else evaluated)
    ungated = [folder for folder, state in states.items() if not state & {True, None}]
    unknown = [folder for folder, state in states.items() if True not in state and None in state]
    what = "every project is gated"
    if ungated:
        files = join_names(sorted(one.path for one in gates))
        yield DoctorCheckResult(
            GROUP,
            what,
            "advisory",
            f"no workflow {world.source_phrase} gates pull requests for {join_names(ungated)}",
            f"in {files}, call gate.yml for every pull request, without `working-directory` and `models`: it then evaluates each "
            "project that a change affects",
        )
    if unknown:
        evidence = f"whether the gate evaluates these projects is known only when it runs: {join_names(unknown)}"
        yield DoctorCheckResult(GROUP, what, "unknown", evidence)
    if not ungated and not unknown:
        yield DoctorCheckResult(GROUP, what, "ok", f"the folders are {join_names(world.projects)}")


def _check_pins(found: tuple[Workflow, ...]) -> Iterator[DoctorCheckResult]:
    what = "the toolkit is pinned"
    loose = [f"{one.path}:{pin.line} ({pin.ref})" for one in found for pin in one.pins if not _is_pinned(pin)]
    refs = sorted({pin.ref for one in found for pin in one.pins})
    if loose:
        help = "pin a commit by its 40 digits, or a release by its tag"
        yield DoctorCheckResult(GROUP, what, "advisory", f"pinned to a branch, which moves: {join_names(loose)}", help)
    elif len(refs) > 1:
        help = "pin the same version everywhere"
        yield DoctorCheckResult(
            GROUP, what, "advisory", f"pinned to different versions: {join_names(refs)}", help, minor=True
        )
    elif refs:
        moves = (
            "" if all(pin.is_immutable for one in found for pin in one.pins) else ", a tag, which its owners can move"
        )
        yield DoctorCheckResult(GROUP, what, "ok", f"to {refs[0]}{moves}")


def _is_pinned(pin: ToolkitPin) -> bool:
    return pin.is_immutable or _TAG.fullmatch(pin.ref) is not None


def _check_permissions(one: Workflow) -> DoctorCheckResult:
    what = f"{one.path}: permissions"
    if "permissions" not in dict_or_empty(one.data):
        help = "add `permissions: {}` at its top, and give each job the permissions that it needs"
        return DoctorCheckResult(
            GROUP, what, "advisory", "no `permissions` at its top: jobs get the repository's default", help
        )
    given = one.data["permissions"]
    writes = [name for name, level in dict_or_empty(given).items() if level == "write"]
    if given == "write-all" or writes:
        evidence = f"each of its jobs may write {'everything' if not writes else join_names(writes)}"
        return DoctorCheckResult(GROUP, what, "advisory", evidence, "move the permissions to the jobs that need them")
    return DoctorCheckResult(GROUP, what, "ok", "no write permission is given to all of its jobs")


def _check_gate_triggers(one: Workflow, branch: str | None) -> DoctorCheckResult:
    """Return whether a gate runs for every change; a required check that does not run blocks the pull request."""
    what, events = f"{one.path}: the gate runs for every change", one.events
    if "pull_request_target" in events:
        evidence = "it runs on pull_request_target, so code from forks runs with the repository's secrets"
        return DoctorCheckResult(GROUP, what, "problem", evidence, "use pull_request")
    missing = [event for event in ("pull_request", "merge_group") if event not in events]
    if "pull_request" in missing:
        return DoctorCheckResult(
            GROUP, what, "advisory", f"it does not run on {join_names(missing)}", "add the events to `on:`"
        )
    gap = find_trigger_gap(dict_or_empty(events.get("pull_request")), branch)
    if gap is not None:
        return DoctorCheckResult(GROUP, what, "advisory", gap.evidence, gap.help)
    if held := [call for call in one.calls if call.condition is not True]:
        evidence = (
            f"a condition (`if`) decides whether the gate runs: {join_names(sorted({call.check for call in held}))}"
        )
        never = any(call.condition is False for call in held)
        help = "delete it: GitHub counts a skipped job as passed"
        return DoctorCheckResult(GROUP, what, "advisory" if never else "unknown", evidence, help)
    if missing:
        evidence = "it does not run on merge_group, so a merge queue waits for ever"
        return DoctorCheckResult(GROUP, what, "advisory", evidence, "add `merge_group:` to `on:`", minor=True)
    return DoctorCheckResult(GROUP, what, "ok", "on pull_request and merge_group, for all paths")
