"""What goes to prod is approved by somebody else, and the audit sees whether it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mlops_ci.core.records.events import Approval
from mlops_ci.repository import git
from mlops_ci.repository.ref_listing import APPROVAL_PREFIX
from tests.governance.audit.conftest import SIGNING, Keys
from tests.support.attacker import Attacker, after, audit
from tests.support.forge import forge

POLICY = SIGNING + "  policy: {approvals: {prod: 1}}\n"
ON = "2026-11-22T20:00:00+00:00"


def world(folder: Path, keys: Keys, approver: Path | None, project: str = POLICY) -> Attacker:
    """One model: a release, staging, prod. Whoever holds Ada's key made it all."""
    files = {".mlops/allowed_signers": keys.signers}
    forge(folder / "repo", 3, models=1, key=keys.ada, approver=approver, project=project, files=files)
    found = git.find_repository(folder / "repo")
    assert found is not None
    return Attacker(found, keys.ada)


@pytest.fixture
def approved(tmp_path: Path, keys: Keys) -> Attacker:
    return world(tmp_path, keys, keys.bob)


def test_what_somebody_else_approved_has_no_breaks(approved: Attacker) -> None:
    found = approved.audit()
    assert (found.code, found.breaks) == (0, ())
    assert found.record["approvals"] == 1


def test_an_approval_by_the_author(tmp_path: Path, keys: Keys) -> None:
    found = world(tmp_path, keys, keys.ada).audit()
    assert found.names("audit-approval-by-author", "the approval of model-0#prod#2 by ada@example.org")
    assert found.names("audit-approval-missing", "model-0#prod#2 needs 1 approval for 'prod', but has only 0 valid")


def test_an_approval_by_a_stranger(tmp_path: Path, keys: Keys) -> None:
    found = world(tmp_path, keys, keys.eve).audit()
    assert found.names("audit-approval-invalid", "its signer is not in the file of allowed signers")


def test_an_approval_that_was_deleted(approved: Attacker) -> None:
    ref = f"{APPROVAL_PREFIX}model-0/prod/v1.0.0/bob"
    approved.point(ref, None)
    assert approved.audit().names("audit-approval-invalid", f"its tag {ref} is missing in this clone")


def test_an_approval_of_something_else(approved: Attacker) -> None:
    record = approved.assignment("model-0#prod#2")
    name = approved.append(after(record, number=3, environment="staging"))
    assert approved.audit().names("audit-approval-invalid", f"the approval of {name} by bob@example.org")


def test_nobody_was_asked(tmp_path: Path, keys: Keys) -> None:
    found = world(tmp_path, keys, None).audit()
    assert found.names("audit-policy-unmet", "model-0#prod#2 has 0 approvals, but the policy at commit")


def test_what_ran_before_anybody_had_to_be_asked_is_fine(tmp_path: Path, keys: Keys) -> None:
    assert world(tmp_path, keys, None, SIGNING).audit().code == 0


@pytest.mark.parametrize(
    ("actor", "signed", "id", "what"),
    [
        ("grace", True, None, ""),
        ("grace", False, "audit-approval-invalid", "is not signed by an allowed signer"),
        ("Ada Lovelace", True, "audit-approval-invalid", "the same person deployed the version"),
    ],
)
def test_what_ci_saw_counts_where_the_assignment_is_signed(
    tmp_path: Path, keys: Keys, actor: str, signed: bool, id: str | None, what: str
) -> None:
    insider = world(tmp_path, keys, None)
    seen = Approval("review", actor, ON, url="https://example.org/pull/1#review")
    record = replace(insider.assignment("model-0#prod#2"), approvals=(seen,), approvals_required=1)
    insider.replace("model-0#prod#2", record, signed=signed)
    found = audit(insider.root)
    if id is None:
        assert (found.code, found.breaks) == (0, ())
    else:
        assert found.names(id, what)
