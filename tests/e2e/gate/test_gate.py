"""The gate on real files: what it fits, what it refuses, and that every refusal says why."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mlops_ci.core.errors import Findings
from mlops_ci.core.records.base import Provenance
from mlops_ci.evaluation.candidates.candidate import identify_candidate, read_data
from mlops_ci.repository.context import Context, Project
from mlops_ci.spec.load import load_specs
from mlops_ci.training.environment import training_environment
from tests.support.consumer import Consumer

MODEL, DATA = "models/diagnosis.yaml", "data/patients.csv"


def edit(consumer: Consumer, path: str, old: str, new: str) -> None:
    text = (consumer.root / path).read_text()
    assert old in text
    (consumer.root / path).write_text(text.replace(old, new))


def test_the_second_gate_of_an_unchanged_repository_fits_nothing_and_says_the_same(gated: Consumer) -> None:
    first, second = (gated.answer("gate")["record"] for _ in range(2))
    assert (second["fits"], second["verdict"]) == (0, "pass")
    assert first == second


def test_a_fit_is_counted_by_the_code_that_is_fitted(gated: Consumer, tmp_path: Path) -> None:
    """Given training code that leaves a mark each time it runs, when the gate runs twice, then there is one mark.

    A module that the code imports is part of what is trained: given another value there, the fit with it leaves another.
    The value is one that fitting refuses, so nothing has to be inspected and scored once more.
    """
    marks = tmp_path / "marks"
    marks.mkdir()
    (gated.root / "models/train.py").write_text(
        "import tempfile\nfrom settings import SMOOTHING\nfrom sklearn.naive_bayes import GaussianNB\n\n\ndef build():\n"
        f"    tempfile.mkstemp(dir={str(marks)!r})\n    return GaussianNB(var_smoothing=SMOOTHING)\n"
    )
    (gated.root / "models/settings.py").write_text("SMOOTHING = 1e-9\n")
    old = "estimator: sklearn.linear_model.LogisticRegression\n    params: {max_iter: 1000}"
    edit(gated, MODEL, old, "entrypoint: models/train.py:build")
    counts = [gated.run("gate", "--format", "json") for _ in range(2)]
    assert ([json.loads(one.stdout)["record"]["fits"] for one in counts], len(list(marks.iterdir()))) == ([1, 0], 1)
    (gated.root / "models/settings.py").write_text("SMOOTHING = -8\n")
    (found,) = gated.answer("train", code=1)["diagnostics"]
    assert (found["id"], "-8" in found["message"]) == ("train-failed", True)
    assert len(list(marks.iterdir())) == 2


def test_another_order_of_rows_is_the_same_data(gated: Consumer) -> None:
    frame = pd.read_csv(gated.root / DATA)
    frame.sample(frac=1, random_state=1).to_csv(gated.root / DATA, index=False)
    assert gated.answer("gate")["record"]["fits"] == 0


def test_compare_judges_what_was_trained_and_says_when_nothing_was(gated: Consumer) -> None:
    assert gated.answer("compare")["record"]["comparisons"][0]["verdict"] == "pass"
    edit(gated, MODEL, "seed: 7", "seed: 8")
    assert gated.answer("compare", code=1)["diagnostics"][0]["id"] == "run-missing"


def test_a_worse_candidate_fails_at_its_requirement_and_cannot_be_released(gated: Consumer) -> None:
    gated.ok("release")
    edit(gated, MODEL, "{max_iter: 1000}", "{max_iter: 1000, C: 1.0e-9}")
    gated.commit("Forget nearly everything")
    before = gated.published()
    answer = gated.answer("gate", code=1)
    assert answer["record"]["verdict"] == "fail"
    found = next(item for item in answer["diagnostics"] if item["id"] == "gate-failed")
    assert found["location"]["path"] == MODEL
    assert gated.answer("release", code=1)["diagnostics"][0]["id"] == "release-refused"
    assert gated.published() == before


@pytest.mark.slow
def test_a_candidate_of_the_same_kind_costs_about_what_the_champion_does(gated: Consumer) -> None:
    edit(gated, MODEL, "  evaluate:\n", "  evaluate:\n    costPerHour: 3600\n")
    costs = ("latency-p50-ms", "batch-latency-p50-ms", "peak-memory-mb", "training-cost")
    most = ("5", "5", "1.1", "100")
    ratios = "".join(
        f"      - {{metric: {cost}, against: champion, maxRatio: {times}}}\n"
        for cost, times in zip(costs, most, strict=True)
    )
    edit(
        gated, MODEL, "    requirements:\n", f"    requirements:\n{ratios}      - {{metric: training-cost, max: 600}}\n"
    )
    gated.commit("Ask what it costs")
    gated.git("push", "--quiet")
    first = gated.answer("gate")["record"]["models"][0]["comparison"]
    assert [item["verdict"] for item in first["requirements"][:5]] == [*["not-applicable"] * 4, "pass"]
    gated.ok("release")
    edit(gated, MODEL, "{max_iter: 1000}", "{max_iter: 1000, C: 0.9}")
    found = gated.answer("gate")["record"]["models"][0]
    second = found["comparison"]
    assert [item["verdict"] for item in second["requirements"][:5]] == ["pass"] * 5
    ratios = second["requirements"][:4]
    assert [item["requirement"]["metric"] for item in ratios] == list(costs)
    assert {item["reason"]["code"] for item in ratios} == {"ratio-measured"}
    values = {item["metric"]: item["value"] for item in second["metrics"]}
    theirs = {item["metric"]: item["value"] for item in second["champion"]["metrics"]}
    assert set(costs) <= set(values) & set(theirs)
    assert theirs["training-cost"] == values_of(first)["training-cost"]  # its own run's, at today's price
    assert "latency-p95-ms" not in values


def values_of(comparison: Any) -> dict[str, float]:
    return {item["metric"]: item["value"] for item in comparison["metrics"]}


@pytest.mark.slow
def test_a_model_that_cannot_be_measured_is_told_of(gated: Consumer) -> None:
    """Given a model that raises on single rows, then it fails where their latency is asked for, and no ratio to it is decided."""
    (gated.root / "models/train.py").write_text(
        "from sklearn.naive_bayes import GaussianNB\n\n\nclass Own(GaussianNB):\n"
        "    def predict_proba(self, x):\n        if len(x) == 1:\n            raise ValueError('one row')\n"
        "        return super().predict_proba(x)\n\n\ndef build():\n    return Own()\n"
    )
    library = "estimator: sklearn.linear_model.LogisticRegression\n    params: {max_iter: 1000}"
    own = "entrypoint: models/train.py:build\n    trusted: [train.Own]"
    asked = "    requirements:\n      - {metric: latency-p50-ms, max: 1000}\n"
    edit(gated, MODEL, library, own)
    edit(gated, MODEL, "    requirements:\n", asked)
    gated.commit("Bring code")
    gated.git("push", "--quiet")
    found = gated.answer("gate", code=1)["diagnostics"][0]
    assert (found["id"], found["severity"]) == ("measure-failed", "error")
    assert found["message"] == "diagnosis cannot be measured: ValueError: one row"

    edit(gated, MODEL, asked, "    requirements:\n")
    gated.commit("Do not ask")
    gated.git("push", "--quiet")
    gated.ok("gate")
    gated.ok("release")
    edit(gated, MODEL, own, library)
    edit(gated, MODEL, "    requirements:\n", asked.replace("max: 1000", "against: champion, maxRatio: 5"))
    gated.commit("Ask again")
    gated.git("push", "--quiet")
    answer = gated.answer("gate")
    assert answer["record"]["verdict"] == "inconclusive"
    told = [(item["id"], item["severity"]) for item in answer["diagnostics"]]
    assert ("measure-failed", "warning") in told
    ratio = answer["record"]["models"][0]["comparison"]["requirements"][0]
    assert ratio["reason"] == {"code": "baseline-not-measured", "baseline": "diagnosis@v1.0.0"}


def test_an_undecided_candidate_is_neutral_unless_the_spec_says_otherwise(gated: Consumer) -> None:
    edit(gated, MODEL, "metric: auc, min: 0.93", "metric: auc, min: 0.97")
    gated.commit("Ask for more")
    gated.git("push", "--quiet")
    answer = gated.answer("gate")
    assert answer["record"]["verdict"] == "inconclusive"
    assert answer["diagnostics"][0]["id"] == "gate-inconclusive"
    assert answer["record"]["models"][0]["comparison"]["requirements"][0]["labelsNeeded"] > 0
    assert gated.answer("release", code=1)["diagnostics"][0]["id"] == "release-refused"
    edit(gated, MODEL, "  gate:\n", "  gate:\n    onInconclusive: fail\n")
    gated.commit("Fail what is undecided")
    gated.git("push", "--quiet")
    assert gated.answer("gate", code=1)["record"]["verdict"] == "inconclusive"


def test_a_model_that_is_too_large_for_git_says_what_to_do(gated: Consumer) -> None:
    edit(gated, "mlops.yaml", "spec:\n", "spec:\n  storeLimitMb: 0\n")
    edit(gated, MODEL, "seed: 7", "seed: 8")  # another run, which is not in the store yet
    found = gated.answer("gate", code=1)["diagnostics"][0]
    assert found["id"] == "model-file-too-large"
    assert "storeLimitMb" in found["help"]


def test_a_misspelt_feature_is_found_in_the_data(gated: Consumer) -> None:
    edit(gated, "data/patients.yaml", "    mean_radius:", "    mean_radus:")
    edit(gated, MODEL, "- mean_texture\n", "- mean_txture\n")
    ids = [item["id"] for item in gated.answer("gate", code=1)["diagnostics"]]
    assert "data-column-missing" in ids
    edit(gated, "data/patients.yaml", "    mean_radus:", "    mean_radius:")
    found = gated.answer("gate", code=1)["diagnostics"][0]
    assert (found["id"], found["help"]) == ("model-column-missing", "did you mean 'mean_texture'?")


def test_when_nobody_can_win_the_race_nothing_is_written(gated: Consumer) -> None:
    """Given a remote where another writer holds the log's lock, when a release has tried often, then it gives up."""
    (gated.origin / "refs/mlops/log").mkdir(parents=True, exist_ok=True)
    (gated.origin / "refs/mlops/log/diagnosis.lock").write_text("")
    before = gated.published()
    assert gated.answer("release", code=3)["diagnostics"][0]["id"] == "contended"
    assert gated.published() == before


