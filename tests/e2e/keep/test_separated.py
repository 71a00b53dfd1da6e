"""Training, judging and keeping as jobs of their own: clones that share nothing but files."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.keep.conftest import MODEL, Jobs, ids, publish
from tests.support.consumer import Consumer, edit


def pull_request(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, commit: str) -> None:
    """Let what follows run for a pull request from the repository itself."""
    head = {"sha": commit, "repo": {"full_name": "acme/ml"}}
    (tmp_path / "event.json").write_text(json.dumps({"pull_request": {"number": 7, "head": head, "base": {}}}))
    for name, value in {
        "EVENT_NAME": "pull_request",
        "EVENT_PATH": str(tmp_path / "event.json"),
        "BASE_REF": "main",
    }.items():
        monkeypatch.setenv(f"GITHUB_{name}", value)


def test_what_one_job_trains_another_judges_and_a_third_keeps_is_released(jobs: Jobs) -> None:
    """Given three jobs that share two files, when each has done its part, then any clone can release the model."""
    jobs.train()
    judged = jobs.judge()["record"]
    assert judged["verdict"] == "pass"
    assert judged["fits"] == 0
    kept = jobs.keep()["record"]["runs"]
    assert [(one["model"], one["state"]) for one in kept] == [("diagnosis", "kept")]
    assert kept[0]["ref"] in jobs.consumer.published()
    release = jobs.job("release")
    release.ok("release")
    assert '"trust":"separated"' in release.git("cat-file", "tag", "diagnosis@v1.0.0")


def test_judging_what_arrives_gives_the_numbers_that_judging_here_gives(jobs: Jobs) -> None:
    jobs.train()
    there = jobs.judge()["record"]["models"][0]
    here = jobs.job("alone").answer("gate")["record"]["models"][0]
    assert there["comparison"]["metrics"] == here["comparison"]["metrics"]
    assert there["run"]["modelDigest"] == here["run"]["modelDigest"]
    assert there["run"]["signature"] == here["run"]["signature"]


def test_keeping_twice_changes_nothing(jobs: Jobs) -> None:
    jobs.train()
    jobs.judge()
    jobs.keep()
    before = jobs.consumer.published()
    assert [one["state"] for one in jobs.keep()["record"]["runs"]] == ["unchanged"]
    assert jobs.consumer.published() == before


def test_a_bundle_that_was_replaced_is_not_kept(jobs: Jobs) -> None:
    """Given the judge's digest, when the artifact is another, then nothing is kept."""
    jobs.train()
    jobs.judge()
    file = jobs.files.parent / "judged.bundle"
    shutil.copyfile(jobs.files / "run.bundle", file)
    answer = jobs.job("keep").answer("ci", "keep", str(file), "--digest", "0" * 64, code=1)
    assert ids(answer) == ["bundle-changed"]


def test_what_was_only_trained_is_not_kept(jobs: Jobs) -> None:
    jobs.train()
    shutil.copyfile(jobs.files / "run.bundle", jobs.files.parent / "judged.bundle")
    assert ids(jobs.keep(code=3)) == ["store-corrupt"]
    assert not [ref for ref in jobs.consumer.published() if ref.startswith("refs/mlops/runs/")]


def test_a_model_whose_training_failed_fails_and_the_rest_is_judged(jobs: Jobs) -> None:
    """Given two models of which one was trained, when they are judged, then that one passes and the other fails."""
    second = (jobs.consumer.root / MODEL).read_text().replace("name: diagnosis", "name: second")
    (jobs.consumer.root / "models" / "second.yaml").write_text(second)
    publish(jobs)
    jobs.job("train").ok("train", "diagnosis", "--out", str(jobs.files / "run.bundle"))
    answer = jobs.judge(code=1)
    assert {one["model"]: one["verdict"] for one in answer["record"]["models"]} == {
        "diagnosis": "pass",
        "second": "fail",
    }
    assert "run-not-arrived" in ids(answer)
    assert [one["model"] for one in jobs.keep()["record"]["runs"]] == ["diagnosis"]


