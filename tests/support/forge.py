"""Whole registries, as this toolkit would have written them, of any size: for audits, queries and benchmarks.

Every record, run, manifest, log entry and pin is honest: sizes and digests are those of the bytes that are there.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from mlops_ci.core.codec import encode
from mlops_ci.core.digest import canonical_json, digest_bytes, digest_json
from mlops_ci.core.records.base import FileDigest, ProjectRef
from mlops_ci.core.records.comparison import Comparison, HoldoutLedgerEntry, HoldoutQuestion, MetricValue
from mlops_ci.core.records.events import (
    Approval,
    ApprovalStatement,
    Assignment,
    DataRef,
    EventRef,
    LedgerHead,
    Provenance,
    Release,
    Retirement,
)
from mlops_ci.core.records.training_run import (
    DatasetSnapshot,
    ModelField,
    ModelFormat,
    ModelSignature,
    Split,
    TrainingEnvironment,
    TrainingRun,
)
from mlops_ci.core.requirements import Reason, RequirementResult
from mlops_ci.governance.approvals import APPROVAL_PREFIX
from mlops_ci.registry.holdout_ledger import LEDGER_ENTRY_FILE, ledger_ref
from mlops_ci.registry.statement import (
    EventRecord,
    encode_approval,
    encode_assignment,
    encode_release,
    encode_retirement,
    gate_evidence,
)
from mlops_ci.registry.tag_message import format_tag_message
from mlops_ci.spec.load import Specs, load_specs
from mlops_ci.spec.requirement_text import requirement_terms
from tests.support.pack import Folders, Packer, tree

START = 1_700_000_000  # seconds since 1970; a commit a minute from here
ADA = "Ada Lovelace <ada@example.org>"
MAKER = Provenance("Ada Lovelace", "0.1.0")
ENVIRONMENTS = ("trial", "staging", "prod")
_ENVIRONMENT = TrainingEnvironment(
    "3.11.7", {"numpy": "2.4.6", "scikit-learn": "1.9.1", "skops": "0.16.0"}, "Linux-x86_64"
)
_INPUTS = tuple(ModelField(f"feature_{index}", "number") for index in range(8))
_DESCRIPTION = "# What every version of it answers, and on which columns, stands here.\n"


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
    texts = {**_spec_files(names, project, split), **(files or {})}
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
        release, files = _run_of(model.name, version, self.tip, rows, data, self.specs)
        oid = self._run(files, f"{model.name}: gate pass", seconds)
        release = replace(release, run_oid=oid, ledger=self._asked(release, seconds))
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
        files = _manifests(release, environment)
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
            data_digest=release.data[0].digest,
            manifests=tuple(
                FileDigest(f"{folder}/{path}", digest_bytes(data), len(data)) for path, data in sorted(files.items())
            ),
            made_by=MAKER,
            made_on="2026-11-22T20:00:00+00:00",
            project=release.project,
        )
        return _Step(model, release.commit, seconds, lambda: replace(made, release=_need(model.released)))

    def _unassignment(self, model: _Model, environment: str, seconds: int) -> _Step:
        release = model.release
        assert release is not None
        model.number += 1
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


def _run_of(
    model: str, version: str, commit: str, rows: int, data: FileDigest, specs: Specs
) -> tuple[Release, dict[str, bytes]]:
    """Return a version's release, but for the id of its run, and the files of that run by path."""
    spec, dataset = specs.models[model], specs.datasets[f"data-of-{model}"]
    seen = digest_json([model, version])
    content = {
        "model.skops": (f"{model} {version} " * 40).encode(),
        "signature.json": canonical_json(encode(_INPUTS)).encode(),
        "golden.parquet": f"PAR1 {version}".encode(),
        "requirements.txt": b"scikit-learn==1.9.1\nskops==0.16.0\n",
    }
    packaged = tuple(FileDigest(path, digest_bytes(file), len(file)) for path, file in content.items())
    value = 0.8 + int(seen[:4], 16) / 2**20
    metrics = tuple(
        MetricValue(name, value + offset, value + offset - 0.03, value + offset + 0.03, None, 122)
        for name, offset in (("auc", 0.05), ("accuracy", 0.0), ("log-loss", -0.5), ("brier", -0.7))
    )
    sentence = f"auc {metrics[0].value:.3f} on 122 holdout rows; there is no champion yet"
    requirements = tuple(
        RequirementResult(
            requirement_terms(wanted),
            "pass",
            Reason("interval-clear"),
            metric.value,
            lower=metric.lower,
            upper=metric.upper,
        )
        for wanted, metric in zip(spec.spec.gate.requirements, metrics, strict=False)
    )
    project = ProjectRef(specs.project.name, ".")
    snapshot = DatasetSnapshot(
        dataset.name,
        dataset.digest,
        digest_json([seen, "data"]),
        rows,
        (data,),
        (),
        digest_json(["schema"]),
        (),
        project=project,
    )
    run = TrainingRun(
        key=seen[:32],
        model=model,
        task="binary-classification",
        dataset=dataset.name,
        spec_path=spec.path,
        spec_digest=spec.digest,
        interface_digest=digest_json(["interface"]),
        code=(),
        data_digest=snapshot.digest,
        schema_digest=snapshot.schema_digest,
        split=Split("key-hash", 1, 0.2, rows - 122, digest_json([seen, "train"]), 122, digest_json([seen, "holdout"])),
        row_key=("id",),
        environment=_ENVIRONMENT,
        seed=7,
        estimator="sklearn.linear_model.LogisticRegression",
        trusted=("numpy.dtype",),
        signature=ModelSignature(_INPUTS, ModelField("target", "integer"), (0, 1)),
        model_digest=digest_json([seen, "structure"]),
        model_format=ModelFormat("skops", "model.skops"),
        files=packaged,
        started_on="2026-11-22T20:00:00+00:00",
        seconds=0.271,
        project=project,
    )
    budget = dataset.spec.split.holdout_budget
    comparison = Comparison(
        key=digest_json([seen, "comparison"])[:32],
        model=model,
        run=run.key,
        model_digest=run.model_digest,
        champion_state="none",
        holdout_digest=run.split.holdout_digest,
        holdout_rows=122,
        policy_digest=digest_json([encode(spec.spec.gate), encode(spec.spec.evaluate)]),
        confidence=1 - 0.05 / (budget or 1),
        metrics=metrics,
        requirements=requirements,
        verdict="pass",
        sentence=sentence,
        holdout_question=None if budget is None else HoldoutQuestion(dataset.name, 1, budget),
        project=project,
    )
    answer = canonical_json(encode(comparison)).encode()
    release = Release(
        model=model,
        version=version,
        commit=commit,
        spec_path=spec.path,
        spec_digest=spec.digest,
        interface_digest=run.interface_digest,
        seed=7,
        code=(),
        data=(DataRef(dataset.name, snapshot.digest, rows, snapshot.schema_digest),),
        environment_digest=digest_json(run.environment.identity),
        model_digest=run.model_digest,
        model_format=run.model_format,
        model_files=packaged,
        trusted=run.trusted,
        run_key=run.key,
        run_ref=f"refs/mlops/runs/{model}/{comparison.key}",
        run_oid="",
        evidence=gate_evidence(comparison, digest_bytes(answer)),
        project=project,
        trust="local",
        made_by=MAKER,
        made_on="2026-11-22T20:00:00+00:00",
    )
    files = {f"model/{path}": file for path, file in content.items()} | {
        "run.json": canonical_json(encode(run)).encode(),
        "comparison.json": answer,
        "snapshot.json": canonical_json(encode(snapshot)).encode(),
        "metrics.json": canonical_json({item.metric: item.value for item in metrics}).encode(),
        "report.md": f"### {model}: pass\n\n{sentence}\n".encode(),
        "log.txt": b"",
    }
    return release, files


