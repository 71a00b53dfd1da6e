"""The workflows that call the toolkit: what they ask for, what their jobs may do, and whether the gate runs for every change."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mlops_ci.core.results.doctor import Examined
from mlops_ci.governance.doctor.context import World
from mlops_ci.governance.doctor.host import fields, listed, word, words
from mlops_ci.repository.toolkit_pins import Pin, pins
from mlops_ci.spec.yaml.document import read
from mlops_ci.spec.yaml.nodes import SyntaxProblem

GROUP = "workflows"
_TAG = re.compile(r"v?\d+(\.\d+)*([-+.][0-9A-Za-z.-]+)?")
_GATE = re.compile(r"[^/]+/mlops-ci/(?:actions/gate|\.github/workflows/gate\.ya?ml)@.*", re.IGNORECASE | re.DOTALL)
_COMMAND = re.compile(r"\bmlops-ci\s+(?:-\S+\s+)*gate\b|\bnox\b.*\bgate\b")


@dataclass(frozen=True)
class Workflow:
    """A workflow that calls the toolkit. `data` is None where it cannot be read; `checks` are names of the gate's check."""

    path: str
    pins: tuple[Pin, ...]
    data: Any
    checks: frozenset[str] = frozenset()

    @property
    def events(self) -> dict[str, Any]:
        """What starts it, each with its filters."""
        on = fields(self.data).get("on")
        if isinstance(on, dict):
            return on
        return dict.fromkeys([on] if isinstance(on, str) else words(on))


def callers(world: World) -> tuple[Workflow, ...]:
    """Return the workflows that call the toolkit."""
    found = []
    for path in world.workflows:
        text = (world.read(path) or b"").decode("utf-8", "replace")
        if not pins(text) and not re.search(r"\bmlops-ci\s", text):
            continue
        data = _data(path, text)
        found.append(Workflow(path, pins(text), data, frozenset(_checks(data))))
    return tuple(found)


def _data(path: str, text: str) -> Any:
    try:
        (document,) = read(path, text.encode())
    except (SyntaxProblem, ValueError):
        return None
    return document.data


def _checks(data: Any) -> Iterator[str]:
    """Yield the names that the checks of a workflow's gate may have on GitHub."""
    named = word(fields(data).get("name"))
    for key, job in fields(fields(data).get("jobs")).items():
        name = word(fields(job).get("name")) or key
        if _GATE.fullmatch(word(fields(job).get("uses"))):
            yield f"{name} / verdict"
            yield from (f"mlops-ci: {named}" for _ in range(bool(named)))
        steps = fields(job).get("steps")
        for step in steps if isinstance(steps, list) else ():
            run, uses = word(fields(step).get("run")), word(fields(step).get("uses"))
            if _GATE.fullmatch(uses) or any(_COMMAND.search(line[:1000]) for line in run.splitlines()):
                yield name


def workflows(world: World) -> Iterator[Examined]:
    """Tell whether a workflow gates each change, by a fixed version of the toolkit, with no more rights than it needs."""
    found = callers(world)
    if not found:
        yield Examined(
            GROUP,
            "changes are gated",
            "advisory",
            f"no workflow {world.source} calls mlops-ci",
            "write .github/workflows/gate.yml (docs/github.md)",
        )
        return
    yield from _pinned(found)
    for one in found:
        if one.data is None:
            why = "it cannot be read as YAML without merge keys and tags"
            yield Examined(GROUP, f"{one.path}: what it may do", "unknown", why)
        else:
            yield _rights(one)
    gates = [one for one in found if one.checks]
    if not gates and all(one.data is not None for one in found):
        yield Examined(
            GROUP,
            "changes are gated",
            "advisory",
            f"no job {world.source} runs the gate",
            "call mlops-ci/mlops-ci/.github/workflows/gate.yml, or the Action actions/gate (docs/github.md)",
        )
    for one in gates:
        yield _runs_always(one)


def _pinned(found: tuple[Workflow, ...]) -> Iterator[Examined]:
    what = "the toolkit is pinned"
    loose = [f"{one.path}:{pin.line} ({pin.ref})" for one in found for pin in one.pins if not _is_pinned(pin)]
    refs = sorted({pin.ref for one in found for pin in one.pins})
    if loose:
        help = "name a commit by its 40 digits, or a release by its tag"
        yield Examined(GROUP, what, "advisory", f"branches move: {listed(loose)}", help)
    elif len(refs) > 1:
        help = "ask for the same version everywhere"
        yield Examined(GROUP, what, "advisory", f"to different versions: {listed(refs)}", help, minor=True)
    elif refs:
        moves = "" if all(pin.fixed for one in found for pin in one.pins) else ", a tag, which its owners can move"
        yield Examined(GROUP, what, "ok", f"to {refs[0]}{moves}")


def _is_pinned(pin: Pin) -> bool:
    return pin.fixed or _TAG.fullmatch(pin.ref) is not None


def _rights(one: Workflow) -> Examined:
    what = f"{one.path}: what it may do"
    if "permissions" not in fields(one.data):
        help = "begin with `permissions: {}`, and give each job what it needs"
        return Examined(GROUP, what, "advisory", "no `permissions` at its top: jobs get the repository's default", help)
    given = one.data["permissions"]
    writes = [name for name, level in fields(given).items() if level == "write"]
    if given == "write-all" or writes:
        evidence = f"every job of it may write {'everything' if not writes else listed(writes)}"
        return Examined(GROUP, what, "advisory", evidence, "move the permissions to the jobs that need them")
    return Examined(GROUP, what, "ok", "nothing is given to all of its jobs that could write")


def _runs_always(one: Workflow) -> Examined:
    """Tell whether a gate runs for every change: a required check that does not run blocks, or is left out by a path."""
    what, events = f"{one.path}: the gate runs for every change", one.events
    if "pull_request_target" in events:
        evidence = "it runs on pull_request_target: code of strangers would run with the repository's secrets"
        return Examined(GROUP, what, "problem", evidence, "use pull_request")
    missing = [event for event in ("pull_request", "merge_group") if event not in events]
    if "pull_request" in missing:
        return Examined(GROUP, what, "advisory", f"it does not run on {listed(missing)}", "add the events to `on:`")
    filters = fields(events.get("pull_request"))
    if cut := [name for name in ("paths", "paths-ignore") if name in filters]:
        evidence = f"pull_request has `{cut[0]}`: where it is skipped, a required check waits for ever"
        return Examined(
            GROUP, what, "advisory", evidence, "delete it: `affected` leaves out what a change does not touch"
        )
    if missing:
        evidence = "it does not run on merge_group, so that a merge queue would wait for ever"
        return Examined(GROUP, what, "advisory", evidence, "add `merge_group:` to `on:`", minor=True)
    return Examined(GROUP, what, "ok", "on pull_request and merge_group, whatever paths change")
