"""Somebody who may push, and has no key that counts: all that plumbing can do to a repository."""

from __future__ import annotations

import contextlib
import io
import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlops_ci.cli.main import run_command_line
from mlops_ci.core.codec import encode
from mlops_ci.core.digest import canonical_json
from mlops_ci.core.records.base import EventRef
from mlops_ci.core.records.events import Assignment, Release, Retirement
from mlops_ci.governance.audit.inventory import ModelInventory, read_inventories
from mlops_ci.registry.events import Event
from mlops_ci.registry.statement import EventRecord, encode_assignment, encode_release, encode_retirement
from mlops_ci.registry.tag_message import format_tag_message
from mlops_ci.repository.git import Repository
from mlops_ci.repository.git_values import Person, RefUpdate
from tests.support.forge import sign

EVE = Person("Eve", "eve@example.org")
LOG = "refs/mlops/log/"
PIN = "refs/mlops/releases/"


@dataclass(frozen=True)
class Audited:
    """How an audit ended."""

    code: int
    breaks: tuple[Mapping[str, Any], ...]
    record: Mapping[str, Any]

    @property
    def ids(self) -> set[str]:
        return {item["id"] for item in self.breaks}

    def names(self, id: str, what: str) -> bool:
        """Whether exit 1, the id and a message naming the thing came together."""
        return self.code == 1 and any(item["id"] == id and what in item["message"] for item in self.breaks)


def audit(folder: Path, *args: str) -> Audited:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = run_command_line(["audit", "-C", str(folder), "--format", "json", *args])
    answer = json.loads(out.getvalue())
    return Audited(code, tuple(answer["diagnostics"]), answer.get("record", {}))