def _manifests(release: Release, environment: str) -> dict[str, bytes]:
    """Return files like those that a deployment writes, without what makes YAML slow."""
    head = f"# {release.model} v{release.version} in {environment}\n"
    return {
        "release.yaml": f"{head}run: {release.run_oid}\n".encode(),
        "kustomization.yaml": b"resources: [base, release.yaml]\n",
        "data.lock": f"{release.data[0].digest}\n".encode(),
        "base/deployment.yaml": f"name: {release.model}\n{_DESCRIPTION * 20}".encode(),
    }


def _spec_files(names: list[str], project: str, split: str) -> dict[str, str]:
    def spec(kind: str, name: str, text: str) -> str:
        return f"apiVersion: mlops-ci/v1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:\n{text}"

    return {
        "mlops.yaml": spec("Project", "forged", f"  environments: [{', '.join(ENVIRONMENTS)}]\n{project}"),
        **dict(_files_of(names, spec, split)),
    }


def _files_of(names: list[str], spec: Callable[[str, str, str], str], split: str) -> Iterator[tuple[str, str]]:
    for name in names:
        columns = "".join(f"    {item.name}: {{type: number}}\n" for item in _INPUTS)
        yield (
            f"data/{name}.yaml",
            spec(
                "Dataset",
                f"data-of-{name}",
                f"  source: {{type: csv, path: data/{name}.csv}}\n  key: [id]\n{split}  columns:\n    id: {{type: integer}}\n"
                f"    target: {{type: integer}}\n{columns}",
            ),
        )
        yield (
            f"models/{name}.yaml",
            spec(
                "Model",
                name,
                f"  task: binary-classification\n  dataset: data-of-{name}\n  target: target\n"
                f"  features: [{', '.join(item.name for item in _INPUTS)}]\n"
                "  train: {estimator: sklearn.linear_model.LogisticRegression, seed: 7}\n"
                "  evaluate: {metrics: [auc, accuracy, log-loss, brier]}\n"
                "  gate:\n    requirements:\n      - {metric: auc, min: 0.7}\n      - {metric: accuracy, min: 0.6}\n",
            ),
        )
        for environment in ENVIRONMENTS:
            text = f"  model: {name}\n  environment: {environment}\n  target: {{type: kubernetes}}\n"
            yield f"deploy/{name}-{environment}.yaml", spec("Deployment", f"{name}-{environment}", text)


def _git(root: Path, *args: str) -> None:
    subprocess.run(["git", *args], cwd=root, check=True, capture_output=True)
