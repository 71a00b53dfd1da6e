"""The older versions that a candidate is tested against, by the registry alone: the champion and the anchor."""

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
    """The releases that a candidate is tested against; None: there is none, or no test is against it."""

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
    """Return the champion, and the anchor where a requirement is against it; raises as the two functions below do."""
    champion = find_champion(state, rules.champion_environment, offline=offline)
    tested = any(one.against == "anchor" for one in requirements)
    return Opponents(champion, find_anchor(state, champion, rules.gate, where) if tested else None)


def find_champion(state: ModelState, environment: str, *, offline: bool = False) -> Event | None:
    """Return the release that a model's candidates must beat, the one that `environment` runs; None before the first one.

    Raises EnvironmentProblem `champion-unknown` when the remote did not answer and this clone knows of none, Findings
    `champion-missing` when the champion's tag is gone: neither means that there is no champion.
    """
    found = state.champion(environment)
    if found is None and offline:
        raise EnvironmentProblem.of(
            "champion-unknown",
            f"the remote did not answer, and this clone knows no release of '{state.model}': whether there is a champion cannot be told",
            help="check the network and your rights (git fetch), then run the same command again",
        )
    return found


def find_anchor(
    state: ModelState, champion: Event | None, gate: GateSpec, where: Location | None = None
) -> Event | None:
    """Return the fixed version that small losses of many retrains are measured from; None before the first release.

    The gate's `anchor`, or else the newest release up to the champion that was no retrain (by its record; or, where that
    does not tell, its patch number is 0), or else the oldest: where there is a champion there is an anchor. Raises
    Findings `anchor-unknown`, at `where`, when the gate names a version that is not registered.
    """
    if champion is None:
        return None
    if gate.anchor is not None:
        version = gate.anchor.removeprefix("v")
        found = state.releases.get(version)
        if found is None:
            raise Findings.of(
                "anchor-unknown",
                f"the anchor v{version} of '{state.model}' is not a registered version",
                location=where,
                help=f"registered are {', '.join(state.releases)}; leave `anchor` out to take the newest that was no retrain",
            )
        return found
    newest = version_key(champion.version)
    known = sorted(
        (event for version, event in state.releases.items() if version_key(version) <= newest),
        key=lambda event: version_key(event.version),
    )
    return next((event for event in reversed(known) if _is_change(event)), known[0] if known else champion)


def _is_change(event: Event) -> bool:
    occasion = event.record.occasion if isinstance(event.record, Release) else None
    return version_key(event.version)[2] == 0 if occasion is None else occasion == "changed"
