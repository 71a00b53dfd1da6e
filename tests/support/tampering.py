"""What somebody who may push, or holds the disk, can do to a copy of a registry: each is a function of the hands that do it."""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlops_ci.core.records.base import EventRef
from mlops_ci.core.records.events import Approval, Retirement
from tests.governance.audit.conftest import SIGNING
from tests.support.attacker import LOG, PIN, Attacker, after

NEWEST = "model-0#trial!#6"
PROD = "model-0#prod#5"
MANIFESTS = "deploy/prod/model-0"
KUSTOMIZATION = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [prod/model-0]\n"


@dataclass(frozen=True)
class Hands:
    """Eve, and Ada who may sign, on the same copy."""

    eve: Attacker
    ada: Attacker

    def honest(self, record: Any) -> str:
        """Add an event as an honest clone would, and return its name."""
        return self.ada.append(record, signed=self.is_signed)

    @property
    def is_signed(self) -> bool:
        return b"signing" in (self.eve.root / "mlops.yaml").read_bytes()

    def prod(self, **changes: Any) -> Any:
        """The assignment to prod as a new event."""
        return after(self.eve.assignment(PROD), **{"number": 7, **changes})

    def policy(self, text: str, **changes: Any) -> str:
        """Commit another mlops.yaml to the branch, and return the commit."""
        spec = (self.eve.root / "mlops.yaml").read_text().replace(SIGNING, "")
        self.eve.push({"mlops.yaml": (spec + text).encode(), **changes})
        return self.eve.repo.resolve("refs/heads/main") or ""


# tags


def delete_tag(hands: Hands) -> None:
    hands.eve.point("refs/tags/model-0#prod#2", None)


def move_tag(hands: Hands) -> None:
    hands.eve.point("refs/tags/model-0@v1.0.1", hands.eve.event("model-0@v1.0.0").oid)


def lighten_tag(hands: Hands) -> None:
    hands.eve.point("refs/tags/model-0@v1.0.1", hands.eve.event("model-0@v1.0.1").commit)


def backdate_tag(hands: Hands) -> None:
    hands.eve.replace(PROD, hands.eve.assignment(PROD), date=hands.eve.event("model-0@v1.0.0").date)


def break_record(hands: Hands) -> None:
    content = hands.eve.content(NEWEST).replace(b'"reason":', b'"excuse":')
    hands.eve.point(f"refs/tags/{NEWEST}", hands.eve.write_tag(content))


def add_foreign_tag(hands: Hands) -> None:
    hands.eve.git("-c", "user.name=Eve", "-c", "user.email=e@example.org", "tag", "-a", "-m", "mine", "model-0#prod#9")


def edit_signed_tag(hands: Hands) -> None:
    eve = hands.eve
    content = eve.content(NEWEST)
    old = next(filter(None, eve.repo.read_objects([eve.event(NEWEST).oid])))
    oid = eve.write_tag(content.replace(b"the trial is over", b"nobody was asked!") + old[len(content) :])
    record = eve.event(NEWEST).record
    assert record is not None
    eve.point(f"refs/tags/{NEWEST}", oid)
    eve.relog("model-0", {NEWEST: (oid, replace(record, reason="nobody was asked!"))}, eve.held())


def append(signed: bool = False, **changes: Any) -> Callable[[Hands], str]:
    """Add an assignment to prod with other fields, signed with Eve's key or not at all."""

    def do(hands: Hands) -> str:
        return f"refs/tags/{hands.eve.append(hands.prod(**changes), signed=signed)}"

    return do


def release(**changes: Any) -> Callable[[Hands], str]:
    """Add a release with other fields."""

    def do(hands: Hands) -> str:
        return f"refs/tags/{hands.eve.append(after(hands.eve.release(), **changes), signed=False)}"

    return do


def launder(hands: Hands) -> str:
    """An unsigned event, and an honest signed one that follows it."""
    name = hands.eve.append(hands.prod(reason="Eve was here"), signed=False)
    hands.honest(hands.prod(number=8, reason="Ada goes on"))
    return f"refs/tags/{name}"


def misplace(hands: Hands) -> str:
    commit = hands.eve.repo.resolve("refs/heads/main~1")
    return f"refs/tags/{hands.eve.append(hands.prod(), commit=commit, signed=False)}"


def point_at_no_release(hands: Hands) -> str:
    other = EventRef("model-0@v1.0.1", hands.eve.event("model-0@v1.0.0").oid)
    return append(release=other)(hands)


