"""What is verified in this process is what git and ssh-keygen would answer, and whatever is not certain is left to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops_ci.repository.git import Repository
from mlops_ci.repository.signing import TagSignature, check_signature
from mlops_ci.repository.ssh_signatures import find_certain_signer, read_allowed_keys
from tests.support.keys import Keys, rewritten, signed

BEGIN = b"-----BEGIN SSH SIGNATURE-----"


def certain(repo: Repository, oid: str, signers: Path) -> tuple[str, str] | None:
    """What this process says of a tag by itself."""
    payload, begin, rest = repo.run("cat-file", "tag", oid).out.partition(BEGIN)
    return find_certain_signer(payload, begin + rest, read_allowed_keys(signers.read_bytes()))


def programs(repo: Repository, oid: str, signers: Path, monkeypatch: pytest.MonkeyPatch) -> TagSignature:
    """What git and ssh-keygen say."""
    with monkeypatch.context() as without:
        without.setattr("mlops_ci.repository.ssh_signatures.find_certain_signer", lambda *_: None)
        return check_signature(repo, oid, "ssh", signers)


LINES = {
    "a plain line": "ada@example.org {ada}",
    "a namespace": 'ada@example.org namespaces="git" {ada}',
    "several namespaces": 'ada@example.org namespaces="file,git" {ada}',
    "another namespace": 'ada@example.org namespaces="file" {ada}',
    "a pattern of namespaces": 'ada@example.org namespaces="g*" {ada}',
    "no namespace but git": 'ada@example.org namespaces="!git,*" {ada}',
    "two principals": "ada@host.org,ada@example.org {ada}",
    "quoted principals": '"ada@host.org,ada@example.org" {ada}',
    "a pattern of principals": "*@example.org {ada}",
    "a key that has begun": 'ada@example.org valid-after="20200101Z" {ada}',
    "a key that has ended": 'ada@example.org valid-before="20200101" {ada}',
    "a key between two dates": 'ada@example.org namespaces="git",valid-after="20200101",valid-before="20300101" {ada}',
    "an authority": "ada@example.org cert-authority {ada}",
    "an unknown option": "ada@example.org mystery {ada}",
    "behind a comment and another key": "# {ada}\n\nbob@example.org {bob}\nada@example.org {ada}",
    "behind a line that is none": "nonsense\nada@example.org {ada}",
    "behind a damaged key": "bob@example.org ssh-ed25519 AAAA\nada@example.org {ada}",
    "twice, first for another namespace": 'ada@example.org namespaces="file" {ada}\nbob@example.org {ada}',
    "not at all": "bob@example.org {bob}",
}
CERTAIN = {
    "a plain line", "a namespace", "several namespaces", "two principals", "quoted principals", "a key that has begun",
    "a key between two dates", "behind a comment and another key",
}  # fmt: skip


@pytest.mark.parametrize("name", LINES)
def test_this_process_and_the_programs_agree(
    repo: Repository, keys: Keys, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2025-06-01T00:00:00Z")
    public = {who: keys.of(who).with_suffix(".pub").read_text().strip() for who in ("ada", "bob")}
    signers = tmp_path / "signers"
    signers.write_text(LINES[name].format(**public) + "\n")
    oid = signed(repo, keys, "ada")

    mine = certain(repo, oid, signers)

    assert (mine is not None) == (name in CERTAIN)
    theirs = programs(repo, oid, signers, monkeypatch)
    assert check_signature(repo, oid, "ssh", signers) == theirs
    if mine is not None:
        assert (theirs.state, theirs.signer, theirs.key) == ("good", *mine)


@pytest.mark.parametrize("date", ["2025-12-30T12:00:00Z", "2026-01-01T12:00:00Z", "2026-06-01T00:00:00Z"])
def test_dates_near_the_end_of_a_key_are_left_to_the_programs(
    repo: Repository, keys: Keys, tmp_path: Path, date: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    signers = tmp_path / "signers"
    signers.write_text(keys.line("ada", 'valid-before="20260101"'))
    monkeypatch.setenv("GIT_COMMITTER_DATE", date)
    assert certain(repo, signed(repo, keys, "ada"), signers) is None


@pytest.mark.parametrize("old", ["a message", "ada@example.org", "tagger Ada"])
def test_other_content_is_not_certain(repo: Repository, keys: Keys, old: str) -> None:
    oid = rewritten(repo, signed(repo, keys, "ada"), old, old.replace("a", "e"))
    assert certain(repo, oid, keys.signers) is None


@pytest.mark.parametrize("block", [b"", b"-----BEGIN SSH SIGNATURE-----\n!\n-----END SSH SIGNATURE-----\n"])
def test_a_block_that_is_no_signature_is_not_certain(keys: Keys, block: bytes) -> None:
    assert find_certain_signer(b"payload", block, read_allowed_keys(keys.signers.read_bytes())) is None


def test_a_tag_whose_file_holds_another_tag_is_bad(repo: Repository, keys: Keys) -> None:
    one, other = signed(repo, keys, "ada"), signed(repo, keys, "ada", text="another message\n")
    files = [repo.common_dir / "objects" / oid[:2] / oid[2:] for oid in (one, other)]
    files[0].chmod(0o644)
    files[0].write_bytes(files[1].read_bytes())
    assert check_signature(repo, one, "ssh", keys.signers) == TagSignature("bad")
