"""What a run adds to the repository: models of the same rows share their golden rows, and git stores only what differs."""

from __future__ import annotations

from pathlib import Path

from tests.support.consumer import Consumer
from tests.support.git_calls import git_in

SPEC = Path("models", "diagnosis.yaml")
LIMIT = 20_000  # bytes


def packed_size(consumer: Consumer, folder: Path) -> int:
    """Return the bytes that all runs of a clone need at a host, which packs what it receives."""
    git_in(consumer.root)("init", "--quiet", "--bare", str(folder))
    consumer.git("push", "--quiet", str(folder), "refs/mlops/*:refs/mlops/*")
    git_in(folder)("gc", "--quiet")
    return sum(pack.stat().st_size for pack in (folder / "objects" / "pack").iterdir())


def evaluate_change(consumer: Consumer, strength: float) -> None:
    spec = consumer.root / SPEC
    spec.write_text(spec.read_text().replace("max_iter: 1000", f"max_iter: 1000, C: {strength}"))
    consumer.run("gate")
    spec.write_text(spec.read_text().replace(f", C: {strength}", ""))


def test_a_further_evaluated_run_of_a_small_model_adds_little(gated: Consumer, tmp_path: Path) -> None:
    before = packed_size(gated, tmp_path / "one.git")
    for at in range(3):
        evaluate_change(gated, 0.3 + at / 10)
    added = packed_size(gated, tmp_path / "four.git") - before
    runs = gated.git("for-each-ref", "--format=%(refname)", "refs/mlops/runs").split()
    assert len(runs) == 8  # each was trained, and evaluated
    assert added / 3 < LIMIT


def test_models_of_the_same_rows_share_their_golden_rows(gated: Consumer) -> None:
    evaluate_change(gated, 0.3)
    runs = gated.git("for-each-ref", "--format=%(refname)", "refs/mlops/runs").split()
    blobs = {
        name: {gated.git("rev-parse", f"{run}:model/{name}").strip() for run in runs}
        for name in ("golden.parquet", "golden-predictions.parquet", "model.skops")
    }
    assert {name: len(found) for name, found in blobs.items()} == {
        "golden.parquet": 1,
        "golden-predictions.parquet": 2,
        "model.skops": 2,
    }