def fork_chain(hands: Hands) -> str:
    record = replace(hands.prod(), previous=hands.eve.event("model-0#prod#2").ref)
    return f"refs/tags/{hands.eve.append(record, signed=False)}"


def cross_chain(hands: Hands) -> str:
    last = hands.eve.held("model-1").state.events[-1].ref
    return f"refs/tags/{hands.eve.append(replace(hands.prod(), previous=last), signed=False)}"


def release_beside_branch(hands: Hands) -> str:
    commit = hands.eve.commit({"README": b"never merged"}, at="refs/heads/main~2")
    return release(version="1.0.2", commit=commit)(hands)


# the log


def edit_log(hands: Hands) -> None:
    record = replace(hands.eve.assignment("model-0#prod#2"), version="9.9.9")
    hands.eve.relog("model-0", {"model-0#prod#2": (hands.eve.event("model-0#prod#2").oid, record)}, hands.eve.held())


def delete_log(hands: Hands) -> None:
    hands.eve.point(f"{LOG}model-0", None)


def exchange_log(hands: Hands) -> None:
    hands.eve.point(f"{LOG}model-0", hands.eve.repo.resolve("refs/heads/main"))


def merge_log(hands: Hands) -> None:
    held = hands.eve.held()
    last = held.log[-1]
    assert last.ref is not None
    assert last.record is not None
    hands.eve.point(f"{LOG}model-0", held.log[-2].oid)
    hands.eve.log("model-0", last.tag, last.ref.oid, json.loads(last.record), held.log[-3].oid)


def repeat_log(hands: Hands) -> None:
    last = hands.eve.held().log[-1]
    assert last.ref is not None
    assert last.record is not None
    hands.eve.log("model-0", last.tag, last.ref.oid, json.loads(last.record))


def take_event_out(hands: Hands) -> None:
    held = hands.eve.held()
    hands.eve.point("refs/tags/model-0#staging#3", None)
    left = tuple(entry for entry in held.log if entry.tag != "model-0#staging#3")
    hands.eve.relog("model-0", {}, replace(held, log=left))


def cut_log(hands: Hands) -> None:
    hands.eve.point(f"{LOG}model-0", hands.eve.held().log[-2].oid)


def cut_release(hands: Hands) -> None:
    hands.eve.cut("model-0", 4)


# runs and manifests


def delete_pin(hands: Hands) -> None:
    hands.eve.point(f"{PIN}model-0/v1.0.0", None)


def move_pin(hands: Hands) -> None:
    hands.eve.point(f"{PIN}model-0/v1.0.1", hands.eve.release("1.0.0").run_oid)


def edit_run(hands: Hands) -> None:
    text = hands.eve.repo.read_blob(f"{PIN}model-0/v1.0.1:comparison.json") or b""
    hands.eve.rebuild("1.0.1", {"comparison.json": text.replace(b'"verdict":"pass"', b'"verdict":"fail"')})


def push(**files: str) -> Callable[[Hands], None]:
    """Commit files to the branch; `__` stands for a slash and `_dot_` for a dot in a name."""
    named = {name.replace("__", "/").replace("_dot_", "."): text.encode() for name, text in files.items()}
    return lambda hands: hands.eve.push(named)


def change_mode(mode: str) -> Callable[[Hands], None]:
    """Give a manifest another mode, with the same content."""

    def do(hands: Hands) -> None:
        eve, path = hands.eve, f"{MANIFESTS}/release.yaml"
        oid = eve.repo.list_files("refs/heads/main")[path]
        env_free = ("read-tree", "refs/heads/main")
        eve.git(*env_free)
        eve.git("update-index", "--cacheinfo", f"{mode},{oid},{path}")
        tree = eve.git("write-tree")
        commit = eve.git(
            *("-c", "user.name=Eve", "-c", "user.email=e@example.org"),
            *("commit-tree", tree, "-p", "refs/heads/main", "-m", "mode"),
        )
        eve.point("refs/heads/main", commit)

    return do


def patch_above(text: str) -> Callable[[Hands], None]:
    """Put a kustomization above the manifests."""
    return lambda hands: hands.eve.push({"deploy/kustomization.yaml": (KUSTOMIZATION + text).encode()})


# objects


def exchange(name: str, other: str) -> Callable[[Hands], None]:
    """Put the file of one object in the place of another's; git reads it without a word."""

    def do(hands: Hands) -> None:
        files = [_loose(hands.eve, one) for one in (name, other)]
        files[0].write_bytes(files[1].read_bytes())

    return do


