"""Whole registries, as this toolkit would have written them, of any size: for audits, queries and benchmarks.

Every record, run, manifest, log entry and pin is honest: sizes and digests are those of the bytes that are there.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from mlops_ci.core.codec import encode
from mlops_ci.core.digest import canonical_json, digest_bytes, digest_json
from mlops_ci.core.records.base import EventRef, FileDigest
from mlops_ci.core.records.comparison import HoldoutLedgerEntry
from mlops_ci.core.records.events import Approval, ApprovalStatement, Assignment, LedgerHead, Release, Retirement
from mlops_ci.registry.holdout_ledger import LEDGER_ENTRY_FILE, ledger_ref
from mlops_ci.registry.statement import (
    EventRecord,
    encode_approval,
    encode_assignment,
    encode_release,
    encode_retirement,
)
from mlops_ci.registry.tag_message import format_tag_message
from mlops_ci.repository.ref_listing import APPROVAL_PREFIX
from mlops_ci.spec.load import Specs, load_specs
from tests.support.forged_files import MAKER, manifest_files, release_of_run, spec_files
from tests.support.pack import Folders, Packer, tree

START = 1_700_000_000  # seconds since 1970; a commit a minute from here
ADA = "Ada Lovelace <ada@example.org>"


@dataclass(frozen=True)
class Forged:
    """What was forged: the repository's folder, and every event's tag by model, in the order of the log."""

    root: Path
    events: dict[str, tuple[EventRef, ...]]


@dataclass
class _Model:
    """One model on its way: what its next event refers to."""

    name: str
    events: list[EventRef] = field(default_factory=list)
    log: str | None = None
    release: Release | None = None
    released: EventRef | None = None
    version: tuple[int, int, int] = (0, 0, 0)
    number: int = 0
    step: int = 0


def forge(
    root: Path,
    events: int,
    *,
    models: int = 4,
    key: Path | None = None,
    signed_from: int = 0,
    approver: Path | None = None,
    project: str = "",
    split: str = "",
    files: dict[str, str] | None = None,
) -> Forged:
    """Make a repository of `events` events at `root`, spread over `models` models, whose work tree is checked out.

    With `key`, an SSH key's file, tags are signed, each model's from its event `signed_from` on (counted from 0); with
    `approver`, another's key, what goes to prod is approved by it. `project` is added to the Project spec, `split` is that of every
    dataset (with a budget, each release is the second of two questions); `files` are further files of the branch, by path.
    """
    root.mkdir(parents=True)
    _git(root, "init", "--quiet", "--initial-branch=main")
    names = [f"model-{index}" for index in range(models)]
    texts = {**spec_files(names, project, split), **(files or {})}
    for path, text in texts.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    specs, found = load_specs(root)
    assert specs is not None, found
    forging = _Forging(Packer(root / ".git"), specs, Folders(Packer(root / ".git")), {}, key, signed_from, approver)
    forging.folders.packer = forging.packer
    forging.start(texts)
    made = {name: _Model(name) for name in names}
    steps = [forging.prepare(made[names[index % models]], START + 60 * (index + 1)) for index in range(events)]
    _chained(forging, made, steps)
    forging.refs["refs/heads/main"] = forging.tip
    forging.packer.flush()
    lines = [f"{oid} {name}\n" for name, oid in sorted(forging.refs.items())]
    (root / ".git" / "packed-refs").write_text("# pack-refs with: sorted \n" + "".join(lines))
    _git(root, "reset", "--quiet", "--hard")
    return Forged(root, {name: tuple(model.events) for name, model in made.items()})


@dataclass(frozen=True)
class _Step:
    """An event that only lacks what the one before it is called."""

    model: _Model
    commit: str
    seconds: int
    record: Callable[[], EventRecord]


def _chained(forging: _Forging, made: dict[str, _Model], steps: list[_Step]) -> None:
    """Write the tags and logs: each model's one after the other, since each names the one before it; models side by side."""

    def chain(model: _Model) -> list[tuple[_Step, EventRecord, bytes]]:
        return [forging.sealed(step) for step in steps if step.model is model]

    if forging.key is None:
        for step in steps:
            forging.log(*forging.sealed(step))
        return
    with ThreadPoolExecutor(2) as pool:
        for sealed in pool.map(chain, made.values()):
            for one in sealed:
                forging.log(*one)