def test_a_run_of_another_commit_is_not_judged(jobs: Jobs) -> None:
    jobs.train()
    edit(jobs.consumer, MODEL, "max_iter: 1000", "max_iter: 900")
    publish(jobs)
    assert "run-misfits" in ids(jobs.judge(code=1))


def test_a_question_is_counted_by_who_keeps(jobs: Jobs) -> None:
    """Given a budget, when a candidate is judged, then its question is counted when the answer is kept, once."""
    edit(jobs.consumer, "data/patients.yaml", "spec:\n", "spec:\n  split: {holdoutBudget: 1}\n")
    publish(jobs)
    jobs.train()
    jobs.judge()
    assert "refs/mlops/ledger/patients/1" not in jobs.consumer.published()
    assert jobs.keep()["record"]["runs"][0]["question"] == 1
    head = jobs.consumer.published()["refs/mlops/ledger/patients/1"]
    jobs.keep()
    assert jobs.consumer.published()["refs/mlops/ledger/patients/1"] == head
    jobs.job("release").ok("release")


def test_a_budget_that_was_spent_meanwhile_refuses_the_answer(jobs: Jobs) -> None:
    edit(jobs.consumer, "data/patients.yaml", "spec:\n", "spec:\n  split: {holdoutBudget: 1}\n")
    publish(jobs)
    jobs.train()
    jobs.judge()
    edit(jobs.consumer, MODEL, "max_iter: 1000", "max_iter: 30")
    jobs.consumer.ok("gate")
    answer = jobs.keep(code=1)
    assert ids(answer) == ["holdout-exhausted"]
    assert answer["record"]["runs"][0]["state"] == "refused"
    assert not [ref for ref in jobs.consumer.published() if ref.startswith("refs/mlops/runs/")]


def test_large_files_are_carried_and_kept_where_the_branch_says(jobs: Jobs, tmp_path: Path) -> None:
    """Given a store for large files, when a run is carried, then it is whole; and the job that keeps uploads."""
    edit(jobs.consumer, "mlops.yaml", "spec:\n", f"spec:\n  store: file://{tmp_path}/store\n  storeLimitMb: 0\n")
    publish(jobs)
    jobs.train()
    assert not (tmp_path / "store").exists()
    jobs.judge()
    jobs.keep()
    assert list((tmp_path / "store").rglob("*"))
    jobs.job("release").ok("release")


def test_whatever_the_training_job_says_of_its_model_is_found_out_again(jobs: Jobs) -> None:
    """Given a training job that forges its records, when its run is judged, then none of it is believed."""
    jobs.train()
    record = claim(jobs)
    forged = {**record, "modelDigest": "0" * 64, "trusted": ["os.system"], "seconds": -1.0, "startedOn": "::error::x"}
    forged["split"] = {**record["split"], "holdoutRows": 1}
    forge(jobs, {"run.json": json.dumps(forged), "model/requirements.txt": "evil @ https://example.org/evil.zip"})
    gated = jobs.judge()["record"]["models"][0]
    assert gated["run"] == {**record, "seconds": 0.0, "startedOn": ""}
    shown = jobs.job("judge").git("show", f"{gated['ref']}:model/requirements.txt")
    assert "evil" not in shown
    assert "scikit-learn==" in shown


def test_packages_that_are_none_are_refused(jobs: Jobs) -> None:
    """Given a run whose packages would become another line of a requirements file, then it is not judged."""
    jobs.train()
    record = claim(jobs)
    record["environment"]["packages"] = {"numpy": "1\n--index-url https://example.org"}
    forge(jobs, {"run.json": json.dumps(record)})
    assert "bundle-invalid" in ids(jobs.judge(code=1))