@pytest.mark.slow
def test_rows_that_were_appended_again_under_new_ids_stop_every_verb_until_the_spec_allows_them(
    gated: Consumer,
) -> None:
    frame = pd.read_csv(gated.root / DATA)
    again = frame.head(40).assign(patient_id=frame["patient_id"].max() + 1 + frame.index[:40])
    pd.concat([frame, again]).to_csv(gated.root / DATA, index=False)
    gated.commit("Append an export once more")
    for verb in ("train", "compare", "gate", "release"):
        answer = gated.answer(verb, code=1)
        (found,) = answer["diagnostics"]
        assert (found["id"], found["severity"]) == ("split-leak-rows", "error")
        assert found["location"]["path"] == "data/patients.yaml"
        assert "patient_id=" in found["message"]
    edit(gated, "data/patients.yaml", "spec:\n", "spec:\n  split: {duplicates: allow}\n")
    told = [found["id"] for found in gated.answer("gate", code=1)["diagnostics"]]
    assert told == ["split-leak-rows", "gate-changed"]  # the change that brings copies does not also allow them
    gated.commit("Allow copies")
    gated.git("push", "--quiet")
    for verb in ("train", "gate", "compare"):
        found = gated.answer(verb)["diagnostics"][0]
        assert (found["id"], found["severity"]) == ("split-leak-rows", "warning")


