"""What somebody saw before, and must still find: a registry that was cut back looks whole, but not to those who kept a head."""

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
    """Yield each of the object ids that is no part of the registry or of the branch any more.

    Raises UsageProblem for what is no object id (at least its first seven digits).
    """
    known = {oid for held in helds for oid in _known_oids(held)} | {one.oid for held in ledgers for one in held.entries}
    for oid in seen:
        if not _OID.fullmatch(oid):
            raise UsageProblem.of(
                "object-id-invalid",
                f"'{oid}' is no object id",
                help="give what an earlier audit printed as a log's head, or the id of a tag or commit, in hex",
            )
        if any(one.startswith(oid) for one in known):
            continue
        if tip is not None and repo.object_type(oid) == "commit" and repo.contains_commit(tip.commit, oid):
            continue
        yield Diagnostic(
            "audit-truncated",
            f"{oid} was part of the registry when you noted it down, and is not any more",
            help="events were cut off, or history was rewritten by force: look for a clone that has it (git cat-file -t)",
            about=oid,
        )


def _known_oids(held: ModelInventory) -> Iterator[str]:
    yield from (entry.oid for entry in held.log)
    yield from (event.oid for event in held.state.events)
    yield from (event.commit for event in held.state.events)
    yield from (held.pins or {}).values()
