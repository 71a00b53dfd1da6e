"""Runs as a clone holds them: each read, told apart, and none of them able to spoil the others."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from mlops_ci.core.codec import encode
from mlops_ci.core.records.comparison import Comparison
from mlops_ci.core.records.training_run import ModelField, TrainingRun
from mlops_ci.core.results.queries import RunsReport
from mlops_ci.registry.experiments import Experiment, flatten_json, read_experiments, runs_table
from mlops_ci.registry.statement import encode_release
from mlops_ci.registry.tag_message import format_tag_message
from mlops_ci.reports.text import render_text
from mlops_ci.repository.git import Repository
from mlops_ci.repository.git_values import ZERO_OID, Person, RefUpdate, tag_content
from tests.support.registry_samples import COMPARISON, RELEASE, RUN

ADA = Person("Ada", "ada@example.org")


def stored(repo: Repository, ref: str, run: TrainingRun | bytes, comparison: Comparison | None = None) -> str:
    """Put a run into the store as `train` and `compare` do, and return its commit."""
    files = {"run.json": run if isinstance(run, bytes) else json.dumps(encode(run)).encode()}
    if comparison is not None:
        files["comparison.json"] = json.dumps(encode(comparison)).encode()
    tree = repo.write_tree({path: repo.write_blob(content) for path, content in files.items()})
    oid = repo.write_commit(tree, (), ref, ADA, 0)
    assert repo.update_refs([RefUpdate(ref, oid, ZERO_OID)])
    return oid


def gated(key: str, run: TrainingRun) -> Comparison:
    return replace(COMPARISON, key=key, run=run.key)


def experiment(**changes: Any) -> Experiment:
    run = replace(RUN, **changes)
    return Experiment(run.key, f"refs/mlops/runs/delay/{run.key}", "0" * 40, run, None, None)


def test_a_gated_run_stands_for_its_training_and_the_newest_comes_first(repo: Repository) -> None:
    later = replace(RUN, key="c" * 32, started_on="2026-11-23T19:00:00+00:00")
    stored(repo, f"refs/mlops/runs/delay/{RUN.key}", RUN)
    stored(repo, f"refs/mlops/runs/delay/{COMPARISON.key}", RUN, COMPARISON)
    stored(repo, f"refs/mlops/runs/delay/{later.key}", later)
    read = read_experiments(repo)
    found, unreadable = read.runs, read.diagnostics
    assert [(one.key, one.comparison is None) for one in found] == [(later.key, True), (COMPARISON.key, False)]
    assert unreadable == ()


def test_a_release_is_named_beside_its_run_which_its_pin_may_hold(repo: Repository) -> None:
    head = repo.head() or ""
    oid = stored(repo, "refs/mlops/releases/delay/v1.0.0", RUN, COMPARISON)
    release = replace(RELEASE, commit=head, run_oid=oid)
    text = format_tag_message("delay v1.0.0", "x", encode_release(release))
    tag = repo.store_tag(tag_content("delay@v1.0.0", head, text, ADA, 1))
    assert repo.update_refs([RefUpdate("refs/tags/delay@v1.0.0", tag, ZERO_OID)])
    (one,) = read_experiments(repo, "delay").runs
    assert (one.key, one.version) == (COMPARISON.key, "1.0.0")
    assert repo.update_refs([RefUpdate(f"refs/mlops/runs/delay/{COMPARISON.key}", oid, ZERO_OID)])
    (same,) = read_experiments(repo).runs
    assert same.ref == f"refs/mlops/runs/delay/{COMPARISON.key}"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"key": 1}',
        b"[" * 100_000,
        json.dumps({**encode(RUN), "seconds": "1e999"}).encode(),
    ],
)
def test_a_run_that_cannot_be_read_is_named_and_the_others_are_shown(repo: Repository, content: bytes) -> None:
    bad = f"refs/mlops/runs/delay/{'0' * 32}"
    stored(repo, bad, content)
    stored(repo, f"refs/mlops/runs/delay/{RUN.key}", RUN)
    read = read_experiments(repo)
    found, (warning,) = read.runs, read.diagnostics
    assert [one.key for one in found] == [RUN.key]
    assert (warning.id, warning.severity) == ("run-unreadable", "warning")
    assert bad in warning.message


def test_a_run_under_another_name_or_beside_anothers_verdict_is_not_believed(repo: Repository) -> None:
    stored(repo, f"refs/mlops/runs/delay/{'1' * 32}", RUN)
    stored(repo, f"refs/mlops/runs/other/{RUN.key}", RUN)
    stored(repo, f"refs/mlops/runs/delay/{COMPARISON.key}", RUN, replace(COMPARISON, run="9" * 32))
    read = read_experiments(repo)
    found, warnings = read.runs, read.diagnostics
    assert (found, len(warnings)) == ((), 3)


def test_a_ref_to_something_that_is_no_commit_is_named_too(repo: Repository) -> None:
    blob = repo.write_blob(b"x")
    assert repo.update_refs([RefUpdate(f"refs/mlops/runs/delay/{'1' * 32}", blob, ZERO_OID)])
    assert len(read_experiments(repo).diagnostics) == 1


def test_one_models_runs_are_those_of_no_other(repo: Repository) -> None:
    stored(repo, f"refs/mlops/runs/delay/{RUN.key}", RUN)
    stored(repo, f"refs/mlops/runs/delayed/{RUN.key}", replace(RUN, model="delayed"))
    assert [one.run.model for one in read_experiments(repo, "delay").runs] == ["delay"]


def test_only_what_is_not_the_same_in_all_runs_tells_them_apart() -> None:
    fewer = replace(RUN.signature, inputs=(ModelField("distance", "integer"),))
    runs = [
        experiment(key="c" * 32, params={"C": 0.1, "solver": "saga"}, spec_digest="e" * 64),
        experiment(key="b" * 32, signature=fewer, split=replace(RUN.split, train_rows=1_000)),
        experiment(),
    ]
    found = runs_table("delay", runs)
    assert found.differing == ("C", "solver", "features", "rows")
    assert [row.differs for row in found.runs] == [
        {"C": "0.1", "solver": "saga", "features": "+hour", "rows": "64,081"},
        {"C": "1.0", "features": "1", "rows": "1,000"},
        {"C": "1.0", "features": "+hour", "rows": "64,081"},
    ]


def test_where_only_the_rest_of_the_spec_differs_its_digest_tells_them_apart() -> None:
    assert runs_table("delay", [experiment(), experiment(spec_digest="e" * 64)]).differing == ("spec",)


def test_runs_that_do_not_tell_their_parameters_are_listed() -> None:
    assert [row.differs for row in runs_table("delay", [experiment(params=None), experiment()]).runs] == [
        {},
        {"C": "1.0"},
    ]


def test_metrics_stand_side_by_side_and_slices_do_not() -> None:
    one = Experiment(COMPARISON.key, "ref", "0" * 40, RUN, COMPARISON, "1.0.0")
    report = RunsReport((runs_table("delay", [experiment(key="c" * 32, seed=8), one]),), "git fetch origin x")
    assert render_text(report).splitlines() == [
        "delay: 2 runs",
        "  key           on (UTC)          estimator           seed  auc    verdict    release",
        "  cccccccccccc  2026-11-22 19:00  LogisticRegression  8     -      not gated",
        "  bbbbbbbbbbbb  2026-11-22 19:00  LogisticRegression  7     0.760  pass       v1.0.0",
        "",
        "the runs of others are not fetched by default; to fetch them: git fetch origin x",
    ]


def test_data_are_taken_apart_down_to_their_leaves() -> None:
    given = {
        "train": {"params": {"a": 1, "grid": [1, 2]}},
        "gate": {"requirements": [{"min": 0.6}, {"min": 0.7}]},
        "x": {},
    }
    assert dict(flatten_json(given)) == {
        "train.params.a": 1,
        "train.params.grid": [1, 2],
        "gate.requirements[0].min": 0.6,
        "gate.requirements[1].min": 0.7,
        "x": {},
    }


def test_nesting_is_followed_only_so_far() -> None:
    deep: Any = 1
    for _ in range(500):
        deep = {"a": deep}
    assert len(list(flatten_json(deep))) == 1
    render_text(RunsReport((runs_table("delay", [experiment(params=deep), experiment()]),)))