@dataclass(frozen=True)
class Attacker:
    repo: Repository
    key: Path

    @property
    def root(self) -> Path:
        return self.repo.root

    def audit(self, *args: str) -> Audited:
        return audit(self.root, *args)

    def git(self, *args: str, stdin: bytes = b"") -> str:
        command = ["git", *args]
        return (
            subprocess.run(command, cwd=self.root, input=stdin, check=True, capture_output=True).stdout.decode().strip()
        )

    def held(self, model: str = "model-0") -> ModelInventory:
        return next(held for held in read_inventories(self.repo) if held.model == model)

    def event(self, name: str) -> Event:
        return self.held(re.split("[@#]", name)[0]).events[name]

    def release(self, version: str = "1.0.1", model: str = "model-0") -> Release:
        record = self.event(f"{model}@v{version}").record
        assert isinstance(record, Release)
        return record

    def assignment(self, name: str) -> Assignment:
        record = self.event(name).record
        assert isinstance(record, Assignment)
        return record

    def point(self, ref: str, oid: str | None) -> None:
        """Move a ref, or delete it."""
        if oid is None:
            self.git("update-ref", "-d", ref)
        else:
            assert self.repo.update_refs([RefUpdate(ref, oid, None)])

    def write_tag(self, content: bytes, *, signed: bool = False) -> str:
        if signed:
            content += sign(self.key, content)
        return self.git("hash-object", "-t", "tag", "-w", "--stdin", stdin=content)

    def content(self, name: str) -> bytes:
        """A tag object without its signature."""
        return next(filter(None, self.repo.read_objects([self.event(name).oid]))).partition(b"-----BEGIN")[0]

    def replace(self, name: str, record: EventRecord, *, date: int | None = None, signed: bool = False) -> str:
        """Put another event in the place of one, and have the log say so too."""
        event = self.event(name)
        oid = self._tag(name, event.commit, record, date or event.date, signed=signed)
        self.point(f"refs/tags/{name}", oid)
        held = self.held(event.model)
        self.relog(event.model, {name: (oid, record)}, held)
        return oid

    def append(self, record: EventRecord, *, signed: bool = True, commit: str | None = None) -> str:
        """Add an event at the end, after the last one and later than it, and return its name."""
        held = self.held(record.model)
        last = held.state.events[-1]
        if record.previous is not None and record.previous.name == "last":
            record = replace(record, previous=last.ref)
        name = _name(record)
        at = commit or (record.commit if isinstance(record, Release) else self.event(record.release.name).commit)
        oid = self._tag(name, at, record, last.date + 60, signed=signed)
        self.point(f"refs/tags/{name}", oid)
        self.log(record.model, name, oid, encode(record))
        return name

    def log(self, model: str, name: str, oid: str, record: Mapping[str, Any], *parents: str) -> None:
        head = self.repo.resolve(f"{LOG}{model}")
        files = {"record.json": canonical_json(record).encode(), "tag": f"{oid} {name}\n".encode()}
        tree = self.repo.write_tree({path: self.repo.write_blob(data) for path, data in files.items()})
        commit = self.repo.write_commit(tree, (*([head] if head else []), *parents), name, EVE, 1_800_000_000)
        self.point(f"{LOG}{model}", commit)

    def relog(self, model: str, changed: Mapping[str, tuple[str, EventRecord]], held: ModelInventory) -> None:
        """Write the whole log anew, with other objects for some of its tags."""
        self.point(f"{LOG}{model}", None)
        for entry in held.log:
            assert entry.ref is not None
            assert entry.record is not None
            oid, record = changed.get(entry.tag, (entry.ref.oid, None))
            self.log(model, entry.tag, oid, encode(record) if record else json.loads(entry.record))

    def cut(self, model: str, events: int = 1) -> None:
        """Take the newest events away, tags and log entries."""
        held = self.held(model)
        for entry in held.log[-events:]:
            self.point(f"refs/tags/{entry.tag}", None)
        self.point(f"{LOG}{model}", held.log[-events - 1].oid)

    def rebuild(
        self,
        version: str,
        changes: Mapping[str, bytes | None],
        model: str = "model-0",
        more: Mapping[str, bytes] | None = None,
    ) -> str:
        """Pin a copy of a run in which files are others, or gone (None), and with some more of them."""
        ref = f"{PIN}{model}/v{version}"
        files = self.repo.list_files(ref)
        for path, data in changes.items():
            files.pop(path)
            if data is not None:
                files[path] = self.repo.write_blob(data)
        files |= {path: self.repo.write_blob(data) for path, data in (more or {}).items()}
        oid = self.repo.write_commit(self.repo.write_tree(files), (), "gate pass", EVE, 1_700_000_000)
        self.point(ref, oid)
        return oid

    def commit(self, changes: Mapping[str, bytes | None], at: str = "refs/heads/main") -> str:
        """Commit other files, or none of that name, on top of a commit; no ref moves."""
        files = self.repo.list_files(at)
        for path, data in changes.items():
            files.pop(path, None)
            if data is not None:
                files[path] = self.repo.write_blob(data)
        parent = self.repo.resolve(f"{at}^{{commit}}")
        assert parent is not None
        return self.repo.write_commit(self.repo.write_tree(files), (parent,), "a change", EVE, 1_800_000_000)

    def push(self, changes: Mapping[str, bytes | None]) -> None:
        """The same on the branch."""
        self.point("refs/heads/main", self.commit(changes))

    def _tag(self, name: str, commit: str, record: EventRecord, date: int, *, signed: bool) -> str:
        body = f"object {commit}\ntype commit\ntag {name}\ntagger {EVE.identity_line(date)}\n\n"
        statement = _statement(record)
        return self.write_tag((body + format_tag_message(name, "as planned", statement)).encode(), signed=signed)


def after(record: Any, **changes: Any) -> Any:
    """A record with other fields, that follows the last event."""
    return replace(record, previous=EventRef("last", ""), **changes)


def _name(record: EventRecord) -> str:
    if isinstance(record, Release):
        return f"{record.model}@v{record.version}"
    if isinstance(record, Retirement) and record.event == "set-aside":
        return f"{record.model}@set-aside#{record.number}"
    gone = "!" if isinstance(record, Retirement) else ""
    return f"{record.model}#{record.environment}{gone}#{record.number}"


def _statement(record: EventRecord) -> dict[str, Any]:
    if isinstance(record, Release):
        return encode_release(record)
    return encode_assignment(record) if isinstance(record, Assignment) else encode_retirement(record)
