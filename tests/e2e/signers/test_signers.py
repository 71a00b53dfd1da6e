"""`signers`: who may sign, one more key, and an end that leaves history valid."""

from __future__ import annotations

import re
import shlex
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from mlops_ci.cli.main import run_command_line
from tests.support.keys import Keys
from tests.support.places import ROOT
from tests.support.signed_world import ONE, PROJECT, SIGNED, World, make

FILE = ".mlops/allowed_signers"
RECIPE = (ROOT / "docs" / "trust.md").read_text()


@pytest.fixture
def world(tmp_path: Path, keys: Keys) -> World:
    """A signed release of Carol's."""
    return make(tmp_path / "world", keys, SIGNED)


def content(world: World) -> str:
    return (world.repo.root / FILE).read_bytes().decode()


def write(world: World, text: str) -> None:
    (world.repo.root / FILE).write_bytes(text.encode())


def events_reported(world: World) -> list[str]:
    """What `audit` says of signatures and approvals; the release of this world was made by hand, without a run."""
    said = world.run("audit", code=1)["diagnostics"]
    assert said
    return [one["message"] for one in said if one["id"].startswith(("audit-signature", "audit-approval"))]


def states(record: dict[str, Any]) -> dict[str, str]:
    return {one["principals"][0].partition("@")[0]: one["state"] for one in record["signers"]}


def test_everyone_in_the_file_is_listed(world: World, keys: Keys, capsys: pytest.CaptureFixture[str]) -> None:
    more = keys.line("eve", 'namespaces="file"') + keys.line("eve", 'valid-before="20200101Z"')
    write(world, f"# who may sign\n{content(world)}{more.replace('eve@', 'mallory@', 1)}")
    record = world.run("signers")["record"]
    assert states(record) == {
        **dict.fromkeys(("ada", "bob", "carol", "dora"), "valid"),
        "mallory": "other-use",
        "eve": "ended",
    }
    assert record["signers"][0]["line"] == 2
    assert run_command_line(["signers", "-C", str(world.repo.root)]) == 0
    assert "eve@example.org      ssh-ed25519  SHA256:" in capsys.readouterr().out


def test_a_fault_in_the_file_is_told_and_does_not_keep_the_command_from_mending_it(world: World, keys: Keys) -> None:
    write(world, f"{content(world)}{keys.line('bob', 'namespaces=git')}")
    assert world.said("signers", code=1)[0] == "signers-invalid"
    added = world.run("signers", "add", "eve@example.org", "--key", str(keys.of("eve")) + ".pub")
    assert [(one["id"], one["severity"]) for one in added["diagnostics"]] == [("signers-invalid", "warning")]


def test_a_key_is_added_as_a_line_of_its_own(world: World, keys: Keys) -> None:
    before = content(world).rstrip("\n")
    write(world, before)
    key = str(keys.of("eve").with_suffix(".pub"))
    plan = world.run("signers", "add", "eve@example.org,eve@home.example", "--key", key, "--dry-run")["plan"]
    assert len(plan) == 1
    assert content(world) == before
    record = world.run("signers", "add", "eve@example.org,eve@home.example", "--key", key)["record"]
    assert content(world) == f'{before}\neve@example.org,eve@home.example namespaces="git" {Path(key).read_text()}'
    assert (record["changed"], states(record)["eve"]) == ([5], "valid")
    id, message = world.said("signers", "add", "eva@example.org", "--key", key, code=1)
    assert (id, "for eve@example.org, eve@home.example" in message) == ("signer-known", True)


def test_the_first_key_makes_the_file(world: World, keys: Keys) -> None:
    (world.repo.root / FILE).unlink()
    key = str(keys.of("ada").with_suffix(".pub"))
    world.run("signers", "add", "ada@example.org", "--key", key)
    assert content(world) == keys.line("ada")
    assert world.run("validate")["diagnostics"] == []


