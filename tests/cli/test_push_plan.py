"""Tags that are signed as they are written: whole, by whom the branch allows, and seen by nobody before the push."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops_ci.cli.push_plan import apply_plan
from mlops_ci.core.plan import Plan
from mlops_ci.core.planned_writes import CreateTag
from mlops_ci.core.signers import Signing
from mlops_ci.core.trusted_process import ProcessLimits
from mlops_ci.repository import signing as signatures
from mlops_ci.repository.git import Repository
from mlops_ci.repository.git_values import Person, tag_content
from mlops_ci.repository.signing import sign_tag
from tests.support.forked import is_gone
from tests.support.git_calls import git_in
from tests.support.keys import Keys
from tests.support.signed_world import OPTIONAL, PROJECT, SIGNED, World, make

DEPLOY = ("deploy", "delay@1.0.0", "--env", "prod")
ADA = Person("Ada Lovelace", "ada@example.org")
TEXT = "title\n\n# no comment\n\n  indented  \n\n\nthree lines up\n"


@pytest.fixture
def world(tmp_path: Path, keys: Keys) -> World:
    """A signed release in a project whose tags are signed; nobody has a name yet."""
    return make(tmp_path / "world", keys, SIGNED)


@pytest.fixture
def signing(keys: Keys) -> Signing:
    return Signing("ssh", keys.signers.read_bytes())


def test_a_signed_tag_is_the_text_byte_for_byte_and_no_ref(repo: Repository, keys: Keys, signing: Signing) -> None:
    git_in(repo.root)("config", "user.signingKey", str(keys.of("ada")))
    git_in(repo.root)("config", "tag.gpgSign", "false")
    before = git_in(repo.root)("count-objects")
    head = str(repo.head())
    content, signature = sign_tag(repo, signing, "delay@v1.0.0", head, TEXT, ADA, 1_700_000_000)
    plain = tag_content("delay@v1.0.0", head, TEXT, ADA, 1_700_000_000)
    assert content.startswith(plain + b"-----BEGIN SSH SIGNATURE-----\n")
    assert signature.signer == "ada@example.org"
    assert (repo.refs("refs/tags"), git_in(repo.root)("count-objects")) == ((), before)
    oid = repo.store_tag(content)
    git_in(repo.root)("-c", f"gpg.ssh.allowedSignersFile={keys.signers}", "verify-tag", oid)


def test_an_openpgp_key_signs_too(repo: Repository, keys: Keys) -> None:
    git_in(repo.root)("config", "user.signingKey", keys.fingerprint)
    signing = Signing("openpgp", keys.openpgp.read_bytes())
    content, signature = sign_tag(repo, signing, "t", str(repo.head()), TEXT, ADA, 1_700_000_000)
    assert (signature.state, signature.key) == ("good", keys.fingerprint)
    git_in(repo.root)("verify-tag", repo.store_tag(content))


def test_a_key_that_only_an_include_for_this_place_names_signs(repo: Repository, keys: Keys, signing: Signing) -> None:
    (Path.home() / "work").write_text(f"[user]\n signingKey = {keys.of('bob')}\n")
    with (Path.home() / ".gitconfig").open("a") as stream:
        stream.write(f'[includeIf "gitdir:{repo.root}/"]\n path = work\n')
    assert sign_tag(repo, signing, "t", str(repo.head()), TEXT, ADA, 1)[1].signer == "bob@example.org"


def test_what_is_built_and_not_pushed_leaves_no_ref(
    repo: Repository, keys: Keys, signing: Signing, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import UTC, datetime

    git_in(repo.root)("config", "user.signingKey", str(keys.of("ada")))
    monkeypatch.setattr("mlops_ci.repository.git.Repository.update_refs", _killed)
    tag = CreateTag("delay@v1.0.0", str(repo.head()), TEXT, signing=signing)
    with pytest.raises(KeyboardInterrupt):
        apply_plan(Plan((tag,)), repo.root, repo, ADA, lambda: datetime.now(UTC), lambda _: None)
    assert repo.refs("refs/tags") == ()
    assert not list((repo.git_dir / "refs" / "tags").iterdir())


def _killed(*_: object) -> bool:
    raise KeyboardInterrupt


def test_a_deployment_is_signed_by_who_deploys(world: World) -> None:
    world.become("ada")
    world.run(*DEPLOY)
    tag = world.published()["refs/tags/delay#prod#1"]
    assert world.verified(tag) == 'Good "git" signature for ada@example.org'


def test_without_a_key_nothing_is_written(world: World) -> None:
    world.become("ada", None)
    before = world.published()
    assert world.said(*DEPLOY, code=3)[0] == "signing-key-missing"
    assert world.published() == before


def test_a_key_that_cannot_sign_is_said_so(world: World) -> None:
    world.become("ada")
    world.git("config", "user.signingKey", "/nowhere/key")
    before = world.published()
    assert world.said(*DEPLOY, code=3)[0] == "signing-failed"
    assert world.published() == before


def test_a_program_that_waits_for_a_passphrase_is_ended(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given an ssh-keygen that waits for ever, when a tag is signed, then nothing is written, and it is gone."""
    monkeypatch.setattr(signatures, "SIGNING_LIMITS", ProcessLimits(1, 1 << 20, may_hang=True, may_ask=True))
    world.become("ada")
    waiting = tmp_path / "waiting"
    waiting.write_text(f"#!/bin/sh\necho $$ > {tmp_path / 'pid'}\nexec sleep 300\n")
    waiting.chmod(0o755)
    world.git("config", "gpg.ssh.program", str(waiting))
    before = world.published()
    said = world.said(*DEPLOY, code=3)
    assert (said[0], "ran longer than 1 s; it may wait for a passphrase" in said[1]) == ("signing-failed", True)
    assert world.published() == before
    assert is_gone(int((tmp_path / "pid").read_text()))