def test_what_was_judged_before_copies_were_looked_for_can_still_be_made_again(gated: Consumer, tmp_path: Path) -> None:
    frame = pd.read_csv(gated.root / DATA)
    again = frame.head(40).assign(patient_id=frame["patient_id"].max() + 1 + frame.index[:40])
    pd.concat([frame, again]).to_csv(gated.root / DATA, index=False)
    specs, _ = load_specs(gated.root)
    assert specs is not None
    root, maker = gated.root, Provenance("Ada Lovelace", "0")
    context = Context(root, root, None, tmp_path, None, lambda: datetime.now(UTC), maker, False, lambda _: None)
    project = Project(specs, context)
    data, _ = read_data(project, "diagnosis")
    with pytest.raises(Findings, match="have a copy on the training side"):
        identify_candidate(project, "diagnosis", data)
    recorded = training_environment(("sklearn",))
    assert identify_candidate(project, "diagnosis", data, recorded, allow_leaks=True).environment == recorded


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "a missing file": (lambda path: path.unlink(), "data-source-missing"),
    "a ragged row": (lambda path: path.write_text(path.read_text() + "1,2\n"), "data-ragged-row"),
    "a column gone": (lambda path: _rewrite(path, lambda frame: frame.drop(columns="mean_area")), "data-column-missing"),
    "a type changed": (lambda path: _rewrite(path, lambda frame: frame.assign(mean_area="large")), "data-type"),
    "an empty table": (lambda path: _rewrite(path, lambda frame: frame.head(0)), "data-empty"),
    "an empty file": (lambda path: path.write_text(""), "data-empty"),
    "NaN in the target": (
        lambda path: _rewrite(path, lambda frame: frame.assign(malignant=frame.malignant.where(frame.index > 3))),
        "check-nulls",
    ),
    "one class only": (lambda path: _rewrite(path, lambda frame: frame[frame.malignant == 1]), "target-one-class"),
    "a small holdout": (lambda path: _rewrite(path, lambda frame: frame.sample(100, random_state=0)), "holdout-too-small"),
    "not UTF-8": (lambda path: path.write_bytes(b"a,b\n\xff\xfe,1\n"), "data-encoding"),
}  # fmt: skip


def _rewrite(path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    change(pd.read_csv(path)).to_csv(path, index=False)


@pytest.mark.parametrize("what", BAD)
def test_bad_data_is_a_diagnostic_and_never_a_traceback(gated: Consumer, what: str) -> None:
    spoil, id = BAD[what]
    spoil(gated.root / DATA)
    edit(gated, "data/patients.yaml", "{type: row-count, min: 500}", "{type: row-count, min: 1}")
    done = gated.run("gate", "--format", "json")
    assert f'"id":"{id}"' in done.stdout, done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert gated.run("release").returncode == 1
