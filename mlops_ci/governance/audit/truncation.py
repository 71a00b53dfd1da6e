"""Audit against noted object ids: a truncated registry looks complete, but an id noted earlier is then missing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.errors import UsageProblem
from mlops_ci.governance.audit.inventory import ModelInventory
from mlops_ci.governance.audit.ledgers import LedgerHistory
from mlops_ci.repository.branch_specs import BranchTip
from mlops_ci.repository.git import Repository

_OID = re.compile(r"[0-9a-f]{7,64}")


def breaks(
    repo: Repository,
    helds: Iterable[ModelInventory],
    ledgers: Iterable[LedgerHistory],
    tip: BranchTip | None,
    seen: Iterable[str],
) -> Iterator[Diagnostic]:
    """Yield a finding for each object id that is no longer part of the registry or of the branch.

    Raises UsageProblem `object-id-invalid` for a value that is not an object id (at least its first seven digits).
    """
    known = {oid for held in helds for oid in _known_oids(held)} | {one.oid for held in ledgers for one in held.entries}
    for oid in seen:
        if not _OID.fullmatch(oid):
            raise UsageProblem.of(
                "object-id-invalid",
                f"'{oid}' is not an object id",
                help="give the head of a log from the output of an earlier audit, or the id of a tag or commit, in hex",
            )
        if any(one.startswith(oid) for one in known):
            continue
        if tip is not None and repo.object_type(oid) == "commit" and repo.contains_commit(tip.commit, oid):
            continue
        yield Diagnostic(
            "audit-truncated",
            f"the object {oid}, which --since names, is no longer part of the registry or of the branch",
            help="events were removed, or the history was rewritten: restore it from a clone that has the object (git cat-file -t)",
            about=oid,
        )


def _known_oids(held: ModelInventory) -> Iterator[str]:
    yield from (entry.oid for entry in held.log)
    yield from (event.oid for event in held.state.events)
    yield from (event.commit for event in held.state.events)
    yield from (held.pins or {}).values()