def test_what_trains_nothing_fits_nothing_twice(jobs: Jobs) -> None:
    answer = jobs.consumer.answer("gate", "--runs", ".", "--check-determinism", code=2)
    assert ids(answer) == ["options-conflict"]


def test_a_training_that_failed_leaves_neither_a_bundle_nor_a_run(jobs: Jobs) -> None:
    """Given two models of which one cannot be trained, when their runs are to go to a bundle, then nothing is stored."""
    spec = (jobs.consumer.root / MODEL).read_text().replace("name: diagnosis", "name: broken")
    (jobs.consumer.root / "models" / "broken.yaml").write_text(spec.replace("max_iter: 1000", "max_iter: -1"))
    publish(jobs)
    train = jobs.job("train")
    assert ids(train.answer("train", "--out", str(jobs.files / "run.bundle"), code=1)) == ["train-failed"]
    assert not (jobs.files / "run.bundle").exists()
    assert train.git("for-each-ref", "refs/mlops/runs") == ""


@pytest.mark.parametrize("option", [("--runs", "."), ("--out", "judged.bundle"), ("--check-determinism",)])
def test_a_plan_of_labels_has_no_option_of_a_gate(jobs: Jobs, option: tuple[str, ...]) -> None:
    assert ids(jobs.consumer.answer("gate", "--power", *option, code=2)) == ["options-conflict"]


def arrived_run(jobs: Jobs) -> tuple[Consumer, str]:
    """The run that the training job hands on, as a ref of a clone."""
    clone = jobs.job("forger")
    clone.git("fetch", "--quiet", str(jobs.files / "run.bundle"), "refs/mlops/runs/*:refs/mlops/runs/*")
    (ref,) = clone.git("for-each-ref", "--format=%(refname)", "refs/mlops/runs").split()
    return clone, ref


def claim(jobs: Jobs) -> dict[str, Any]:
    """What the training job says of its run."""
    clone, ref = arrived_run(jobs)
    found: dict[str, Any] = json.loads(clone.git("show", f"{ref}:run.json"))
    return found


def forge(jobs: Jobs, files: dict[str, str]) -> None:
    """Put other files into the run that the training job hands on, by plumbing."""
    clone, ref = arrived_run(jobs)
    clone.git("read-tree", ref)
    for path, content in files.items():
        (clone.root / "forged.txt").write_text(content)
        oid = clone.git("hash-object", "-w", "forged.txt")
        clone.git("update-index", "--add", "--cacheinfo", f"100644,{oid},{path}")
    commit = clone.git("commit-tree", clone.git("write-tree"), "-m", "forged")
    clone.git("update-ref", ref, commit)
    clone.git("bundle", "create", "--quiet", str(jobs.files / "run.bundle"), ref)


def test_who_keeps_tells_the_pull_request(jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a pull request, when its answer is kept, then the plan has the comment and the check, after the push."""
    pull_request(monkeypatch, tmp_path, jobs.consumer.git("rev-parse", "HEAD"))
    jobs.train()
    answer = tmp_path / "gate.json"
    answer.write_text(json.dumps(jobs.judge()))
    file = jobs.files.parent / "judged.bundle"
    digests = [hashlib.sha256(one.read_bytes()).hexdigest() for one in (file, answer)]
    options = [str(file), "--digest", digests[0], "--record", str(answer), "--record-digest", digests[1]]
    plan = jobs.job("keep").answer("ci", "keep", *options, "--dry-run")["plan"]
    assert [line.split()[0] for line in plan] == ["store", "push", "comment", "check"]
    assert "success" in plan[3]
    (told, _) = jobs.job("keep").answer("ci", "keep", *options[3:], "--dry-run")["plan"]
    assert told.startswith("comment"), "where nothing was judged, it is only told"
    assert ids(jobs.job("keep").answer("ci", "keep", code=2)) == ["keep-nothing"]
    options[-1] = digests[0]
    assert ids(jobs.job("keep").answer("ci", "keep", *options, code=1)) == ["bundle-changed"]