def test_a_strangers_key_is_refused_also_where_the_work_tree_allows_it(world: World) -> None:
    world.become("eve")
    (world.repo.root / ".mlops" / "allowed_signers").write_text(world.keys.line("eve"))
    before = world.published()
    assert world.said(*DEPLOY, code=3)[0] == "signer-not-allowed"
    assert world.published() == before


def test_where_signatures_are_optional_one_without_a_key_is_warned(world: World) -> None:
    world.demand(OPTIONAL)
    world.become("ada", None)
    assert world.said(*DEPLOY, code=0)[0] == "tag-unsigned"
    assert "SIGNATURE" not in world.git("cat-file", "tag", "refs/tags/delay#prod#1")


@pytest.mark.parametrize(
    ("signer", "wanted", "said"),
    [
        (None, "release-not-trusted", "is not signed"),
        ("eve", "event-unverified", "which is not in the file of allowed signers"),
    ],
    ids=["unsigned", "stranger"],
)
def test_a_release_that_nobody_allowed_signed_is_not_deployed(
    world: World, signer: str | None, wanted: str, said: str
) -> None:
    world.release(signer=signer)
    world.become("ada")
    id, text = world.said(*DEPLOY, code=1)
    assert id == wanted
    assert said in text


def test_a_release_that_was_changed_is_not_deployed(world: World) -> None:
    content = world.repo.run("cat-file", "tag", "refs/tags/delay@v1.0.0").out
    oid = world.repo.store_tag(content.replace(b"7" * 64, b"8" * 64))
    world.git("push", "--quiet", "--force", "origin", f"{oid}:refs/tags/delay@v1.0.0")
    world.git("update-ref", "refs/tags/delay@v1.0.0", oid)
    world.become("ada")
    id, text = world.said(*DEPLOY, code=1)
    assert (id, "the signature of tag delay@v1.0.0 is not valid" in text) == ("event-unverified", True)


def test_a_project_without_signing_writes_as_before(world: World) -> None:
    world.demand(PROJECT)
    world.release(signer=None)
    world.become("ada")
    assert world.run(*DEPLOY)["diagnostics"] == []
    assert "SIGNATURE" not in world.git("cat-file", "tag", "refs/tags/delay#prod#1")
