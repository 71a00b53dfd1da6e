"""The pure function that counts: one approval a person, and no person who cannot be told from an author."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlops_ci.core.records.base import EventRef
from mlops_ci.core.records.events import ApprovalStatement
from mlops_ci.governance.approvals import ApprovalCount, ExcludedApprover, SignedApproval, count_approvals
from mlops_ci.registry.events import Event
from mlops_ci.registry.state import fold_refs
from mlops_ci.registry.statement import decode_approval, encode_approval
from mlops_ci.repository.signing import TagSignature
from tests.support.registry_samples import RELEASE, tag

RELEASED: Event = fold_refs([tag(RELEASE, "9" * 40, 1)]).model("delay").releases["1.0.0"]
CONSENT = ApprovalStatement(
    model="delay",
    version="1.0.0",
    environment="prod",
    release=RELEASED.ref,
    model_files=RELEASE.model_files,
    model_digest=RELEASE.model_digest,
    made_by=RELEASE.made_by,
    made_on="2026-11-22T20:00:00+00:00",
    project=RELEASE.project,
)
AUTHOR = ExcludedApprover("author", frozenset({"carol@example.org"}), frozenset({"SHA256:carol"}))


def by(names: str, key: str, address: str = "", **changes: str) -> SignedApproval:
    """An approval of the release in prod with a good signature of somebody with these names."""
    signer, *aliases = names.split(",")
    ref = EventRef(f"refs/mlops/approvals/delay/prod/v1.0.0/{key}", key)
    statement = replace(CONSENT, **changes)  # type: ignore[arg-type]  # a test's own names
    return SignedApproval(ref, statement, TagSignature("good", signer, f"SHA256:{key}", tuple(aliases)), address)


def judged(*given: SignedApproval) -> ApprovalCount:
    return count_approvals(given, RELEASED, "prod", (AUTHOR,))


def test_a_consent_comes_back_from_its_statement() -> None:
    assert decode_approval(encode_approval(CONSENT)) == CONSENT


def test_a_person_counts_once_whatever_their_keys_and_a_key_whatever_its_names() -> None:
    two_keys = judged(by("ada@example.org", "a"), by("Ada@example.org", "b"))
    two_names = judged(by("ada@example.org", "a"), by("bob@example.org", "a"))
    listed = judged(by("ada@example.org,ada@host.org", "a"), by("ada@host.org", "b"))
    for found in (two_keys, two_names, listed):
        assert len(found.counted) == 1
        assert [one.why for one in found.rejected] == ["this person has already approved the release"]


@pytest.mark.parametrize("signer", ["*@example.org", "ada", "ada@example.org,*@example.org", "!eve@example.org", ""])
def test_a_signer_who_is_nobody_in_particular_does_not_count(signer: str) -> None:
    assert judged(by(signer, "a")).counted == ()


@pytest.mark.parametrize(
    "given",
    [
        by("carol@example.org", "a"),
        by("Carol@Example.org", "a"),
        by("c@host.org,carol@example.org", "a"),
        by("ada@example.org", "carol"),
        by("ada@example.org", "a", "carol@example.org"),
    ],
    ids=["address", "case", "one of several addresses", "key", "tagger"],
)
def test_an_author_does_not_count_by_address_or_key(given: SignedApproval) -> None:
    found = judged(given, by("bob@example.org", "b"))
    assert [approval.actor for approval in found.counted] == ["bob@example.org"]
    assert [one.why for one in found.rejected] == ["author"]


@pytest.mark.parametrize("state", ["unsigned", "bad", "stranger"])
def test_only_a_good_signature_counts(state: str) -> None:
    given = by("ada@example.org", "a")
    signature = replace(given.signature, state=state)  # type: ignore[arg-type]  # the parameters are its states
    assert judged(replace(given, signature=signature)).counted == ()


@pytest.mark.parametrize("changes", [{"version": "1.1.0"}, {"model": "other"}, {"environment": "staging"}])
def test_an_approval_of_anything_else_does_not_count(changes: dict[str, str]) -> None:
    assert judged(by("ada@example.org", "a", **changes)).counted == ()
    assert judged(by("ada@example.org", "a")).counted != ()
