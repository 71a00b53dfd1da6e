"""What a command does otherwise than the specs say stands in a field of its own, and the specs stay as they are written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mlops_ci.core.errors import Findings
from mlops_ci.core.planned_writes import StoreRun
from mlops_ci.core.records.base import FileDigest
from mlops_ci.registry.run_store import StoreTarget, plan_store, store_target
from mlops_ci.registry.run_transfer import BUNDLE_TARGET
from tests.evaluation.conftest import open_project, write_project

LARGE = FileDigest("model.skops", "0" * 64, 200_000_000)


def test_where_the_branch_takes_no_push_manifests_travel_by_pull_request(root: Path) -> None:
    project = open_project(root)
    refused = replace(project, context=replace(project.context, is_branch_protected=True))
    assert (project.delivery, refused.delivery) == ("push", "pull-request")
    assert refused.specs.project.spec.delivery == "push"


def test_a_project_that_delivers_by_pull_request_does_so(root: Path) -> None:
    write_project(root, project="  {delivery: pull-request}\n")
    assert open_project(root).delivery == "pull-request"


def test_runs_go_where_the_project_keeps_them(root: Path) -> None:
    write_project(root, project="  {store: 's3://models/air', storeLimitMb: 3}\n")
    assert store_target(open_project(root).specs.project.spec) == StoreTarget("s3://models/air", 3)


def test_a_file_that_git_does_not_take_is_refused_where_there_is_no_other_place(tmp_path: Path) -> None:
    with pytest.raises(Findings) as caught:
        plan_store("refs/mlops/runs/delay/1", "title", {}, (LARGE,), tmp_path, StoreTarget("git", 50))
    assert caught.value.diagnostics[0].id == "model-file-too-large"


def test_a_bundle_carries_files_of_any_size(tmp_path: Path) -> None:
    (write,) = plan_store("refs/mlops/runs/delay/1", "title", {}, (LARGE,), tmp_path, BUNDLE_TARGET).writes
    assert isinstance(write, StoreRun)
    assert write.files == {"model/model.skops": tmp_path / "model.skops"}
