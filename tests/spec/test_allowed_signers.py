"""The file of allowed signers: what ssh-keygen accepts is read, and what it passes over is a finding at its place."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlops_ci.core.diagnostics import render_diagnostic
from mlops_ci.spec.allowed_signers import format_validity_time, parse_validity_time, read_allowed_signers
from tests.support.keys import Keys

NOW = datetime(2026, 6, 1, tzinfo=UTC)
ED = "ssh-ed25519"


@pytest.fixture
def key(keys: Keys) -> str:
    """Ada's public key, without the comment."""
    return " ".join(keys.of("ada").with_suffix(".pub").read_text().split()[:2])


def is_accepted(folder: Path, keys: Keys, line: str) -> bool:
    """Tell whether ssh-keygen finds Ada's signature to be of `ada@example.org` by this file."""
    message, signers = folder / "message", folder / "signers"
    message.write_text("text")
    signers.write_bytes(line.encode())
    subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-f", keys.of("ada"), "-n", "git", message], check=True)
    argv = [
        "ssh-keygen",
        "-Y",
        "verify",
        "-f",
        str(signers),
        "-I",
        "ada@example.org",
        "-n",
        "git",
        "-s",
        f"{message}.sig",
    ]
    answer = subprocess.run(argv, input=b"text", capture_output=True, check=False)
    (folder / "message.sig").unlink()
    return answer.returncode == 0


ACCEPTED = [
    "ada@example.org KEY",
    "  ada@example.org\tKEY a comment, with more",
    "bob@example.org,ada@example.org KEY",
    '"bob@example.org,ada@example.org" KEY',
    'ada@example.org namespaces="git" KEY',
    'ada@example.org namespaces="git, file" KEY',
    'ada@example.org namespaces="file,git",valid-before="20990101Z" KEY',
    'ada@example.org Namespaces="g*",valid-after="20200101",valid-before="209901012359" KEY',
    'ada@example.org namespaces="git" KEY\r',
    "# a comment\n\nada@example.org KEY",
]
REFUSED = [
    ("ada@example.org", 16, "the line has no key"),
    ("ada@example.org, bob@example.org KEY", 17, "an empty name"),
    ("bob@example.org ,ada@example.org KEY", 17, "after the comma between two principals"),
    ("bob@example.org ada@example.org KEY", 17, "the principals have a blank"),
    ('"bob@example.org, ada@example.org" KEY', 18, "a blank beside a comma"),
    ('"bob@example.org KEY', 1, "does not end"),
    ("KEY", 1, "begins with a key"),
    ('ada@example.org namespaces="git" valid-before="20990101Z" KEY', 33, "there is a blank before the option"),
    ('ada@example.org namespaces="git", valid-before="20990101Z" KEY', 33, "the options end with a comma"),
    ('ada@example.org namespaces="git"valid-before="20990101Z" KEY', 33, "a comma is missing"),
    ("ada@example.org namespaces=git KEY", 27, "must stand in double quotes"),
    ('ada@example.org namespaces="git KEY', 28, "a quote in the options does not end"),
    ('ada@example.org namespaces="git",namespaces="file" KEY', 34, "stands twice"),
    ('ada@example.org valid-before="2099-01-01" KEY', 30, "is not a time"),
    ('ada@example.org valid-before="20991301Z" KEY', 30, "is not a time"),
    ('ada@example.org valid-before="20200101Z",valid-after="20210101Z" KEY', 17, "never valid"),
    ("ada@example.org no-touch-required KEY", 17, "is neither an option nor the type of a key"),
    ("ada@example.org valid-untill KEY", 17, "is neither an option nor the type of a key"),
    (f"ada@example.org {ED}", 28, "the key is missing"),
    (f"ada@example.org {ED} AAAAC3NzaC1lZDI1NTE5AAAAI", 29, "not valid base64"),
    (f"ada@example.org {ED} AAAAC3NzaC1lZDI1NTE5AAAAIA==", 29, "cut off"),
    ("\ufeffada@example.org KEY", 1, "byte order mark"),
]