def flip_bit(name: str) -> Callable[[Hands], None]:
    """Change a letter of an object in its file."""

    def do(hands: Hands) -> None:
        file = _loose(hands.eve, name)
        content = bytearray(zlib.decompress(file.read_bytes()))
        content[-2] ^= 1
        file.write_bytes(zlib.compress(bytes(content)))

    return do


def _loose(attacker: Attacker, name: str) -> Path:
    """Take all packs apart, and return the file of an object."""
    packs = attacker.repo.git_dir / "objects" / "pack"
    for pack in packs.glob("*.pack") if packs.exists() else ():
        shutil.move(pack, attacker.root / pack.name)
        attacker.git("unpack-objects", "-q", stdin=(attacker.root / pack.name).read_bytes())
    shutil.rmtree(packs, ignore_errors=True)
    oid = attacker.git("rev-parse", name)
    path = attacker.repo.git_dir / "objects" / oid[:2] / oid[2:]
    path.chmod(0o644)
    return path


def replace_object(hands: Hands) -> None:
    hands.eve.git("replace", "-f", hands.eve.event(PROD).oid, hands.eve.event("model-0#prod#2").oid)


def graft(hands: Hands) -> None:
    file = hands.eve.repo.common_dir / "info" / "grafts"
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"{hands.eve.repo.resolve('refs/heads/main')}\n")


# policies


def weaken_signing(hands: Hands) -> str:
    """An unsigned event, and then signatures that are optional."""
    place = append()(hands)
    hands.policy(SIGNING.replace("signers}", "signers, required: false}"))
    return place


def drop_signing_after(hands: Hands) -> str:
    place = append()(hands)
    hands.policy("")
    return place


def drop_signing_before(hands: Hands) -> str:
    """A branch without `signing`, and then an unsigned event that says so."""
    return append(policy_commit=hands.policy(""))(hands)


def add_signer_after(hands: Hands) -> str:
    """An event of Eve's key, and then her key among the signers."""
    place = append(signed=True)(hands)
    signers = (hands.eve.root / ".mlops" / "allowed_signers").read_text()
    public = hands.eve.key.with_suffix(".pub").read_text()
    hands.eve.push({".mlops/allowed_signers": f"{signers}eve@example.org {public}".encode()})
    return place


def need_fewer_approvals(hands: Hands) -> str:
    """A policy with approvals, an event without one, and then no approvals any more; Ada herself signs it."""
    commit = hands.policy(f"{SIGNING}  policy: {{approvals: {{prod: 1}}}}\n")
    name = hands.honest(hands.prod(policy_commit=commit))
    hands.policy(SIGNING)
    return f"refs/tags/{name}"


def need_less_trust(hands: Hands) -> str:
    commit = hands.policy(f"{SIGNING}  policy: {{trust: separated}}\n")
    name = hands.honest(after(hands.eve.release(), version="1.0.2", policy_commit=commit))
    hands.policy(SIGNING)
    return f"refs/tags/{name}"


def name_older_policy(hands: Hands) -> str:
    """A policy that was replaced before the event that precedes this one; Ada herself signs both."""
    old = hands.eve.repo.resolve("refs/heads/main") or ""
    new = hands.policy(f"{SIGNING}  policy: {{approvals: {{prod: 1}}}}\n")
    consent = Approval("review", "bob", "2026-11-22T20:00:00+00:00")
    hands.honest(hands.prod(policy_commit=new, approvals=(consent,), approvals_required=1))
    return f"refs/tags/{hands.honest(hands.prod(number=8, policy_commit=old))}"


def name_own_policy(hands: Hands) -> str:
    commit = hands.eve.commit({"mlops.yaml": b"nothing that counts"})
    return append(policy_commit=commit)(hands)


def set_aside(hands: Hands) -> str:
    """An honest event set aside by Eve."""
    record = hands.eve.event(NEWEST).record
    assert isinstance(record, Retirement)
    target = hands.eve.event(PROD).ref
    forged = after(record, event="set-aside", environment=None, number=7, sets_aside=target)
    return f"refs/tags/{hands.eve.append(forged, signed=False)}"


# other repositories and projects


def replay(hands: Hands) -> str:
    """Events of this repository, and one that Ada made in a fork of it."""
    made = hands.eve.assignment(PROD).made_by
    here, fork = (replace(made, repository=name) for name in ("team/models", "eve/models"))
    hands.eve.git("remote", "add", "origin", "https://git.example.org/team/models.git")
    hands.eve.git("update-ref", "refs/remotes/origin/main", "refs/heads/main")
    hands.honest(hands.prod(made_by=here))
    return f"refs/tags/{hands.honest(hands.prod(number=8, made_by=fork))}"
