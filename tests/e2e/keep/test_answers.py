"""A model that the judge does not load is judged by its answers, which a job without labels asks it for."""

from __future__ import annotations

import json
import shutil

import pytest

from tests.e2e.keep.conftest import ESTIMATOR, MODEL, OWN, Jobs, ids, publish
from tests.support.consumer import edit


def own_code(jobs: Jobs) -> None:
    """Let the model be one of a class of the repository's own."""
    edit(jobs.consumer, MODEL, ESTIMATOR, "    entrypoint: models/own.py:build\n    trusted: [own.Mine]\n")
    (jobs.consumer.root / "models" / "own.py").write_text(OWN)
    publish(jobs)


def test_a_model_of_its_own_code_is_judged_by_its_answers(jobs: Jobs) -> None:
    """Given a class of the repository's own, when it answers in a job without labels, then the judge never loads it.

    And its numbers are those of a job that loads the same model.
    """
    own_code(jobs)
    jobs.train()
    jobs.predict()
    (jobs.job("judge").root / "models" / "own.py").write_text(OWN + "\nraise SystemExit('imported')\n")
    jobs.job("judge").git("checkout", "--", ".")
    judged = jobs.judge()["record"]
    assert judged["verdict"] == "pass"
    jobs.keep()
    jobs.job("release").ok("release")
    here = jobs.job("alone")
    here.git("fetch", "--quiet", str(jobs.files / "run.bundle"), "refs/mlops/runs/*:refs/mlops/runs/*")
    alone = here.answer("gate")
    assert alone["record"]["fits"] == 0
    assert judged["models"][0]["comparison"]["metrics"] == alone["record"]["models"][0]["comparison"]["metrics"]
    assert "holdout-readable" in ids(alone)  # one job has the code that trains and the rows that decide


def test_without_its_answers_a_model_of_its_own_code_fails(jobs: Jobs) -> None:
    own_code(jobs)
    jobs.train()
    answer = jobs.judge(code=1)
    assert "predictions-missing" in ids(answer)
    assert answer["record"]["verdict"] == "fail"


@pytest.mark.parametrize("content", [b"", b"PAR1 nonsense", None])
def test_answers_that_are_none_fail(jobs: Jobs, content: bytes | None) -> None:
    own_code(jobs)
    jobs.train()
    jobs.predict()
    file = jobs.files / "diagnosis.predictions.parquet"
    if content is None:
        shutil.copyfile(jobs.files / "features" / "diagnosis.parquet", file)
    else:
        file.write_bytes(content)
    assert "predictions-invalid" in ids(jobs.judge(code=1))


def test_the_rows_that_a_model_answers_have_no_labels(jobs: Jobs) -> None:
    import pyarrow.parquet as pq

    own_code(jobs)
    jobs.train()
    jobs.predict()
    columns = pq.read_table(jobs.files / "features" / "diagnosis.parquet").column_names
    assert "malignant" not in columns
    assert "patient_id" not in columns


@pytest.mark.slow
def test_what_a_model_costs_is_measured_where_it_runs(jobs: Jobs) -> None:
    own_code(jobs)
    edit(
        jobs.consumer, MODEL, "    requirements:\n", "    requirements:\n      - {metric: latency-p95-ms, max: 10000}\n"
    )
    publish(jobs)
    jobs.train()
    jobs.predict()
    costs = json.loads((jobs.files / "diagnosis.costs.json").read_text())
    assert costs["values"]["latency-p95-ms"] > 0
    assert jobs.judge()["record"]["verdict"] == "pass"


def test_types_that_the_change_trusts_are_not_loaded_by_the_judge(jobs: Jobs) -> None:
    """Given a spec that calls a type safe, when the model arrives, then only its answers are taken."""
    edit(jobs.consumer, MODEL, "    seed: 7\n", "    seed: 7\n    trusted: [os.system]\n")
    publish(jobs)
    jobs.train()
    assert "predictions-missing" in ids(jobs.judge(code=1))


def test_without_a_task_nothing_is_predicted(jobs: Jobs) -> None:
    jobs.train()
    options = ("--run", str(jobs.files / "run.bundle"), "--features", ".", "--out", ".")
    assert ids(jobs.consumer.answer("ci", "predict", *options, code=2)) == ["features-missing"]
