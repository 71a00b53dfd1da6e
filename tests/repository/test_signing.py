"""Whose a tag's signature is: real keys, real git, and texts made to deceive."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.repository.git import Repository
from mlops_ci.repository.git_values import Person, tag_content
from mlops_ci.repository.signing import TagSignature, check_signature, check_signatures
from tests.support.git_calls import git_in
from tests.support.keys import Keys, gpg, rewritten, signed, signed_by_gpg

STATEMENT = '{"_type":"https://in-toto.io/Statement/v1"}\n'


def test_a_signature_of_an_allowed_key_is_good_though_no_ref_names_the_tag(repo: Repository, keys: Keys) -> None:
    oid = signed(repo, keys, "ada")
    assert repo.refs("refs/tags") == ()
    found = check_signature(repo, oid, "ssh", keys.signers)
    assert (found.state, found.signer) == ("good", "ada@example.org")
    assert found.key.startswith("SHA256:")


def test_keys_are_told_apart_by_sixteen_hex_digits(repo: Repository, keys: Keys) -> None:
    oids = [signed(repo, keys, who) for who in ("ada", "bob")]
    shorts = {found.short_key for found in check_signatures(repo, oids, "ssh", keys.signers).values()}
    assert len(shorts) == 2
    assert all(len(bytes.fromhex(short)) == 8 for short in shorts)


def test_many_are_answered_by_their_ids(repo: Repository, keys: Keys) -> None:
    good, stranger = signed(repo, keys, "bob"), signed(repo, keys, "eve")
    plain = repo.store_tag(tag_content("t", str(repo.head()), "text", Person("Ada", "ada@example.org"), 1))
    found = check_signatures(repo, (good, stranger, plain, "0" * 40, good), "ssh", keys.signers)
    assert {oid: signature.state for oid, signature in found.items()} == {
        good: "good",
        stranger: "stranger",
        plain: "unsigned",
        "0" * 40: "bad",
    }


def test_the_users_own_signers_and_programs_do_not_count(repo: Repository, keys: Keys, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text(keys.line("eve"))
    liar = tmp_path / "liar"
    liar.write_text("#!/bin/sh\necho 'Good \"git\" signature for ada@example.org with ED25519 key SHA256:AAAA'\n")
    liar.chmod(0o755)
    oid = signed(repo, keys, "eve")
    run = git_in(repo.root)
    run("config", "gpg.ssh.allowedSignersFile", str(mine))
    run("config", "gpg.ssh.program", str(liar))
    assert check_signature(repo, oid, "ssh", keys.signers).state == "stranger"


def test_a_key_counts_for_tags_of_its_time(
    repo: Repository, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signers = tmp_path / "signers"
    signers.write_text(keys.line("ada", 'namespaces="git",valid-after="20250101Z",valid-before="20260101Z"'))
    states = {}
    for year in (2024, 2025, 2026):
        monkeypatch.setenv("GIT_COMMITTER_DATE", f"{year}-06-01T00:00:00Z")
        states[year] = check_signature(repo, signed(repo, keys, "ada"), "ssh", signers).state
    assert states == {2024: "stranger", 2025: "good", 2026: "stranger"}


def test_a_key_allowed_for_files_only_signs_no_tags(repo: Repository, keys: Keys, tmp_path: Path) -> None:
    signers = tmp_path / "signers"
    signers.write_text(keys.line("ada", 'namespaces="file"'))
    assert check_signature(repo, signed(repo, keys, "ada"), "ssh", signers).state == "bad"


@pytest.mark.parametrize("old", ["a message", "ada@example.org", "delay@v1.0.0", "tagger Ada"])
def test_other_content_under_a_signature_is_bad(repo: Repository, keys: Keys, old: str) -> None:
    oid = rewritten(repo, signed(repo, keys, "ada"), old, old.replace("a", "e"))
    assert check_signature(repo, oid, "ssh", keys.signers) == TagSignature("bad")


def test_text_behind_a_signature_is_bad_since_a_reader_would_believe_it(repo: Repository, keys: Keys) -> None:
    end = "-----END SSH SIGNATURE-----\n"
    oid = rewritten(repo, signed(repo, keys, "ada"), end, end + STATEMENT)
    assert git_in(repo.root)("-c", f"gpg.ssh.allowedSignersFile={keys.signers}", "verify-tag", oid) == ""
    assert check_signature(repo, oid, "ssh", keys.signers) == TagSignature("bad")


def test_text_behind_an_openpgp_signature_is_bad_too(repo: Repository, keys: Keys) -> None:
    end = "-----END PGP SIGNATURE-----\n"
    oid = rewritten(repo, signed_by_gpg(repo, keys), end, end + STATEMENT)
    assert check_signature(repo, oid, "openpgp", keys.openpgp) == TagSignature("bad")


def test_a_signature_of_the_other_format_does_not_count(repo: Repository, keys: Keys) -> None:
    assert check_signature(repo, signed_by_gpg(repo, keys), "ssh", keys.signers) == TagSignature("bad")
    assert check_signature(repo, signed(repo, keys, "ada"), "openpgp", keys.openpgp) == TagSignature("bad")


def test_an_openpgp_signature_is_of_the_keys_address(repo: Repository, keys: Keys) -> None:
    found = check_signature(repo, signed_by_gpg(repo, keys), "openpgp", keys.openpgp)
    assert found == TagSignature("good", "ada@example.org", keys.fingerprint)
    assert found.short_key == keys.fingerprint[:16].lower()


def test_a_key_in_the_users_keyring_is_a_stranger_where_the_file_lacks_it(repo: Repository, keys: Keys) -> None:
    assert check_signature(repo, signed_by_gpg(repo, keys), "openpgp", keys.bob_openpgp).state == "stranger"


def test_a_revoked_key_is_bad(repo: Repository, keys: Keys, tmp_path: Path) -> None:
    oid = signed_by_gpg(repo, keys)
    home = tmp_path / "public"
    home.mkdir(mode=0o700)
    env = {**os.environ, "GNUPGHOME": str(home)}
    kept = keys.folder / "gpg" / "openpgp-revocs.d" / f"{keys.fingerprint}.rev"
    gpg(env, "--no-autostart", "--import", str(keys.openpgp))
    gpg(env, "--no-autostart", "--import", stdin=kept.read_text().replace(":-----BEGIN", "-----BEGIN"))
    (tmp_path / "revoked.asc").write_text(gpg(env, "--armor", "--export"))
    assert check_signature(repo, oid, "openpgp", tmp_path / "revoked.asc") == TagSignature("bad")


def test_a_file_without_keys_and_a_missing_program_are_said_so(
    repo: Repository, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    oid = signed_by_gpg(repo, keys)
    (tmp_path / "empty.asc").write_text("nothing here\n")
    with pytest.raises(EnvironmentProblem) as unreadable:
        check_signature(repo, oid, "openpgp", tmp_path / "empty.asc")
    assert unreadable.value.diagnostics[0].id == "signers-unreadable"
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(EnvironmentProblem) as missing:
        check_signature(repo, oid, "openpgp", keys.openpgp)
    assert missing.value.diagnostics[0].id == "signature-program-missing"


def test_a_signer_of_several_addresses_is_all_of_them(repo: Repository, keys: Keys, tmp_path: Path) -> None:
    signers = tmp_path / "signers"
    signers.write_text("ada@host.org," + keys.line("ada"))
    found = check_signature(repo, signed(repo, keys, "ada"), "ssh", signers)
    assert (found.state, sorted(found.signer_names)) == ("good", ["ada@example.org", "ada@host.org"])


def test_every_line_of_a_key_names_its_signer(repo: Repository, keys: Keys, tmp_path: Path) -> None:
    signers = tmp_path / "signers"
    signers.write_text(
        "# " + keys.line("eve") + keys.line("bob") + keys.line("ada") + '"Ada@Work.org"' + keys.line("ada")[15:]
    )
    found = check_signature(repo, signed(repo, keys, "ada"), "ssh", signers)
    assert (found.state, sorted(found.signer_names)) == ("good", ["ada@example.org", "ada@work.org"])
