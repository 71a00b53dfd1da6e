"""The pull requests that start a workflow, as its filters say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlops_ci.governance.doctor.globs import match_lengths
from mlops_ci.governance.doctor.host import join_names, strings_in

_EVALUATED = (
    "opened",
    "synchronize",
)  # one of the two precedes every state of a pull request; both are GitHub's default


@dataclass(frozen=True)
class TriggerGap:
    """Pull requests that a workflow does not run for. `certain`: they concern every project; otherwise, the paths decide."""

    evidence: str
    help: str
    certain: bool = True


def find_trigger_gap(filters: Mapping[str, Any], branch: str | None) -> TriggerGap | None:
    """Return which pull requests into a branch the filters of `pull_request` leave out; None if there are none."""
    types = _strings_of(filters.get("types"))
    if types is not None and (missing := [one for one in _EVALUATED if one not in types]):
        evidence = f"pull_request has `types` without {join_names(missing)}: changes of these kinds are not evaluated"
        return TriggerGap(evidence, "delete `types`")
    for name in ("branches", "branches-ignore"):
        patterns = _strings_of(filters.get(name))
        if patterns is None or branch is None:
            continue
        matched = _is_matched(branch, patterns)
        if matched is None:
            evidence = f"pull_request has `{name}` with a pattern that is not understood: {join_names(patterns)}"
            return TriggerGap(evidence, f"delete `{name}`", certain=False)
        if matched is (name == "branches-ignore"):
            evidence = (
                f"pull_request has `{name}`: {join_names(patterns)}, which leaves out pull requests into {branch}"
            )
            return TriggerGap(evidence, f"delete `{name}`")
    if cut := [name for name in ("paths", "paths-ignore") if name in filters]:
        evidence = f"pull_request has `{cut[0]}`: if this filter skips the workflow, a required check waits for ever"
        help = "delete it: `affected` already skips the models that a change does not affect"
        return TriggerGap(evidence, help, certain=False)
    return None


def _strings_of(given: Any) -> tuple[str, ...] | None:
    if isinstance(given, str):
        return (given,)
    return tuple(strings_in(given)) if isinstance(given, list) else None


def _is_matched(branch: str, patterns: tuple[str, ...]) -> bool | None:
    """Return whether a branch matches GitHub's patterns, the last of which counts; None if one has a sign of its own meaning."""
    matched, names = False, branch.split("/")
    for pattern in patterns:
        plain = pattern.removeprefix("!")
        if set(plain) & set("?+[]\\"):
            return None
        if len(names) in match_lengths(plain.split("/"), names):
            matched = not pattern.startswith("!")
    return matched
