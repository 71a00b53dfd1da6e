"""Finds the releases that a candidate is tested against, champion and anchor, in the registry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlops_ci.core.diagnostics import Location
from mlops_ci.core.errors import EnvironmentProblem, Findings
from mlops_ci.core.records.events import Release
from mlops_ci.evaluation.base_branch_rules import GateRules
from mlops_ci.registry.events import Event, version_key
from mlops_ci.registry.state import ModelState
from mlops_ci.spec.spec_types import GateSpec, Requirement


@dataclass(frozen=True)
class Opponents:
    """The releases that a candidate is tested against; None when there is no such release, or no test against it."""

    champion: Event | None = None
    anchor: Event | None = None


def find_opponents(
    state: ModelState,
    rules: GateRules,
    requirements: Sequence[Requirement],
    where: Location | None = None,
    *,
    offline: bool = False,
) -> Opponents:
    """Return the champion, and the anchor when a requirement tests against it.

    Raises what `find_champion` and `find_anchor` raise.
    """
    champion = find_champion(state, rules.champion_environment, offline=offline)
    needs_anchor = any(one.against == "anchor" for one in requirements)
    return Opponents(champion, find_anchor(state, champion, rules.gate, where) if needs_anchor else None)


def find_champion(state: ModelState, environment: str, *, offline: bool = False) -> Event | None:
    """Return the champion: the release that `environment` runs, else the newest one; None before the first release.

    Raises EnvironmentProblem `champion-unknown` when the remote did not answer and this clone has no release, and
    Findings `champion-missing` when the champion's tag is missing. Neither case means that there is no champion.
    """
    champion = state.champion(environment)
    if champion is None and offline:
        raise EnvironmentProblem.of(
            "champion-unknown",
            f"the remote did not answer, and this clone has no release of '{state.model}', so it is unknown whether a champion exists",
            help="check the network and your access rights with git fetch, then run the same command again",
        )
    return champion


def find_anchor(
    state: ModelState, champion: Event | None, gate: GateSpec, where: Location | None = None
) -> Event | None:
    """Return the anchor, the fixed version from which small losses of many retrains are measured; None without a champion.

    The anchor is the gate's `anchor`; else the newest release up to the champion that was not a retrain; else the oldest
    release. A release was a retrain if its record says so; without that field, if its patch number is not 0. Raises
    Findings `anchor-unknown`, located at `where`, when the gate names a version that is not registered.
    """
    if champion is None:
        return None
    if gate.anchor is not None:
        version = gate.anchor.removeprefix("v")
        anchor = state.releases.get(version)
        if anchor is None:
            raise Findings.of(
                "anchor-unknown",
                f"the anchor v{version} of '{state.model}' is not a registered version",
                location=where,
                help=f"the registered versions are {', '.join(state.releases)}; without `anchor`, the gate takes the newest version"
                " that was not a retrain",
            )
        return anchor
    newest = version_key(champion.version)
    releases = sorted(
        (event for version, event in state.releases.items() if version_key(version) <= newest),
        key=lambda event: version_key(event.version),
    )
    return next((event for event in reversed(releases) if _is_change(event)), releases[0] if releases else champion)


def _is_change(event: Event) -> bool:
    occasion = event.record.occasion if isinstance(event.record, Release) else None
    return version_key(event.version)[2] == 0 if occasion is None else occasion == "changed"
