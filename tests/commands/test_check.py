"""`check` of several datasets."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops_ci.cli.main import run_command_line

DATASET = """apiVersion: mlops-ci/v1
kind: Dataset
metadata: {{name: {name}}}
spec:
  source: {{type: csv, path: {name}.csv}}
  key: [id]
"""


def test_a_dataset_that_cannot_be_read_hides_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mlops.yaml").write_text("apiVersion: mlops-ci/v1\nkind: Project\nmetadata: {name: p}\nspec: {}\n")
    files = {
        "a": b"id,x\n1,2\n1,3\n",
        "b": b"id,x\n1,\xff\n",
        "c": None,
        "d": b"id,x\n1,2\n2,3,4\n",
        "e": b"id\n1\n",
    }
    for name, content in files.items():
        (tmp_path / f"{name}.yaml").write_text(DATASET.format(name=name))
        if content is not None:
            (tmp_path / f"{name}.csv").write_bytes(content)
    assert run_command_line(["check", "-C", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    for part in ("check-unique", "data-encoding", "data-source-missing", "data-ragged-row", "e: 1 row"):
        assert part in captured.out + captured.err
