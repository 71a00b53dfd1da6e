"""Released versions that nobody trained: what comes after a release needs their records and kept runs, and no model."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from mlops_ci.cli.push_plan import apply_plan
from mlops_ci.core.codec import encode
from mlops_ci.core.digest import canonical_json, digest_bytes
from mlops_ci.core.plan import Plan
from mlops_ci.core.planned_writes import AppendLog, CreateRef, CreateTag, Push, StoreRun
from mlops_ci.core.records.base import FileDigest, ProjectRef
from mlops_ci.core.records.events import DataRef, Release
from mlops_ci.core.records.training_run import DatasetSnapshot
from mlops_ci.registry import run_store
from mlops_ci.registry import state as registry
from mlops_ci.registry.statement import encode_release
from mlops_ci.registry.tag_message import format_tag_message
from mlops_ci.repository import git
from mlops_ci.repository.repository_name import find_repository_name
from tests.support.consumer import Consumer
from tests.support.registry_samples import RELEASE

MODEL = "diagnosis"


def released(consumer: Consumer, version: str, model_digest: str, *, snapshot_of: str | None = None) -> Release:
    """Release a version on a new commit, on data of its own; `snapshot_of` has its run tell of other data than the release."""
    repo = git.find_repository(consumer.root)
    assert repo is not None
    remote = repo.default_remote()
    consumer.git("commit", "--quiet", "--allow-empty", "-m", f"Version {version}")
    if remote is not None:
        consumer.git("pull", "--quiet", "--rebase")
        consumer.git("push", "--quiet")
    data = digest_bytes(version.encode())
    project = ProjectRef(consumer.root.name, ".")  # `init` names it after its folder
    snapshot = DatasetSnapshot(
        dataset="patients",
        spec_digest="1" * 64,
        rows=500,
        files=(FileDigest("data/patients.csv", snapshot_of or data, 5_000),),
        columns=(),
        schema_digest="5" * 64,
        checks=(),
        project=project,
    )
    files_digest = replace(snapshot, files=(replace(snapshot.files[0], sha256=data),)).files_digest
    run = StoreRun(
        run_store.run_ref(MODEL, model_digest[:32]),
        {"snapshot.json": canonical_json(encode(snapshot)).encode(), "model/model.skops": version.encode()},
        f"run of {version}",
    )
    assert apply_plan(Plan((run,)), consumer.root, repo, None, _now, lambda _: None).state == "done"
    run_oid = str(repo.resolve(run.ref))
    state = registry.read_registry(repo, None).model(MODEL)
    record = replace(
        RELEASE,
        model=MODEL,
        version=version,
        commit=consumer.git("rev-parse", "HEAD"),
        data=(DataRef("patients", data, 400, "5" * 64, files_digest),),
        model_digest=model_digest,
        model_files=(FileDigest("model.skops", digest_bytes(version.encode()), len(version)),),
        run_ref=run.ref,
        run_oid=run_oid,
        project=project,
        made_by=replace(RELEASE.made_by, repository=find_repository_name(repo)),
        previous=state.last_event.ref if state.last_event else None,
    )
    tag = f"{MODEL}@v{version}"
    writes = (
        CreateRef(run_store.release_ref(MODEL, version), run_oid),
        CreateTag(
            tag,
            record.commit,
            format_tag_message(tag, record.evidence.sentence, encode_release(record)),
            state.latest_event_date,
        ),
        AppendLog(MODEL, tag, encode(record), state.log),
        Push(remote),
    )
    assert apply_plan(Plan(writes), consumer.root, repo, repo.identity(), _now, lambda _: None).state == "done"
    return record


def _now() -> datetime:
    return datetime.now(UTC)
