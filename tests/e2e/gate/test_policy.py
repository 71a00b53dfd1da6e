"""By which rules a candidate is judged, against whom, and on which rows."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from mlops_ci.core.codec import decode
from mlops_ci.core.requirements import RequirementResult
from mlops_ci.spec.requirement_text import describe_terms
from tests.support.consumer import Consumer, edit
from tests.support.git_calls import git_in

MODEL, DATA, TABLE = "models/diagnosis.yaml", "data/patients.yaml", "data/patients.csv"
AGAINST = "      - {metric: auc, against: champion, test: non-inferiority, margin: 0.02}\n"


def gate(consumer: Consumer, *args: str, code: int = 0) -> tuple[dict[str, Any], list[str]]:
    """The one model's comparison, and the ids of what was found."""
    answer = consumer.answer("gate", *args, code=code)
    (one,) = answer["record"]["models"]
    return one["comparison"], [found["id"] for found in answer["diagnostics"]]


def verdicts(comparison: dict[str, Any]) -> dict[str, str]:
    results = [decode(RequirementResult, one) for one in comparison["requirements"]]
    return {describe_terms(one.requirement): one.verdict for one in results}


def push(consumer: Consumer, message: str) -> None:
    consumer.commit(message)
    consumer.git("push", "--quiet")


