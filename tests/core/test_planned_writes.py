"""How a plan is told, a line a write, and how references to tags that it makes get their ids."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_ci.core import notifications, planned_writes
from mlops_ci.core.codec import encode
from mlops_ci.core.digest import canonical_json
from mlops_ci.core.planned_writes import describe_write, resolve_placeholders, tag_placeholder
from mlops_ci.core.records.base import FileDigest
from mlops_ci.core.records.training_run import Fit
from mlops_ci.core.signers import Signing

OID = "0123456789abcdef0123456789abcdef01234567"
FILE = FileDigest("model.skops", "abcdef0123456789" * 4, 1234567)
LINES: list[tuple[Any, str]] = [
    (planned_writes.WriteFile("a.yaml", b"x" * 1234), "write    a.yaml (1,234 bytes)"),
    (planned_writes.PrepareRepository("shop"), "git      also fetch refs/mlops/* in the repository around shop; created if there is none"),
    (planned_writes.KeepLocalCopy(FILE, Path("m")), "keep     model.skops in this clone until it is uploaded"),
    (planned_writes.KeepFit("d", "k", Fit(FILE, "e", (), 1.0, "t"), Path("m"), b""), "keep     the fit of d in this clone until its run is stored (1,234,567 bytes)"),
    (planned_writes.DropFit("d", "k"), "remove   the kept fit of d"),
    (planned_writes.Upload("s3://b", FILE, Path("m")), "upload   model.skops to s3://b, sha256 abcdef0123 (1,234,567 bytes)"),
    (planned_writes.StoreRun("refs/mlops/runs/d/k", {"a": b"", "b": b""}, "t"), "store    refs/mlops/runs/d/k (2 files)"),
    (planned_writes.Commit("deploy", OID, "prod/d", {"a": b""}, "Deploy d\n\nwhy"), "commit   deploy: Deploy d (1 files in prod/d/)"),
    (planned_writes.Commit("deploy", OID, "prod/d", {}, "Remove d"), "commit   deploy: Remove d (without prod/d/)"),
    (planned_writes.CreateTag("d@v1.0.0", OID, "m"), "tag      d@v1.0.0 on 0123456789"),
    (planned_writes.CreateTag("d@v1.0.0", OID, "m", signing=Signing("ssh", b"allowed")), "tag      d@v1.0.0 on 0123456789, signed"),
    (planned_writes.CreateTag("d/1", OID, "m", ref_namespace="refs/mlops/"), "tag      refs/mlops/d/1 on 0123456789"),
    (planned_writes.AppendLog("d", "d@v1.0.0", {}, None), "log      refs/mlops/log/d: d@v1.0.0"),
    (planned_writes.AppendLedger("refs/mlops/ledger/f", None, {}, "question 3"), "ledger   refs/mlops/ledger/f: question 3"),
    (planned_writes.CreateRef("refs/mlops/releases/d", OID), "pin      refs/mlops/releases/d at 0123456789"),
    (planned_writes.RemoveRef("refs/mlops/runs/d/k", OID), "remove   refs/mlops/runs/d/k, if it is at 0123456789"),
    (planned_writes.RemoveObject("s3://b", "o", 1234, "now"), "remove   o from s3://b (1,234 bytes)"),
    (planned_writes.ExportFile(Path("out"), Path("in")), "write    out"),
    (planned_writes.WriteBundle(Path("b"), ("r1", "r2")), "bundle   r1, r2 in b"),
    (planned_writes.Push(None), "refs     all refs above, in one transaction in this repository"),
    (planned_writes.Push("origin"), "push     everything above, atomically, to origin"),
    (notifications.StickyComment(7, "m", "b"), "comment  on pull request #7"),
    (notifications.CheckRun("gate", OID, "success", "t", "s"), "check    gate: success on 0123456789"),
    (notifications.PublishRelease("d@v1.0.0", "t", "b"), "release  d@v1.0.0 on the host"),
    (notifications.RecordArtifact("d/m", "1" * 64, "1.0.0", "prod", "p"), "artifact d/m 1.0.0 in prod, on the host"),
    (notifications.RecordDeployment("d#prod#1", "prod", "x"), "deployed d#prod#1 to prod, on the host"),
    (notifications.OpenPullRequest("deploy", "main", "t", "b"), "request  deploy -> main"),
    (notifications.Dispatch("mlops-deployed"), "dispatch mlops-deployed"),
    (notifications.StartWorkflow("gate.yml", "main"), "start    gate.yml on main"),
]  # fmt: skip


@pytest.mark.parametrize(("write", "line"), LINES, ids=[type(write).__name__ for write, _ in LINES])
def test_each_write_is_told_in_one_line(write: Any, line: str) -> None:
    assert describe_write(write) == line


def test_no_kind_of_write_goes_untold() -> None:
    assert {type(write) for write, _ in LINES} == set(get_args(planned_writes.PlannedWrite))


def test_what_is_dangerous_is_no_default() -> None:
    defaults = {
        f"{kind.__name__}.{one.name}": one.default
        for kind in get_args(planned_writes.PlannedWrite)
        for one in fields(kind)
    }
    assert defaults["WriteFile.replace"] is False
    assert defaults["Commit.new_branch"] is False
    assert defaults["CreateTag.dated_after"] == 0


NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,5}@v[0-9]\.[0-9]\.[0-9]", fullmatch=True)


@given(st.dictionaries(NAMES, st.from_regex(r"[1-9a-f]{40}", fullmatch=True), min_size=1), NAMES)
def test_references_get_the_ids_of_the_tags_that_were_made_and_no_others(made: Mapping[str, str], other: str) -> None:
    names = [*made, *({other} - set(made))]
    text = canonical_json({"made": [encode(tag_placeholder(name)) for name in names], "text": "0" * 40})
    resolved = json.loads(resolve_placeholders(text, made))
    assert {one["name"]: one["oid"] for one in resolved["made"]} == {name: made.get(name, "0" * 40) for name in names}
    assert resolved["text"] == "0" * 40
