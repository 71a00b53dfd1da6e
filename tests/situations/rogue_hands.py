"""What somebody does to a signed registry who may push, and has no key that counts; and what an insider signs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import replace

from mlops_ci.core.records.events import Retirement
from mlops_ci.repository.git import find_repository
from tests.situations.catalogue import Arrange, Stage
from tests.situations.conftest import SIGNING
from tests.support.attacker import LOG, PIN, Attacker, after
from tests.support.consumer import Consumer, edit
from tests.support.keys import Keys

LOG_REF = f"{LOG}diagnosis"
PIN_REF = f"{PIN}diagnosis/v1.0.0"
RELEASED = "diagnosis@v1.0.0"
PROD = "diagnosis#prod#2"
NEXT = "diagnosis#prod#3"
ROGUE = "diagnosis@v9.0.0"
MANIFEST = "deploy/prod/diagnosis/release.yaml"
Change = Callable[[Consumer], None]


def hands_of(stage: Stage, consumer: Consumer, who: str = "eve") -> Attacker:
    """Return Eve, whose key nobody allows; or an insider, who signs what they like."""
    repo = find_repository(consumer.root)
    assert repo is not None
    keys: Keys = stage.request.getfixturevalue("made_keys")
    return Attacker(repo, keys.of(who))


def published(consumer: Consumer) -> Consumer:
    """Push by force what was written by hand."""
    consumer.git("push", "--quiet", "--force", "origin", "main", "refs/tags/*", f"{LOG}*", f"{PIN}*")
    return consumer


def hand_made_release(stage: Stage) -> Consumer:
    """A tag that was made by hand, with the record of a release, on another commit."""
    running = stage.running()
    body = running.git("cat-file", "tag", RELEASED).partition("\n\n")[2]
    body = body.replace("diagnosis v1.0.0", "diagnosis v9.0.0")
    (running.root / "message").write_text(body)
    running.git("tag", "-a", "--cleanup=verbatim", "-F", "message", ROGUE, "HEAD")
    (running.root / "message").unlink()
    running.git("push", "--quiet", "origin", ROGUE)
    return running


def release(who: str, *, signed: bool, beside: bool = False) -> Arrange:
    """A release with its log entry and its run; `beside`: of a commit that was never merged."""

    def do(stage: Stage) -> Consumer:
        consumer = stage.signed()
        hands = hands_of(stage, consumer, who)
        record = hands.release("1.0.0", "diagnosis")
        commit = hands.commit({"README.md": b"never merged"}) if beside else record.commit
        hands.append(after(record, version="9.0.0", commit=commit), signed=signed)
        hands.point(f"{PIN}diagnosis/v9.0.0", record.run_oid)
        return published(consumer)

    return do


def assignment(who: str = "eve", *, signed: bool = False, at: str | None = None, fork: str | None = None) -> Arrange:
    """An assignment to prod; `at` is a commit other than its release's, and `fork` the repository that it was made in."""

    def do(stage: Stage) -> Consumer:
        consumer = stage.signed()
        hands = hands_of(stage, consumer, who)
        record = hands.assignment(PROD)
        made_by = replace(record.made_by, repository=fork or record.made_by.repository)
        commit = hands.repo.resolve(at) if at else None
        hands.append(after(record, number=3, reason="nobody asked", made_by=made_by), signed=signed, commit=commit)
        return published(consumer)

    return do


def vouched_for(stage: Stage) -> Consumer:
    """An unsigned assignment, and then an honest event, which is signed and follows it."""
    consumer = assignment()(stage)
    consumer.ok("rollback", "diagnosis", "--env", "staging", "--version", "1.0.0", "--reason", "Ada goes on")
    consumer.git("pull", "--quiet", "--rebase")
    return consumer


def rewritten(stage: Stage) -> Consumer:
    consumer = stage.signed()
    eve = hands_of(stage, consumer)
    eve.replace(PROD, replace(eve.assignment(PROD), reason="nobody asked"))
    return published(consumer)