def repeat(consumer: Consumer, count: int) -> None:
    """Add rows: the first ones again, slightly other, under new keys."""
    path = consumer.root / TABLE
    with path.open(newline="") as stream:
        header, *rows = list(csv.reader(stream))
    key, radius = header.index("patient_id"), header.index("mean_radius")
    for row in rows[:count]:
        rows.append([*row])
        rows[-1][key], rows[-1][radius] = str(10**9 + len(rows)), f"{float(row[radius]) + len(rows) / 1e4:.4f}"
    with path.open("w", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows([header, *rows])


def test_a_change_that_relaxes_its_own_gate_is_reported_and_judged_by_the_old_one(gated: Consumer) -> None:
    """Given main with a strict gate, when a branch relaxes it, then it fails as before; merged, the new gate counts."""
    edit(gated, MODEL, "{metric: accuracy, min: 0.87}", "{metric: accuracy, min: 0.999}")
    push(gated, "A strict gate")
    gated.git("switch", "--quiet", "--create", "relax")
    edit(gated, MODEL, "{metric: accuracy, min: 0.999}", "{metric: accuracy, min: 0.5}")
    gated.commit("An easy gate")
    comparison, found = gate(gated, code=1)
    assert verdicts(comparison)["accuracy: at least 0.999"] == "fail"
    assert "gate-changed" in found
    head = gated.git("rev-parse", "--short=10", "origin/main")
    assert comparison["rulesSource"] == f"main ({head})"
    assert f"The rules are those of main ({head})" in gated.run("gate").stdout

    gated.git("switch", "--quiet", "main")
    gated.git("merge", "--quiet", "relax")
    gated.git("push", "--quiet")
    comparison, found = gate(gated)
    assert verdicts(comparison)["accuracy: at least 0.5"] == "pass"
    assert ("rulesSource" in comparison, "gate-changed" in found) == (False, False)


@pytest.mark.slow
def test_the_base_may_be_named_and_must_be_there(gated: Consumer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a release branch with its own gate, when CI or the user names it, then its rules count."""
    gated.git("switch", "--quiet", "--create", "stable")
    edit(gated, MODEL, "{metric: accuracy, min: 0.87}", "{metric: accuracy, min: 0.999}")
    gated.commit("Strict")
    gated.git("push", "--quiet", "origin", "stable")
    gated.git("switch", "--quiet", "main")
    assert verdicts(gate(gated, "--base", "stable", code=1)[0])["accuracy: at least 0.999"] == "fail"
    assert verdicts(gate(gated)[0])["accuracy: at least 0.87"] == "pass"
    gated.git("switch", "--quiet", "stable")
    gated.git("commit", "--quiet", "--allow-empty", "--message", "A commit that only this clone has")
    assert verdicts(gate(gated, "--base", "HEAD~1", code=1)[0])["accuracy: at least 0.999"] == "fail"
    gated.git("switch", "--quiet", "main")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_REPOSITORY", "acme/ml")
    monkeypatch.setenv("GITHUB_BASE_REF", "stable")
    assert verdicts(gate(gated, code=1)[0])["accuracy: at least 0.999"] == "fail"
    monkeypatch.setenv("GITHUB_BASE_REF", "gone")
    answer = gated.answer("gate", code=3)
    assert [found["id"] for found in answer["diagnostics"]] == ["base-missing"]


def test_a_branch_cannot_stop_counting_its_questions(gated: Consumer) -> None:
    """Given a budget on main, when a branch deletes it, then its tests stay at the share of that budget."""
    edit(gated, DATA, "spec:\n", "spec:\n  split: {holdoutBudget: 10}\n")
    push(gated, "Count questions")
    edit(gated, DATA, "  split: {holdoutBudget: 10}\n", "")
    comparison, found = gate(gated)
    assert comparison["confidence"] == pytest.approx(0.995)
    assert "gate-changed" in found


def test_a_new_model_is_judged_by_its_own_gate_and_so_is_one_whose_base_is_broken(gated: Consumer) -> None:
    text = (gated.root / MODEL).read_text()
    (gated.root / "models/second.yaml").write_text(text.replace("name: diagnosis", "name: second"))
    answer = gated.answer("gate", "second")
    assert "gate-changed" not in [found["id"] for found in answer["diagnostics"]]
    (gated.root / "models/second.yaml").write_text(text)  # a name that is taken
    push(gated, "Break it")
    (gated.root / "models/second.yaml").unlink()
    edit(gated, MODEL, "{metric: accuracy, min: 0.87}", "{metric: accuracy, min: 0.86}")
    comparison, found = gate(gated)
    assert verdicts(comparison)["accuracy: at least 0.86"] == "pass"
    assert "gate-base-invalid" in found


EASY = "{metric: accuracy, min: 0.1}"


def relax(consumer: Consumer, path: str = MODEL) -> None:
    edit(consumer, path, "{metric: accuracy, min: 0.87}", EASY)


def test_who_moves_the_project_takes_no_rules_along(gated: Consumer) -> None:
    """Given a change that moves everything to another folder and says so, then the same project's rules on main count."""
    gated.ok("release")
    edit(gated, "mlops.yaml", "spec:\n", "spec:\n  formerly: [{name: clone, path: .}]\n")
    (gated.root / "ml").mkdir()
    gated.git("mv", "data", "deploy", "models", "mlops.yaml", "ml/")
    relax(gated, f"ml/{MODEL}")
    comparison, found = gate(gated, "-C", "ml")
    assert "accuracy: at least 0.87" in verdicts(comparison)
    assert "gate-changed" in found


def test_a_model_with_releases_that_the_base_does_not_have_is_judged_by_its_own_rules_aloud(gated: Consumer) -> None:
    gated.ok("release")
    gated.git("rm", "--quiet", "mlops.yaml")
    push(gated, "Delete the project")
    gated.git("checkout", "--quiet", "HEAD~", "--", "mlops.yaml")
    relax(gated)
    assert "gate-base-invalid" in gate(gated)[1]


def test_a_change_does_not_name_the_branch_that_it_is_judged_by(gated: Consumer) -> None:
    """Given a branch that calls itself the one that counts, then main's rules count, and it is not released from."""
    gated.git("switch", "--quiet", "--create", "pr")
    edit(gated, "mlops.yaml", "spec:\n", "spec:\n  branch: pr\n")
    relax(gated)
    gated.commit("Judge me")
    gated.git("push", "--quiet", "origin", "pr")
    comparison, found = gate(gated)
    assert ("accuracy: at least 0.87" in verdicts(comparison), "gate-changed" in found) == (True, True)
    assert [one["id"] for one in gated.answer("release", code=1)["diagnostics"]] == ["release-not-on-branch"]


@pytest.mark.slow
def test_where_nothing_tells_which_branch_is_the_default_one_nobody_is_judged_by_his_own(gated: Consumer) -> None:
    git_in(gated.origin)("symbolic-ref", "HEAD", "refs/heads/gone")
    gated.git("switch", "--quiet", "--create", "pr")
    relax(gated)
    gated.git("push", "--quiet", "origin", "main:trunk")
    answer = gated.answer("gate", code=3)
    assert [one["id"] for one in answer["diagnostics"]] == ["default-branch-unknown"]
    assert "accuracy: at least 0.87" in verdicts(gate(gated, "--base", "trunk")[0])


def test_whatever_a_metrics_code_reads_is_that_of_the_base(gated: Consumer) -> None:
    """Given a metric that reads a file beside it, when a branch changes the file only, then the old one is read."""
    (gated.root / "weights.json").write_text("1")
    (gated.root / "metrics.py").write_text(
        "import json, pathlib\n\n\ndef hit(y_true, y_pred, rows):\n"
        "    file = pathlib.Path(__file__).with_name('weights.json')\n"
        "    return (y_true == y_pred) * float(json.loads(file.read_text()))\n"
    )
    custom = '    custom: {hit: {entrypoint: "metrics.py:hit", better: higher}}\n  gate:\n'
    edit(gated, MODEL, "  gate:\n", custom)
    edit(gated, MODEL, "{metric: accuracy, min: 0.87}", "{metric: hit, min: 0.5}")
    push(gated, "Count hits")
    (gated.root / "weights.json").write_text("0.1")
    edit(gated, MODEL, "max_iter: 1000", "max_iter: 1001")
    assert verdicts(gate(gated)[0])["hit: at least 0.5"] == "pass"


def test_a_dataset_under_another_name_has_asked_as_often(gated: Consumer) -> None:
    edit(gated, DATA, "spec:\n", "spec:\n  split: {holdoutBudget: 10}\n")
    push(gated, "Count questions")
    gate(gated)
    edit(gated, DATA, "name: patients", "name: people")
    edit(gated, MODEL, "dataset: patients", "dataset: people")
    edit(gated, MODEL, "max_iter: 1000", "max_iter: 1001")
    comparison, found = gate(gated)
    assert (comparison["holdoutQuestion"]["dataset"], comparison["holdoutQuestion"]["number"]) == ("patients", 2)
    assert "gate-changed" in found


def test_a_holdout_that_a_change_chooses_is_reported(gated: Consumer) -> None:
    edit(gated, DATA, "spec:\n", "spec:\n  split: {holdout: 0.4}\n")
    answer = gated.answer("gate")
    (said,) = [one for one in answer["diagnostics"] if one["id"] == "holdout-changed"]
    assert "(split.holdout)" in said["message"]


@pytest.mark.slow
def test_a_change_does_not_choose_its_champion(gated: Consumer) -> None:
    """Given two versions in two environments, when a branch makes the weaker one champion, then the other is asked."""
    edit(gated, MODEL, "margin: 0.02", "margin: 0.2")
    push(gated, "Ask for little")
    gated.ok("gate")
    gated.ok("release")
    gated.ok("deploy", "diagnosis", "--env", "staging")
    edit(gated, MODEL, "max_iter: 1000", "max_iter: 1000, C: 0.9")
    gated.commit("Better")
    gated.git("pull", "--quiet", "--rebase")
    gated.git("push", "--quiet")
    gated.ok("gate")
    gated.ok("release")
    gated.ok("deploy", "diagnosis", "--env", "staging")
    gated.ok("deploy", "diagnosis", "--env", "prod")
    gated.ok("rollback", "diagnosis", "--env", "staging", "--reason", "try the old one")
    edit(gated, "mlops.yaml", "spec:\n", "spec:\n  champion: staging\n")
    edit(gated, MODEL, "C: 0.9", "C: 0.8")
    comparison, found = gate(gated)
    assert "gate-changed" in found
    assert comparison["champion"]["version"] == "1.1.0"  # of prod, and not 1.0.0 of staging


POLICY = (
    "      - {metric: auc, against: champion, test: superiority, when: changed}\n"
    "      - {metric: auc, against: champion, test: non-inferiority, margin: 0.2, when: retrained}\n"
    "      - {metric: auc, against: anchor, test: non-inferiority, margin: 0.2, when: retrained}\n"
)
BETTER, NO_WORSE, NOT_FAR = (
    "auc: better than the champion",
    "auc: not worse than the champion by more than 0.2",
    "auc: not worse than the anchor by more than 0.2",
)


@pytest.mark.slow
def test_a_retrain_need_not_be_better_and_may_not_drift_away_from_the_last_change(gated: Consumer) -> None:
    """Given a release, when the data grow, then losing little is enough; against the champion, and the anchor."""
    edit(gated, MODEL, AGAINST, POLICY)
    push(gated, "Ask by occasion")
    gated.ok("gate")
    gated.ok("release")
    repeat(gated, 60)
    push(gated, "More patients")
    comparison, _ = gate(gated)
    assert comparison["occasion"] == "retrained"
    assert verdicts(comparison) | {BETTER: "not-applicable", NO_WORSE: "pass", NOT_FAR: "pass"} == verdicts(comparison)
    assert comparison["anchor"]["version"] == comparison["champion"]["version"] == "1.0.0"
    (released,) = gated.answer("release")["record"]["models"]
    assert released["version"] == "1.0.1"

    repeat(gated, 30)
    edit(gated, MODEL, "  gate:\n", "  gate:\n    minRows: 49\n")  # a line that makes it a minor version, and no change
    push(gated, "Still more patients")
    comparison, _ = gate(gated)
    assert (comparison["champion"]["version"], comparison["anchor"]["version"]) == ("1.0.1", "1.0.0")
    assert verdicts(comparison)[NOT_FAR] == "pass"
    (released,) = gated.answer("release")["record"]["models"]
    assert released["version"] == "1.1.0"
    repeat(gated, 3)
    push(gated, "A few more")
    assert gate(gated)[0]["anchor"]["version"] == "1.0.0"  # which all retrains started from, whatever they are called

    edit(gated, MODEL, "max_iter: 1000", "max_iter: 1000, C: 0.5")
    comparison, _ = gate(gated)
    assert comparison["occasion"] == "changed"
    assert [verdicts(comparison)[one] for one in (NO_WORSE, NOT_FAR)] == ["not-applicable"] * 2
    assert verdicts(comparison)[BETTER] != "not-applicable"


def test_the_anchor_is_the_version_that_the_gate_names(gated: Consumer) -> None:
    edit(gated, MODEL, AGAINST, POLICY + "    anchor: 1.0.0\n")
    push(gated, "Name it")
    gated.ok("gate")  # before the first release there is nothing to name
    gated.ok("release")
    edit(gated, MODEL, "anchor: 1.0.0", "anchor: 3.0.0")
    push(gated, "Name another")
    repeat(gated, 30)
    answer = gated.answer("gate", code=1)
    assert [found["id"] for found in answer["diagnostics"]] == ["anchor-unknown"]
    assert "the registered versions are 1.0.0" in answer["diagnostics"][0]["help"]


def test_after_a_new_epoch_models_are_compared_on_rows_that_neither_has_learned_from(gated: Consumer) -> None:
    """Given a release of epoch 1, when epoch 2 begins, then the champion's training rows are left out, and counted."""
    edit(gated, DATA, "spec:\n", "spec:\n  split: {holdout: 0.5}\n")
    push(gated, "A large holdout")
    gated.ok("gate")
    gated.ok("release")
    edit(gated, DATA, "holdout: 0.5", "holdout: 0.5, epoch: 2")
    comparison, found = gate(gated)
    assert "holdout-rows-seen" in found
    assert comparison["championState"] == "compared"
    left_out, rows = comparison["champion"]["excluded"], comparison["holdoutRows"]
    assert rows / 3 < left_out < 2 * rows / 3  # a half of the holdout was on the training side of epoch 1
    (auc,) = [one for one in comparison["champion"]["metrics"] if one["metric"] == "auc"]
    assert auc["rows"] == rows - left_out
    (mine,) = [one for one in comparison["metrics"] if one["metric"] == "auc"]
    assert mine["rows"] == rows  # the floors are judged on all of them
    assert f"on {rows - left_out:,} holdout rows" in comparison["sentence"]


@pytest.mark.slow
def test_a_champion_whose_training_rows_cannot_be_told_is_incomparable(gated: Consumer) -> None:
    """Given a release split by key, when the key goes, then nobody knows which rows it has learned from."""
    gated.ok("release")
    edit(gated, DATA, "  key: [patient_id]\n", "  time: patient_id\n  split: {by: time}\n")
    edit(gated, DATA, "patient_id: {type: integer, unique: true, nulls: {max: 0}}", "visited: {type: date}")
    edit(gated, DATA, "time: patient_id", "time: visited")
    path: Path = gated.root / TABLE
    header, *rows = path.read_text().splitlines()
    rows = [
        f"{2000 + index // 300:04d}-01-{1 + index % 28:02d}," + row.split(",", 1)[1] for index, row in enumerate(rows)
    ]
    path.write_text("\n".join([header.replace("patient_id", "visited"), *rows]) + "\n")
    comparison, _ = gate(gated)
    assert comparison["championState"] == "incomparable"
    (auc,) = [one for one in comparison["requirements"] if one["requirement"].get("against") == "champion"]
    assert "the split of that version used patient_id, which the data no longer have" in auc["reason"]["why"]
