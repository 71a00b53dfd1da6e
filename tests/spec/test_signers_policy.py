"""Who may sign, as `validate` sees it: the file as a part of the project, and approvals that nobody could give."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlops_ci.commands.validate import validate
from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.errors import Exit
from tests.commands.test_validate import context
from tests.support.keys import Keys, gpg

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def project(folder: Path, signers: str, approvals: str = "{}", signing: str = "format: ssh") -> Path:
    (folder / "signers").write_text(signers)
    (folder / "mlops.yaml").write_text(
        "apiVersion: mlops-ci/v1\nkind: Project\nmetadata: {name: demo}\nspec:\n  environments: [staging, prod]\n"
        f"  signing: {{{signing}, allowedSigners: signers}}\n  policy:\n    approvals: {approvals}\n"
    )
    return folder


def said(folder: Path) -> list[tuple[str, str]]:
    return [(one.id, str(one.location)) for one in validate(context(folder)).diagnostics]


def only(folder: Path) -> Diagnostic:
    (found,) = validate(context(folder)).diagnostics
    return found


def test_a_fault_of_the_file_is_an_error_of_the_project(keys: Keys, tmp_path: Path) -> None:
    broken = keys.line("bob", 'namespaces="git" valid-before="20270101Z"')
    outcome = validate(context(project(tmp_path, f"{keys.line('ada')}{broken}")))
    assert [(one.id, str(one.location)) for one in outcome.diagnostics] == [("signers-invalid", "signers:2:33")]
    assert outcome.final_exit_code == Exit.USAGE


def test_what_is_odd_is_a_warning(keys: Keys, tmp_path: Path) -> None:
    lines = (
        keys.line("ada"),
        keys.line("bob", 'namespaces="file"'),
        keys.line("carol", 'valid-before="20990101"'),
        keys.line("ada", 'valid-after="20250101Z"'),
    )
    assert said(project(tmp_path, "".join(lines))) == [
        ("signer-unusable", "signers:2:1"),
        ("signer-time-local", "signers:3:1"),
        ("signer-duplicate", "signers:4:1"),
    ]


def test_a_key_may_stand_twice_where_its_times_do_not_meet(keys: Keys, tmp_path: Path) -> None:
    left, back = keys.line("ada", 'valid-before="20250101Z"'), keys.line("ada", 'valid-after="20260101Z"')
    assert said(project(tmp_path, left + back)) == []


@pytest.mark.parametrize(
    ("people", "approvals", "why"),
    [
        (("ada",), "{prod: 1}", "names 1 person, one must sign the release"),
        (("ada", "bob"), "{prod: 2}", "names 2 people, one must sign the release"),
        (("ada", 'bob:valid-before="20250101Z"'), "{prod: 1}", "the keys of 1 have ended"),
        (("ada", 'bob:namespaces="file"'), "{prod: 1}", "the keys of 1 have ended or may not sign for git"),
    ],
)
def test_approvals_that_nobody_could_give_are_an_error(
    people: tuple[str, ...], approvals: str, why: str, keys: Keys, tmp_path: Path
) -> None:
    lines = [keys.line(*one.split(":")) if ":" in one else keys.line(one) for one in people]
    found = validate(context(project(tmp_path, "".join(lines), approvals))).diagnostics
    assert [one.id for one in found if one.severity == "error"] == ["approvals-impossible"]
    (fault,) = (one for one in found if one.severity == "error")
    assert why in fault.message
    assert "ask for 0" not in (fault.help or "")  # the schema refuses it
    assert str(fault.location) == "mlops.yaml:8:23"


@pytest.mark.parametrize(
    ("people", "approvals", "signing"),
    [
        (("ada", "bob"), "{prod: 1}", "format: ssh"),
        (("ada",), "{prod: 1}", "format: ssh, required: false"),  # the release may be unsigned
        (("ada", "bob", "carol"), "{staging: 1, prod: 2}", "format: ssh"),
        (("ada", 'bob:valid-after="20990101Z"'), "{prod: 1}", "format: ssh"),
    ],
)
def test_approvals_that_somebody_can_give_are_none(
    people: tuple[str, ...], approvals: str, signing: str, keys: Keys, tmp_path: Path
) -> None:
    lines = [keys.line(*one.split(":")) if ":" in one else keys.line(one) for one in people]
    assert said(project(tmp_path, "".join(lines), approvals, signing)) == []


def test_a_robot_that_signs_leaves_every_person_to_approve(keys: Keys, tmp_path: Path) -> None:
    robot = keys.line("dora").replace("dora@example.org", "release-robot")
    assert said(project(tmp_path, robot + keys.line("ada"), "{prod: 1}")) == []
    assert said(project(tmp_path, robot + keys.line("ada"), "{prod: 2}")) == [
        ("approvals-impossible", "mlops.yaml:8:23")
    ]


def test_one_person_with_two_keys_approves_once(keys: Keys, tmp_path: Path) -> None:
    second = keys.line("bob").replace("bob@example.org", "ADA@example.org,ada@home.example")
    assert only(project(tmp_path, keys.line("ada") + second, "{prod: 1}")).id == "approvals-impossible"


def test_an_authority_can_name_any_number_of_people(keys: Keys, tmp_path: Path) -> None:
    assert said(project(tmp_path, keys.line("ada", "cert-authority"), "{prod: 5}")) == []


def test_a_file_without_a_valid_key_lets_nobody_sign(keys: Keys, tmp_path: Path) -> None:
    ended = keys.line("ada", 'valid-before="20250101Z"')
    for content in ("# nobody yet\n", ended):
        found = only(project(tmp_path, content))
        assert (found.id, str(found.location)) == ("signers-nobody", "mlops.yaml:6:42")


def test_openpgp_files_must_hold_public_keys_and_no_private_one(keys: Keys, tmp_path: Path) -> None:
    how = "format: openpgp"
    assert said(project(tmp_path, keys.openpgp.read_text(), signing=how)) == []
    assert only(project(tmp_path, "ada@example.org\n", signing=how)).id == "signers-invalid"
    private = gpg(
        {"GNUPGHOME": str(keys.folder / "gpg"), "PATH": "/usr/bin:/bin"}, "--armor", "--export-secret-keys", "ada"
    )
    found = only(project(tmp_path, f"\n{private}", signing=how))
    assert (found.id, str(found.location)) == ("signers-private-key", "signers:2:1")
