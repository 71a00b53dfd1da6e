"""A holdout that only the judge can read: training goes without it, and nothing is judged where it is out of reach."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mlops_ci.evaluation import evaluate
from mlops_ci.evaluation.holdout import sealed
from tests.e2e.gate.test_gate import DATA, edit
from tests.support.consumer import Consumer
from tests.support.objects import Bucket

SPEC = "data/patients.yaml"


def seal(consumer: Consumer, source: str) -> pd.DataFrame:
    """Take a third of the rows out of the repository, say where they are, and return them."""
    frame = pd.read_csv(consumer.root / DATA)
    held = frame[frame.index % 3 == 0]
    frame[frame.index % 3 != 0].to_csv(consumer.root / DATA, index=False)
    edit(consumer, SPEC, "spec:\n", f"spec:\n  split: {{by: sealed, source: {{type: csv, {source}}}}}\n")
    edit(consumer, SPEC, "{type: row-count, min: 500}", "{type: row-count, min: 300}")
    edit(consumer, "models/diagnosis.yaml", "metric: auc, min: 0.93", "metric: auc, min: 0.9")
    return held


@pytest.mark.slow
def test_training_needs_no_holdout_and_judging_fails_closed_without_it(gated: Consumer, tmp_path: Path) -> None:
    file = tmp_path / "vault" / "holdout.csv"
    held = seal(gated, f"url: 'file://{file}'")
    trained = gated.answer("train")["record"]["models"][0]
    assert trained["fitted"]
    assert (trained["run"]["split"]["holdoutRows"], trained["run"]["split"]["holdoutDigest"]) == (0, "")
    for verb in ("compare", "gate", "release"):
        (found,) = gated.answer(verb, code=3)["diagnostics"]
        assert found["id"] == "holdout-unreadable"
        assert (found["location"]["path"], str(file) in found["message"]) == (SPEC, True)
    file.parent.mkdir()
    held.to_csv(file, index=False)
    answer = gated.answer("gate")["record"]
    assert (answer["verdict"], answer["fits"]) == ("pass", 0)
    comparison = answer["models"][0]["comparison"]
    assert (comparison["holdoutRows"], len(comparison["holdoutDigest"])) == (len(held), 64)
    assert gated.answer("compare")["record"]["comparisons"] == [comparison]
    held.head(150).to_csv(file, index=False)
    answer = gated.answer("gate")["record"]
    assert answer["fits"] == 0, "another holdout is no other model"
    assert answer["models"][0]["comparison"]["holdoutDigest"] != comparison["holdoutDigest"]
    gated.ok("gate", "--power")
    gated.commit("Seal the holdout")
    gated.git("push", "--quiet")
    gated.ok("gate")
    gated.ok("release")


@pytest.mark.slow
def test_a_holdout_in_a_bucket_is_read_with_the_credentials_of_the_environment_and_no_copy_stays(
    gated: Consumer, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    held = seal(gated, f"url: 's3://{bucket.name}/vault/holdout.csv'")
    bucket.put("vault/holdout.csv", held.to_csv(index=False).encode())
    with monkeypatch.context() as nobody:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            nobody.delenv(name)
        gated.ok("train")
        done = gated.run("gate")
        assert done.returncode == 3
        assert "holdout-unreadable" in done.stdout + done.stderr
    there: dict[str, int] = {}
    for module, name in ((sealed, "split_dataset"), (evaluate, "score_models")):
        real = getattr(module, name)

        def looking(*args: Any, real: Any = real, name: str = name, **others: Any) -> Any:
            there[name] = len(list(scratch.rglob("sealed-holdout*")))
            return real(*args, **others)

        monkeypatch.setattr(module, name, looking)
    assert gated.answer("gate")["record"]["verdict"] == "pass"
    assert there == {"split_dataset": 1, "score_models": 0}, "no copy is left when a model's code runs"
    secret = str(held["patient_id"].iloc[0]) + "," + str(held.iloc[0, 1])
    for folder in (scratch, gated.root, gated.origin):
        for path in folder.rglob("*"):
            assert not path.is_file() or secret.encode() not in path.read_bytes(), path
    monkeypatch.setattr(sealed, "HOLDOUT_DOWNLOAD_LIMIT", 1000)
    (found,) = gated.answer("gate", code=3)["diagnostics"]
    assert "the limit is 1,000" in found["message"]


def test_a_sealed_holdout_may_be_a_file_of_the_repository_and_may_share_no_row_with_training(gated: Consumer) -> None:
    held = seal(gated, "path: held/patients.csv")
    (gated.root / "held").mkdir()
    held.to_csv(gated.root / "held/patients.csv", index=False)
    assert gated.answer("gate")["record"]["verdict"] == "pass"
    pd.concat([held, pd.read_csv(gated.root / DATA).head(5)]).to_csv(gated.root / "held/patients.csv", index=False)
    answer = gated.answer("gate", code=1)
    assert [found["id"] for found in answer["diagnostics"]] == [
        "split-leak-key",
        "split-leak-rows",
        "holdout-changed",
        "gate-changed",
    ]
    (gated.root / "held/patients.csv").unlink()
    assert gated.answer("gate", code=3)["diagnostics"][0]["id"] == "holdout-unreadable"


def test_a_branch_is_judged_on_the_holdout_that_the_base_has_sealed(gated: Consumer, tmp_path: Path) -> None:
    """Given a sealed holdout on main, when a branch names an easier one, or none, then the one of main is asked."""
    hard, easy = tmp_path / "hard.csv", tmp_path / "easy.csv"
    held = seal(gated, f"url: 'file://{hard}'")
    held.to_csv(hard, index=False)
    held[held["malignant"] == (held["worst_radius"] > 17)].to_csv(easy, index=False)
    gated.commit("Seal the holdout")
    gated.git("push", "--quiet")
    wanted = gated.answer("gate")["record"]["models"][0]["comparison"]["holdoutDigest"]
    for new in (f"{{by: sealed, source: {{type: csv, url: 'file://{easy}'}}}}", "{by: key-hash}"):
        edit(gated, SPEC, f"{{by: sealed, source: {{type: csv, url: 'file://{hard}'}}}}", new)
        answer = gated.answer("gate")
        assert answer["record"]["models"][0]["comparison"]["holdoutDigest"] == wanted
        (changed,) = [found for found in answer["diagnostics"] if found["id"] == "gate-changed"]
        assert "split.source" in changed["message"]
        gated.git("checkout", "--quiet", SPEC)