def honest_event_set_aside(stage: Stage) -> Consumer:
    consumer = stage.signed()
    eve = hands_of(stage, consumer)
    old = eve.assignment(PROD)
    shared = {field.name for field in dataclasses.fields(Retirement)} & {
        field.name for field in dataclasses.fields(old)
    }
    fields = {name: getattr(old, name) for name in shared}
    fields |= {"environment": None, "number": 3, "reason": "Eve was here"}
    record = after(Retirement(**fields, event="set-aside", sets_aside=eve.event(PROD).ref))
    eve.append(record, signed=False)
    return published(consumer)


def moved(ref: str, to: Callable[[Attacker], str | None]) -> Arrange:
    """A ref at another object, here and at the remote, or no more there."""

    def do(stage: Stage) -> Consumer:
        consumer = stage.signed()
        eve = hands_of(stage, consumer)
        oid = to(eve)
        eve.point(ref, oid)
        consumer.git("push", "--quiet", "--force", "origin", f"{ref if oid else ''}:{ref}")
        return consumer

    return do


def tip(eve: Attacker) -> str | None:
    return eve.repo.resolve("refs/heads/main")


def gone(_: Attacker) -> None:
    return None


def shorter_log(eve: Attacker) -> str | None:
    return eve.repo.resolve(f"{LOG_REF}~1")


def plain_tag(eve: Attacker) -> str:
    lines = (f"object {tip(eve)}", "type commit", f"tag {NEXT}", "tagger Eve <e@example.org> 1900000000 +0000")
    return eve.write_tag(("\n".join(lines) + "\n\nmine\n").encode())


def on_branch(change: Change, before: Arrange = Stage.signed) -> Arrange:
    """A commit on the branch."""

    def do(stage: Stage) -> Consumer:
        consumer = before(stage)
        change(consumer)
        consumer.commit("A change")
        consumer.git("push", "--quiet")
        return consumer

    return do


def edit_manifest(consumer: Consumer) -> None:
    path = consumer.root / MANIFEST
    path.write_text(f"{path.read_text()}# by hand\n")


def change_mode(consumer: Consumer) -> None:
    (consumer.root / MANIFEST).chmod(0o755)


def patch_above(consumer: Consumer) -> None:
    text = "resources: [prod/diagnosis]\npatches: [{target: {kind: Deployment}, patch: '[]'}]\n"
    (consumer.root / "deploy" / "kustomization.yaml").write_text(text)


def drop_signing(consumer: Consumer) -> None:
    edit(consumer, "mlops.yaml", SIGNING, "")


def make_signing_optional(consumer: Consumer) -> None:
    edit(consumer, "mlops.yaml", "signers}", "signers, required: false}")


def add_eve(stage: Stage) -> Consumer:
    """An assignment of Eve's key, and then her key among the allowed ones."""
    keys: Keys = stage.request.getfixturevalue("made_keys")

    def change(consumer: Consumer) -> None:
        signers = consumer.root / ".mlops" / "allowed_signers"
        signers.write_text(signers.read_text() + keys.line("eve"))

    return on_branch(change, assignment(signed=True))(stage)


def end_signer(consumer: Consumer) -> None:
    """Ada leaves, and Bob goes on."""
    signers = consumer.root / ".mlops" / "allowed_signers"
    until = 'namespaces="git",valid-before="20990101000000Z"'
    lines = signers.read_text().splitlines(keepends=True)
    signers.write_text(
        "".join(line.replace('namespaces="git"', until) if line.startswith("ada@") else line for line in lines)
    )


def older_branch(stage: Stage) -> Consumer:
    """A clone that fetched the tags and the logs after a release and a deployment, and not the branch."""
    consumer = stage.signed()
    clone = stage.clone(consumer)
    consumer.ok("release")
    consumer.ok("deploy", "diagnosis", "--env", "staging")
    clone.git("fetch", "--quiet", "origin", "refs/tags/*:refs/tags/*", "refs/mlops/*:refs/mlops/*")
    return clone


def branch_without_release(stage: Stage) -> Consumer:
    clone = older_branch(stage)
    clone.git("update-ref", "refs/remotes/origin/main", "refs/remotes/origin/main~1")
    clone.git("reset", "--quiet", "--hard", "origin/main")
    return clone
