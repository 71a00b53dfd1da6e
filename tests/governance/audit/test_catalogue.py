"""The catalogue of tampering: what somebody who may push, or holds the disk, can do to a registry, and where the audit places it.

Each kind is tried on a copy of one signed and of one unsigned registry. In the signed one Eve has no key that counts.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlops_ci.core.records.base import ProjectRef
from mlops_ci.repository import git
from tests.governance.audit.conftest import Keys
from tests.support.attacker import LOG, PIN, Attacker
from tests.support.forge import forge
from tests.support.tampering import (
    MANIFESTS,
    NEWEST,
    PROD,
    Hands,
    add_foreign_tag,
    add_signer_after,
    append,
    backdate_tag,
    break_record,
    change_mode,
    cross_chain,
    cut_log,
    cut_release,
    delete_log,
    delete_pin,
    delete_tag,
    drop_signing_after,
    drop_signing_before,
    edit_log,
    edit_run,
    edit_signed_tag,
    exchange,
    exchange_log,
    flip_bit,
    fork_chain,
    graft,
    launder,
    lighten_tag,
    merge_log,
    misplace,
    move_pin,
    move_tag,
    name_older_policy,
    name_own_policy,
    need_fewer_approvals,
    need_less_trust,
    patch_above,
    point_at_no_release,
    release,
    release_beside_branch,
    repeat_log,
    replace_object,
    replay,
    set_aside,
    take_event_out,
    weaken_signing,
)


@dataclass(frozen=True)
class Kind:
    """One kind of tampering, the id of the finding, and the ref or path that it is placed at (a row's own: what `do` returns)."""

    title: str
    do: Callable[[Hands], str | None]
    id: str
    place: str = ""
    only: str = ""  # "signed" or "unsigned" where the other registry has nothing to do it to


TAG = "refs/tags/"
KINDS = (
    Kind("a tag was deleted", delete_tag, "audit-tag-missing", f"{TAG}model-0#prod#2"),
    Kind("a tag was pointed at another event", move_tag, "audit-tag-moved", f"{TAG}model-0@v1.0.1"),
    Kind("a tag was made lightweight", lighten_tag, "audit-tag-moved", f"{TAG}model-0@v1.0.1"),
    Kind("a tag was backdated", backdate_tag, "audit-date-order", f"{TAG}{PROD}"),
    Kind("a record is none any more", break_record, "audit-record-invalid", f"{TAG}{NEWEST}"),
    Kind("a tag without a record", add_foreign_tag, "audit-tag-foreign", f"{TAG}model-0#prod#9"),
    Kind("a tag was edited under its signature", edit_signed_tag, "audit-signature-bad", f"{TAG}{NEWEST}", "signed"),
    Kind("an event without a signature", append(), "audit-signature-missing", only="signed"),
    Kind("an event with a stranger's signature", append(True), "audit-signature-stranger", only="signed"),
    Kind("an unsigned event under an honest one", launder, "audit-signature-missing", only="signed"),
    Kind("a number was left out", append(number=8), "audit-number-skipped"),
    Kind("a number is there twice", append(number=6), "audit-number-repeated"),
    Kind("a version was left out", release(version="1.0.3"), "audit-version-step"),
    Kind("a second version on one commit", release(version="1.0.2"), "audit-commit-shared"),
    Kind("an assignment of no release", point_at_no_release, "audit-assignment-differs"),
    Kind("an assignment of another model", append(model_digest="0" * 64), "audit-assignment-differs"),
    Kind("a tag on another commit than its release", misplace, "audit-assignment-misplaced"),
    Kind("a release that was never merged", release_beside_branch, "audit-release-off-branch"),
    Kind("an event of another project", append(project=ProjectRef("other", ".")), "audit-project-foreign"),
    Kind("an event that was made in a fork", replay, "audit-repository-differs"),
    Kind("a chain was forked", fork_chain, "audit-chain-forked"),
    Kind("a chain leads to another model", cross_chain, "audit-chain-broken"),
    Kind("an event was taken out everywhere", take_event_out, "audit-chain-broken", f"{TAG}model-0@v1.0.1"),
    Kind("a record was edited in the log", edit_log, "audit-log-disagrees", f"{TAG}model-0#prod#2"),
    Kind("a log was deleted", delete_log, "audit-log-missing", f"{LOG}model-0"),
    Kind("a log is something else", exchange_log, "audit-log-malformed", f"{LOG}model-0"),
    Kind("a log was merged", merge_log, "audit-log-malformed", f"{LOG}model-0"),
    Kind("an event was logged twice", repeat_log, "audit-log-malformed", f"{LOG}model-0"),
    Kind("a log was cut", cut_log, "audit-tag-unlogged", f"{TAG}{NEWEST}"),
    Kind("events were cut off everywhere", cut_release, "audit-pin-orphaned", f"{PIN}model-0/v1.0.1"),
    Kind("a pin was deleted", delete_pin, "audit-pin-missing", f"{PIN}model-0/v1.0.0"),
    Kind("a pin was moved", move_pin, "audit-pin-moved", f"{PIN}model-0/v1.0.1"),
    Kind("a verdict was edited", edit_run, "audit-evidence-differs", f"{PIN}model-0/v1.0.1"),
    Kind(
        "a manifest was edited",
        lambda hands: hands.eve.push({f"{MANIFESTS}/base/deployment.yaml": b"image: eve/miner\n"}),
        "audit-manifest-changed",
        f"{TAG}{PROD}",
    ),
    Kind("a manifest became a link", change_mode("120000"), "audit-manifest-changed", f"{TAG}{PROD}"),
    Kind("a manifest became executable", change_mode("100755"), "audit-manifest-changed", f"{TAG}{PROD}"),
    Kind(
        "manifests of nothing",
        lambda hands: hands.eve.push({"deploy/trial/model-0/release.yaml": b"run: mine\n"}),
        "audit-manifest-unassigned",
        "main:deploy/trial/model-0",
    ),
    Kind(
        "a patch above the manifests",
        patch_above("patches: [{patch: '[]', target: {kind: Deployment}}]\n"),
        "audit-manifest-patched",
        "main:deploy/kustomization.yaml",
    ),
    Kind(
        "a transformer above the manifests",
        patch_above("transformers: [images.yaml]\n"),
        "audit-manifest-patched",
        "main:deploy/kustomization.yaml",
    ),
    Kind(
        "a replacement above the manifests",
        patch_above("replacements: [{source: {kind: ConfigMap}, targets: [{select: {kind: Deployment}}]}]\n"),
        "audit-manifest-patched",
        "main:deploy/kustomization.yaml",
    ),
    Kind(
        "a tag's file holds another tag",
        exchange(f"{TAG}{PROD}", f"{TAG}model-0#prod#2"),
        "audit-object-damaged",
        f"{TAG}{PROD}",
    ),
    Kind("a bit of a tag flipped", flip_bit(f"{TAG}{PROD}"), "audit-object-damaged", f"{TAG}{PROD}"),
    Kind(
        "a bit of a log's record flipped",
        flip_bit(f"{LOG}model-0:record.json"),
        "audit-object-damaged",
        f"{LOG}model-0",
    ),
    Kind(
        "a log's file holds another commit",
        exchange(f"{LOG}model-0~1", f"{LOG}model-0~2"),
        "audit-object-damaged",
        f"{LOG}model-0",
    ),
    Kind("git shows another object", replace_object, "audit-object-replaced", f"{TAG}{PROD}"),
    Kind("history was grafted", graft, "audit-history-grafted", "info/grafts"),
    Kind("signatures became optional after an unsigned event", weaken_signing, "audit-policy-unmet", only="signed"),
    Kind("signing was dropped after an unsigned event", drop_signing_after, "audit-policy-unmet", only="signed"),
    Kind("signing was dropped before an unsigned event", drop_signing_before, "audit-signing-dropped", only="signed"),
    Kind("a signer was added after the event", add_signer_after, "audit-policy-unmet", only="signed"),
    Kind("fewer approvals were asked for later", need_fewer_approvals, "audit-policy-unmet", only="signed"),
    Kind("less trust was asked for later", need_less_trust, "audit-policy-unmet", only="signed"),
    Kind("an event names a policy that was replaced", name_older_policy, "audit-policy-unmet", only="signed"),
    Kind("an event names a policy that was never merged", name_own_policy, "audit-policy-unmet"),
    Kind("an honest event was set aside without a key", set_aside, "audit-signature-missing", only="signed"),
)


@pytest.fixture(scope="session")
def plain_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same registry without signatures."""
    root = tmp_path_factory.mktemp("plain") / "repo"
    forge(root, 16, models=2)
    return root


ROWS = [
    pytest.param(kind, mode, id=f"{mode}: {kind.title}")
    for kind in KINDS
    for mode in ("signed", "unsigned")
    if kind.only in ("", mode)
]


@pytest.mark.parametrize(("kind", "mode"), ROWS)
def test_every_kind_of_tampering_is_found_and_placed(
    kind: Kind, mode: str, request: pytest.FixtureRequest, tmp_path: Path, keys: Keys
) -> None:
    shutil.copytree(request.getfixturevalue("world" if mode == "signed" else "plain_world"), tmp_path / "repo")
    repo = git.find_repository(tmp_path / "repo")
    assert repo is not None
    hands = Hands(Attacker(repo, keys.eve), Attacker(repo, keys.ada))

    place = kind.do(hands) or kind.place

    found = hands.eve.audit("--branch", "main")
    assert (found.code, kind.id) in {(1, item["id"]) for item in found.breaks}, found.breaks
    places = [item["about"] for item in found.breaks if item["id"] == kind.id and item["severity"] == "error"]
    assert any(one == place or one.startswith(f"{place}:") for one in places), (place, found.breaks)


def test_the_catalogue_has_enough_kinds() -> None:
    assert len({kind.title for kind in KINDS}) == len(KINDS) >= 46