def test_a_private_key_is_refused_and_not_printed(world: World, keys: Keys, capsys: pytest.CaptureFixture[str]) -> None:
    before = content(world)
    argv = ["signers", "add", "eve@example.org", "--key", str(keys.of("eve")), "-C", str(world.repo.root)]
    assert run_command_line(argv) == 2
    said = "".join(capsys.readouterr())
    assert "signers-private-key" in said
    assert not any(line in said for line in keys.of("eve").read_text().split("\n")[1:-2])
    assert content(world) == before


def test_what_is_no_key_or_no_signer_is_refused(world: World, keys: Keys, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello\n")
    (tmp_path / "two").write_text(keys.line("ada") * 2)
    key = str(keys.of("eve").with_suffix(".pub"))
    assert world.said("signers", "add", code=2)[0] == "signer-missing"
    assert world.said("signers", "add", "eve@example.org", code=2)[0] == "signer-missing"
    for file in ("text", "two", "absent"):
        given = str(tmp_path / file)
        assert world.said("signers", "add", "eve@example.org", "--key", given, code=2)[0] == "signer-key-invalid"
    for name in ("eve@example.org bob@example.org", "eve@example.org,", '"'):
        assert world.said("signers", "add", name, "--key", key, code=2)[0] == "signer-key-invalid"
    assert world.said("signers", "end", "adda@example.org", code=2)[0] == "signer-unknown"
    assert world.said("signers", "end", "ada@example.org", "--until", "soon", code=2)[0] == "signer-time-invalid"


def test_a_robot_may_sign_and_cannot_approve(world: World, keys: Keys) -> None:
    key = str(keys.of("eve").with_suffix(".pub"))
    added = world.run("signers", "add", "release-robot", "--key", key)
    assert [(one["id"], one["severity"]) for one in added["diagnostics"]] == [("signer-cannot-approve", "note")]


def test_without_ssh_signing_there_is_no_file_to_write(world: World) -> None:
    for project, id in (
        (PROJECT, "signing-missing"),
        (SIGNED.replace("ssh", "openpgp"), "signers-format"),
        (SIGNED.replace(".mlops/", "../"), "signers-missing"),
        ("kind: Project\n", "project-invalid"),
    ):
        world.demand(project, push=False)
        assert world.said("signers", code=2)[0] == id


def wait_for_the_next_second() -> None:
    """Wait as long as a key that has just ended may still sign: in the very second in which it ends."""
    now = int(time.time())
    while int(time.time()) == now:
        time.sleep(0.05)


def test_an_ended_key_signs_nothing_more_and_its_history_stays_valid(world: World) -> None:
    write(world, content(world).replace("carol@example.org", "carol@example.org,c@home.example", 1))
    before = content(world).splitlines()
    record = world.run("signers", "end", "C@home.example")["record"]
    after = content(world).splitlines()
    assert [at for at, (old, new) in enumerate(zip(before, after, strict=True), 1) if old != new] == record["changed"]
    assert record["changed"] == [3]
    assert re.sub(r',valid-before="\d{14}Z"', "", after[2]) == before[2]
    world.git("commit", "--quiet", "--all", "-m", "Carol has left")
    world.git("push", "--quiet", "origin", "HEAD:main")
    assert world.run("signers", "end", "carol@example.org")["record"]["changed"] == []
    wait_for_the_next_second()
    (refused,) = world.run("deploy", "delay@1.0.0", "--env", "prod", code=3)["diagnostics"]
    assert refused["id"] == "signer-not-allowed"
    assert "does not have it, or has it with an end that has passed" in refused["message"]
    world.become("ada")
    assert world.run("deploy", "delay@1.0.0", "--env", "prod")["record"]["number"] == 1
    assert events_reported(world) == []


def test_a_line_without_options_and_with_another_line_ending_keeps_the_rest(world: World, keys: Keys) -> None:
    text = f"# people\r\n{keys.line('ada', 'x').replace(' x ', ' ')}".replace("\n", "\r\n").replace("\r\r", "\r")
    write(world, text)
    world.run("signers", "end", "ada@example.org", "--until", "2027-01-02")
    assert content(world) == text.replace("ada@example.org ", 'ada@example.org valid-before="20270102235959Z" ', 1)
    world.run("signers", "end", "ada@example.org", "--until", "20270101Z")
    assert 'valid-before="20270101000000Z" ssh' in content(world)
    again = world.run("signers", "end", "ada@example.org", "--until", "2028-01-01")
    assert again["record"]["changed"] == []  # an end that was decided is not put off


def test_a_key_does_not_end_before_what_it_signed_unless_forced(world: World) -> None:
    before = content(world)
    argv = ("signers", "end", "carol@example.org", "--until", "2020-01-01T00:00")
    id, message = world.said(*argv, code=1)
    assert id == "signer-ends-too-early"
    assert "1 of the events and approvals" in message
    assert "delay@v1.0.0" in message
    assert content(world) == before
    assert world.run(*argv, "--force")["record"]["changed"] == [3]


def test_a_key_that_is_valid_only_later_is_not_ended_before(world: World, keys: Keys) -> None:
    write(world, keys.line("ada", 'valid-after="20990101Z"'))
    assert world.said("signers", "end", "ada@example.org", code=1)[0] == "signer-ends-too-early"


def test_somebody_who_comes_back_gets_a_line_that_begins_now(world: World, keys: Keys) -> None:
    world.run("signers", "end", "ada@example.org", "--until", "2026-01-01")
    key = str(keys.of("ada").with_suffix(".pub"))
    world.run("signers", "add", "ada@example.org", "--key", key)
    assert re.search(r'^ada@example.org namespaces="git",valid-after="\d{14}Z" ssh', content(world), re.MULTILINE)
    assert [one["id"] for one in world.run("validate")["diagnostics"]] == []


def test_the_recipe_for_who_joins_and_who_leaves(tmp_path: Path, keys: Keys) -> None:
    """The commands of docs/trust.md, one after another: history stays valid, and who left can do nothing more."""
    world = make(tmp_path / "world", keys, ONE)
    without_dora = "".join(line for line in content(world).splitlines(True) if not line.startswith("dora"))
    write(world, without_dora)
    world.git("commit", "--quiet", "--all", "-m", "as it was")
    world.git("push", "--quiet", "origin", "HEAD:main")
    world.become("ada")
    world.run("approve", "delay@1.0.0", "--env", "prod")
    world.become("bob")
    world.run("deploy", "delay@1.0.0", "--env", "prod")
    world.git("pull", "--quiet", "--rebase", "origin", "main")
    before = world.published()
    assert events_reported(world) == []
    (world.repo.root / "dora.pub").write_text(keys.of("dora").with_suffix(".pub").read_text())
    part = RECIPE.partition("## When somebody joins or leaves")[2].partition("\n## ")[0]
    lines = re.findall(r"^\$ (.*)$", part, re.MULTILINE)
    assert len(lines) == 5
    for line in lines:
        if line == "mlops-ci audit":
            assert events_reported(world) == []
        elif line.startswith("mlops-ci"):
            world.run(*shlex.split(line)[1:])
        else:
            subprocess.run(line, shell=True, cwd=world.repo.root, check=True)  # noqa: S602 - a line of our own documentation
    after = world.published()
    assert {name: oid for name, oid in after.items() if name in before and not name.startswith("refs/heads/")} == {
        name: oid for name, oid in before.items() if not name.startswith("refs/heads/")
    }
    write(world, "".join(line for line in content(world).splitlines(True) if not line.startswith("carol")))
    world.git("commit", "--quiet", "--all", "-m", "not the recipe: the line is gone")
    world.git("push", "--quiet", "origin", "HEAD:main")
    assert len(events_reported(world)) > 0  # so that the test would see an event that turns red
    world.git("revert", "--no-edit", "HEAD")
    world.git("push", "--quiet", "origin", "HEAD:main")
    wait_for_the_next_second()
    world.become("carol")
    assert world.said("approve", "delay@1.0.0", "--env", "prod", code=3)[0] == "signer-not-allowed"
    world.become("dora")
    assert world.run("approve", "delay@1.0.0", "--env", "prod")["record"]["state"] == "approved"
