"""Audit of the events that others set aside: each is reported for ever, and what is wrong with it is no error any more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.governance.audit.inventory import ModelInventory
from mlops_ci.repository.ref_listing import TAG_PREFIX

# what was set aside must still be there as it was
_LASTING = frozenset({"audit-tag-missing", "audit-tag-moved", "audit-log-disagrees"})


def breaks(held: ModelInventory) -> Iterator[Diagnostic]:
    """Yield a warning for each event that another one set aside."""
    names = {event.oid: event.name for event in held.state.events}
    for oid, by in held.state.set_aside.items():
        record = by.record
        who = f" by {record.made_by.actor}: {record.reason}" if record is not None else ""
        yield Diagnostic(
            "audit-event-set-aside",
            f"{names[oid]} is not in force: {by.name} set it aside{who}",
            help="nothing is to be done; the event stays in the log, and every audit reports it",
            severity="warning",
            about=f"{TAG_PREFIX}{names[oid]}",
        )


def soften(held: ModelInventory, findings: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
    """Yield the findings, as warnings where they are about events that were set aside."""
    aside = {f"{TAG_PREFIX}{event.name}" for event in held.state.events if event.oid in held.state.set_aside}
    for one in findings:
        is_settled = one.about in aside and one.id not in _LASTING
        yield replace(one, severity="warning", help="the event was set aside") if is_settled else one