@pytest.mark.parametrize("line", ACCEPTED)
def test_what_ssh_keygen_accepts_is_read(line: str, key: str, keys: Keys, tmp_path: Path) -> None:
    text = line.replace("KEY", key)
    found = read_allowed_signers(text.encode(), "signers")
    assert found.findings == ()
    (one,) = found.signers
    assert "ada@example.org" in one.principals
    assert one.signs_tags
    assert not one.is_expired(NOW)
    assert is_accepted(tmp_path, keys, text)


@pytest.mark.parametrize(("line", "column", "message"), REFUSED)
def test_what_ssh_keygen_passes_over_is_an_error_at_its_place(
    line: str, column: int, message: str, key: str, keys: Keys, tmp_path: Path
) -> None:
    text = line.replace("KEY", key)
    found = read_allowed_signers(f"# who may sign\n{text}\nbob@example.org {key}\n".encode(), "signers")
    assert [one.line for one in found.signers] == [3]  # one line's fault does not hide the next
    (fault,) = found.findings
    assert (fault.id, fault.severity) == ("signers-invalid", "error")
    assert str(fault.location) == f"signers:2:{column}"
    assert message in fault.message
    assert key.split()[1] not in render_diagnostic(fault)
    assert not is_accepted(tmp_path, keys, text)


def test_a_type_that_is_not_the_keys_is_an_error(key: str) -> None:
    (fault,) = read_allowed_signers(f"ada@example.org ssh-rsa {key.split()[1]}".encode(), "s").findings
    assert str(fault.location) == "s:1:25"  # an RSA key has more parts
    changed = key.replace("ssh-ed25519 ", "ssh-ed25519-cert-v01@openssh.com ")
    (fault,) = read_allowed_signers(f"ada@example.org {changed}".encode(), "s").findings
    assert fault.message == "the key is of another type than 'ssh-ed25519-cert-v01@openssh.com'"


@pytest.mark.parametrize("before", ["", "ada@example.org ", 'ada@example.org namespaces="git" '])
def test_a_private_key_is_an_error_that_does_not_print_it(before: str, key: str, keys: Keys) -> None:
    private = keys.of("ada").read_text()
    found = read_allowed_signers(f"{before}{private}bob@example.org {key}\n".encode(), "signers")
    (fault,) = found.findings
    assert (fault.id, str(fault.location)) == ("signers-private-key", "signers:1:1")
    assert not any(part and part in render_diagnostic(fault) for part in private.split("\n")[1:-2])
    assert [one.principals for one in found.signers] == [("bob@example.org",)]


def test_the_text_of_a_private_key_without_its_first_line_is_not_printed_either(keys: Keys) -> None:
    body = keys.of("ada").read_text().split("\n")[1:]
    found = read_allowed_signers("\n".join(body).encode(), "signers")
    shown = "".join(map(render_diagnostic, found.findings))
    assert found.findings[0].id == "signers-private-key"
    assert not any(part in shown for line in body for part in (line[:40], line[-30:]) if len(part) > 20)


def test_times_are_read_and_written_with_their_zone() -> None:
    assert parse_validity_time("20270102030405Z") is not None
    time = parse_validity_time("202701020304Z")
    assert time is not None
    assert (time.moment, time.zoned) == (datetime(2027, 1, 2, 3, 4, tzinfo=UTC), True)
    assert format_validity_time(time.moment) == "20270102030400Z"
    local = parse_validity_time("20270102")
    assert local is not None
    assert not local.zoned
    assert [parse_validity_time(text) for text in ("2027", "20270230", "2027010203", "20270102Y", "")] == [None] * 5


def test_namespaces_are_patterns(key: str) -> None:
    def signs(namespaces: str) -> bool:
        (one,) = read_allowed_signers(f'ada@example.org namespaces="{namespaces}" {key}'.encode(), "s").signers
        return one.signs_tags

    assert [signs(text) for text in ("git", "*", "file,g?t", "")] == [True, True, True, False]
    assert [signs(text) for text in ("file", "file, git", "!git,*", "GIT")] == [False] * 4
