"""What a release publishes of the data: rows, generated rows or none, and what `fetch` and `reproduce` make of each."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.support.consumer import Consumer, edit

SPEC, DATA = "models/diagnosis.yaml", "data/patients.yaml"
RADIUS = "mean_radius: {type: number, nulls: {max: 0}, min: 0}"


def release(consumer: Consumer) -> None:
    consumer.ok("gate")
    consumer.commit()
    consumer.git("push", "--quiet")
    consumer.ok("release")


def test_a_personal_feature_makes_the_golden_rows_generated(gated: Consumer, tmp_path: Path) -> None:
    edit(gated, DATA, RADIUS, "mean_radius: {type: number, min: 0, max: 50, tags: [pii]}")
    release(gated)
    gated.ok("fetch", "diagnosis", str(tmp_path / "out"))
    golden = pq.read_table(tmp_path / "out" / "golden.parquet")
    people = {row.split(",")[1] for row in (gated.root / "data/patients.csv").read_text().splitlines()[1:]}
    assert golden.num_rows == 100
    assert not people & {str(value) for value in golden["mean_radius"].to_pylist()}
    assert all(0 <= value <= 50 for value in golden["mean_radius"].to_pylist())


@pytest.mark.slow
def test_without_golden_rows_a_release_is_fetched_and_reproduced_by_its_structure(
    gated: Consumer, tmp_path: Path
) -> None:
    edit(gated, SPEC, "  train:\n", "  release: {golden: none}\n  train:\n")
    release(gated)
    lines = gated.answer("fetch", "diagnosis", str(tmp_path / "out"))["record"]["lines"]
    assert not (tmp_path / "out" / "golden.parquet").exists()
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    assert "mean_radius" in done.stdout
    report = gated.answer("reproduce", "diagnosis")["record"]
    assert (report["state"], report["compared"]) == ("identical", "structure")


def test_rows_are_as_many_as_the_spec_says(gated: Consumer) -> None:
    edit(gated, SPEC, "  train:\n", "  release: {golden: rows 7}\n  train:\n")
    answer = gated.answer("train")["record"]["models"][0]["run"]
    ref = f"refs/mlops/runs/diagnosis/{answer['key']}"
    content = subprocess.run(
        ["git", "show", f"{ref}:model/golden.parquet"], cwd=gated.root, capture_output=True, check=True
    ).stdout
    assert pq.read_table(io.BytesIO(content)).num_rows == 7