@dataclass
class _Forging:
    packer: Packer
    specs: Specs
    folders: Folders
    refs: dict[str, str]
    key: Path | None
    signed_from: int
    approver: Path | None
    tip: str = ""
    questions: dict[str, int] = field(default_factory=dict)

    def start(self, texts: dict[str, str]) -> None:
        root = self.folders.write({path: self.packer.add("blob", text.encode()) for path, text in texts.items()})
        self.tip = self.packer.commit(root, (), "Start\n", ADA, START)

    def prepare(self, model: _Model, seconds: int) -> _Step:
        """Do all of a model's next event but its tag: each release goes to prod; every other one by a trial that ends."""
        step, model.step = model.step % 4, model.step + 1
        if step == 0:
            return self._release(model, seconds)
        if step == 2:
            return self._assignment(model, "prod", seconds)
        if (model.step - 1) % 8 < 4:
            return self._assignment(model, "staging", seconds)
        return self._assignment(model, "trial", seconds) if step == 1 else self._unassignment(model, "trial", seconds)

    def sealed(self, step: _Step) -> tuple[_Step, EventRecord, bytes]:
        """Return an event's record and tag, signed if need be."""
        model = step.model
        previous = model.events[-1] if model.events else None
        record = replace(step.record(), previous=previous)
        if isinstance(record, Assignment) and record.environment == "prod" and self.approver is not None:
            record = replace(record, approvals=(self._approval(record, self.approver, step),), approvals_required=1)
        name, title, statement = _said(record)
        sentence = record.evidence.sentence if isinstance(record, Release) else record.reason or "as planned"
        body = f"object {step.commit}\ntype commit\ntag {name}\ntagger {ADA} {step.seconds} +0000\n\n"
        content = (body + format_tag_message(title, sentence, statement)).encode()
        if self.key is not None and len(model.events) >= self.signed_from:
            content += sign(self.key, content)
        oid = self.packer.add("tag", content)
        model.events.append(EventRef(name, oid))
        if isinstance(record, Release):
            model.released = model.events[-1]
        return step, record, content

    def _approval(self, made: Assignment, key: Path, step: _Step) -> Approval:
        consent = ApprovalStatement(
            made.model,
            made.version,
            made.environment,
            made.release,
            made.model_files,
            made.model_digest,
            MAKER,
            made.made_on,
            project=made.project,
        )
        name = f"{made.model}/{made.environment}/v{made.version}/{key.name}"
        who = f"{key.name.title()} <{key.name}@example.org>"
        body = f"object {step.commit}\ntype commit\ntag {name}\ntagger {who} {step.seconds} +0000\n\n"
        content = (body + format_tag_message("approved", "as planned", encode_approval(consent))).encode()
        oid = self.packer.add("tag", content + sign(key, content))
        self.refs[f"{APPROVAL_PREFIX}{name}"] = oid
        ref = EventRef(f"{APPROVAL_PREFIX}{name}", oid)
        return Approval("signature", f"{key.name}@example.org", made.made_on, ref)

    def log(self, step: _Step, record: EventRecord, content: bytes) -> None:
        name = _said(record)[0]
        oid = self.packer.add("tag", content)
        files = {"record.json": canonical_json(encode(record)).encode(), "tag": f"{oid} {name}\n".encode()}
        entries = {path: ("100644", self.packer.add("blob", data)) for path, data in files.items()}
        model = step.model
        parents = (model.log,) if model.log else ()
        model.log = self.packer.commit(tree(self.packer, entries), parents, name, ADA, step.seconds)
        self.refs[f"refs/tags/{name}"] = oid
        self.refs[f"refs/mlops/log/{model.name}"] = model.log

    def _release(self, model: _Model, seconds: int) -> _Step:
        major, minor, patch = model.version
        count = sum(model.version) + (major > 0)
        model.version = (
            (1, 0, 0) if not major else (major, minor + 1, 0) if count % 5 == 0 else (major, minor, patch + 1)
        )
        version = ".".join(map(str, model.version))
        rows = 500 + 3 * len(version) + minor
        table = "".join(f"{row},{row % 7},{row % 2}\n" for row in range(40)) + f"# {model.name} {version}\n"
        data = FileDigest(f"data/{model.name}.csv", digest_bytes(table.encode()), len(table))
        self._commit({data.path: table.encode()}, f"Data for {model.name} {version}\n", seconds)
        release, files = release_of_run(model.name, version, self.tip, rows, data, self.specs)
        oid = self._run(files, f"{model.name}: gate pass", seconds)
        release = replace(release, run_oid=oid, ledger=self._asked(release, seconds), policy_commit=self.tip)
        self.refs[f"refs/mlops/releases/{model.name}/v{version}"] = oid
        self.refs[release.run_ref] = oid
        model.release = release
        return _Step(model, self.tip, seconds, lambda: release)

    def _asked(self, release: Release, seconds: int) -> LedgerHead | None:
        """Count what another candidate was judged for, and then the release's own question."""
        dataset = release.data[0].dataset
        if self.specs.datasets[dataset].spec.split.holdout_budget is None:
            return None
        ref = ledger_ref(dataset, 1)
        for digest in (digest_json([release.version, "another"]), release.model_digest):
            question = HoldoutLedgerEntry(
                dataset,
                1,
                release.evidence.holdout_digest,
                digest,
                release.model,
                release.run_key,
                "2026-11-22T20:00:00+00:00",
                project=release.project,
            )
            text = self.packer.add("blob", canonical_json(encode(question)).encode())
            entries = {LEDGER_ENTRY_FILE: ("100644", text)}
            parents = (self.refs[ref],) if ref in self.refs else ()
            title = f"{release.model}: evaluate run {release.run_key}"
            tool = "mlops-ci <mlops-ci@localhost>"
            self.refs[ref] = self.packer.commit(tree(self.packer, entries), parents, title, tool, seconds)
            self.questions[ref] = self.questions.get(ref, 0) + 1
        return LedgerHead(ref, self.refs[ref], self.questions[ref])

    def _assignment(self, model: _Model, environment: str, seconds: int) -> _Step:
        release = model.release
        assert release is not None
        model.number += 1
        folder = f"deploy/{environment}/{model.name}"
        files = manifest_files(release, environment)
        policy = self.tip
        self._commit({f"{folder}/{path}": data for path, data in files.items()}, "Deploy\n", seconds, gone=folder)
        made = Assignment(
            model=model.name,
            version=release.version,
            environment=environment,
            number=model.number,
            release=EventRef("", ""),
            model_files=release.model_files,
            model_digest=release.model_digest,
            run_key=release.run_key,
            train_digest=release.data[0].train_digest,
            manifests=tuple(
                FileDigest(f"{folder}/{path}", digest_bytes(data), len(data)) for path, data in sorted(files.items())
            ),
            made_by=MAKER,
            made_on="2026-11-22T20:00:00+00:00",
            policy_commit=policy,
            project=release.project,
        )
        return _Step(model, release.commit, seconds, lambda: replace(made, release=_need(model.released)))

    def _unassignment(self, model: _Model, environment: str, seconds: int) -> _Step:
        release = model.release
        assert release is not None
        model.number += 1
        policy = self.tip
        self._commit({}, "Take back\n", seconds, gone=f"deploy/{environment}/{model.name}")
        made = Retirement(
            event="unassignment",
            model=model.name,
            version=release.version,
            release=EventRef("", ""),
            model_files=release.model_files,
            reason="the trial is over",
            made_by=MAKER,
            made_on="2026-11-22T20:00:00+00:00",
            environment=environment,
            number=model.number,
            policy_commit=policy,
            project=release.project,
        )
        return _Step(model, release.commit, seconds, lambda: replace(made, release=_need(model.released)))

    def _commit(self, files: dict[str, bytes], text: str, seconds: int, gone: str | None = None) -> None:
        root = self.folders.write({path: self.packer.add("blob", data) for path, data in files.items()}, gone)
        self.tip = self.packer.commit(root, (self.tip,), text, ADA, seconds)

    def _run(self, files: dict[str, bytes], title: str, seconds: int) -> str:
        folders = Folders(self.packer)
        root = folders.write({path: self.packer.add("blob", data) for path, data in files.items()})
        return self.packer.commit(root, (), title, "mlops-ci <mlops-ci@localhost>", seconds)


def sign(key: Path, content: bytes) -> bytes:
    """Return git's SSH signature of an object's bytes."""
    command = ["ssh-keygen", "-q", "-Y", "sign", "-n", "git", "-f", str(key)]
    return subprocess.run(command, input=content, check=True, capture_output=True).stdout


def _need(found: EventRef | None) -> EventRef:
    assert found is not None
    return found


def _said(record: EventRecord) -> tuple[str, str, dict[str, object]]:
    if isinstance(record, Release):
        return f"{record.model}@v{record.version}", f"{record.model} v{record.version}", encode_release(record)
    if isinstance(record, Assignment):
        name = f"{record.model}#{record.environment}#{record.number}"
        return name, f"{record.model} v{record.version} in {record.environment}", encode_assignment(record)
    return f"{record.model}#{record.environment}!#{record.number}", f"{record.model} left", encode_retirement(record)


def _git(root: Path, *args: str) -> None:
    subprocess.run(["git", *args], cwd=root, check=True, capture_output=True)
