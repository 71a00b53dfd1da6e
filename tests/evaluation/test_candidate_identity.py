"""What names a candidate's training, and what names the gate's answer about it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mlops_ci.core.errors import Findings
from mlops_ci.core.records.base import FileDigest
from mlops_ci.evaluation.base_branch_rules import RowDependence
from mlops_ci.evaluation.candidates.candidate import Candidate, dataset_with_split
from mlops_ci.evaluation.candidates.opponents import Opponents
from mlops_ci.spec.spec_types import GateSpec, SplitSpec
from tests.evaluation.conftest import DATASET, MODEL, ROWS, identify, release_event, write_project

FIRST, SECOND = release_event("1.0.0", None), release_event("1.1.0", None)
AGAINST_BOTH = Opponents(SECOND, FIRST)


def test_the_same_files_are_the_same_candidate_wherever_they_are(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    other.mkdir()
    write_project(other)
    assert identify(root).key == identify(other).key


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("delay.yaml", MODEL.replace("seed: 7", "seed: 8")),
        ("delay.yaml", MODEL.replace("[hour, distance]", "[hour]")),
        ("flights.yaml", DATASET + "  split: {holdout: 0.4}\n"),
        ("flights.csv", ROWS.replace(".5,", ".25,")),
        ("delay.yaml", MODEL.replace("seed: 7", "seed: 7, weights: balanced")),
        ("delay.yaml", MODEL.replace("seed: 7", "seed: 7, weights: id")),
        ("delay.yaml", MODEL.replace("seed: 7", "seed: 7, fit: {params: {a: 1}}")),
        ("delay.yaml", MODEL.replace("seed: 7", "seed: 7, fit: {earlyStopping: {}}")),
        ("delay.yaml", MODEL.replace("seed: 7", "seed: 7, columns: [origin]")),
    ],
    ids=[
        "another seed",
        "other inputs",
        "another split",
        "other rows",
        "balanced classes",
        "weights of rows",
        "arguments of fit",
        "early stopping",
        "columns",
    ],
)
def test_what_decides_the_model_decides_its_key(root: Path, name: str, text: str) -> None:
    before = identify(root).key
    (root / name).write_text(text)
    assert identify(root).key != before


def test_the_weights_of_training_rows_decide_the_model_and_those_of_the_holdout_do_not(root: Path) -> None:
    """Given a weights column, when a value on one side is another, then it is another run if rows of that side are learned."""
    head, *rows = ROWS.splitlines()
    sides = {_is_held_out(at): at for at in range(len(rows))}

    def key(changed: int | None = None) -> str:
        weighted = [f"{row},{2 if at == changed else 1}" for at, row in enumerate(rows)]
        (root / "flights.csv").write_text("\n".join([f"{head},w", *weighted]) + "\n")
        return identify(root).key

    (root / "delay.yaml").write_text(MODEL.replace("seed: 7", "seed: 7, weights: w"))
    before = key()
    assert key(sides[False]) != before
    assert key(sides[True]) == before


@pytest.mark.parametrize("stops", [True, False])
def test_times_decide_the_model_when_they_divide_the_rows_that_are_fitted(root: Path, stops: bool) -> None:
    """Given a split by time, when a training row has another time on the same side, then only early stopping learns otherwise."""
    (root / "flights.yaml").write_text(DATASET + "  time: day\n  split: {by: time}\n")
    if stops:
        (root / "delay.yaml").write_text(MODEL.replace("seed: 7", "seed: 7, fit: {earlyStopping: {rounds: 5}}"))
    head, *rows = ROWS.splitlines()

    def key(first: str) -> str:
        days = [first, *(f"2026-02-{1 + at // 3:02d}" for at in range(1, len(rows)))]
        (root / "flights.csv").write_text(
            "\n".join([f"{head},day", *map(",".join, zip(rows, days, strict=True))]) + "\n"
        )
        return identify(root).key

    assert (key("2026-01-01") != key("2026-01-02")) is stops


@pytest.mark.parametrize(("weights", "id"), [("origin", "train-weights-column"), ("weight", "model-column-missing")])
def test_a_weights_column_has_to_exist_and_to_hold_numbers(root: Path, weights: str, id: str) -> None:
    (root / "delay.yaml").write_text(MODEL.replace("seed: 7", f"seed: 7, weights: {weights}"))
    with pytest.raises(Findings) as caught:
        identify(root)
    (found,) = caught.value.diagnostics
    assert (found.id, found.location and found.location.line) == (id, 9)


def test_what_only_judges_the_model_is_not_part_of_its_key(root: Path) -> None:
    """Given a stricter gate, when the candidate is identified again, then its training stands and its answer does not."""
    before = identify(root)
    (root / "delay.yaml").write_text(MODEL + "  gate: {requirements: [{metric: auc, min: 0.9}]}\n")
    after = identify(root)
    assert after.key == before.key
    assert after.comparison_key(Opponents()) != before.comparison_key(Opponents())


@pytest.mark.parametrize(
    ("changes", "same_run", "same_answer"),
    [
        ("the order of rows and columns", True, True),
        ("a column that no model uses, on the training side", True, True),
        ("the same, in the holdout", True, False),  # the rules may read it: slices, weights, metrics, older splits
        ("a feature, in the holdout", True, False),
        ("a feature, on the training side", False, False),
    ],
)
def test_rows_decide_not_files(root: Path, changes: str, same_run: bool, same_answer: bool) -> None:
    """Given other files, when the candidate is identified again, then only rows that were used decide what is done again."""
    before = identify(root)
    head, *rows = ROWS.splitlines()
    held = next(index for index, _ in enumerate(rows) if _is_held_out(index))
    learned = next(index for index, _ in enumerate(rows) if not _is_held_out(index))
    if changes.startswith("the order"):
        columns = (2, 0, 4, 1, 3)
        head, *rows = (",".join(line.split(",")[at] for at in columns) for line in [head, *reversed(rows)])
    else:
        at = held if "holdout" in changes else learned
        rows[at] = rows[at].replace(".5,", ".25,") if "feature" in changes else f"{rows[at]}x"
    (root / "flights.csv").write_text("\n".join([head, *rows]) + "\n")
    after = identify(root)
    assert after.snapshot.files_digest != before.snapshot.files_digest
    assert (after.key == before.key) is same_run
    assert (after.comparison_key(Opponents()) == before.comparison_key(Opponents())) is same_answer


def _is_held_out(id: int) -> bool:
    """The definition of a split by key-hash, for ids of one or two digits."""
    return hashlib.sha256(f"epoch:1|{len(str(id))}:{id}".encode()).digest()[0] < 0.2 * 256 - 1


CHANGES: dict[str, Callable[[Candidate], str]] = {
    "no champion": lambda one: one.comparison_key(Opponents()),
    "another champion": lambda one: one.comparison_key(Opponents(FIRST)),
    "an anchor": lambda one: one.comparison_key(AGAINST_BOTH),
    "another place": lambda one: one.comparison_key(Opponents(SECOND), "separated"),
    "another run": lambda one: replace(one, key="f" * 32).comparison_key(Opponents(SECOND)),
    "other columns of the holdout": lambda one: replace(
        one, sides=replace(one.sides, holdout_columns_digest="f" * 64)
    ).comparison_key(Opponents(SECOND)),
    "another gate": lambda one: replace(one, rules=replace(one.rules, gate=GateSpec(confidence=0.99))).comparison_key(
        Opponents(SECOND)
    ),
    "other code of a metric": lambda one: replace(
        one, rules=replace(one.rules, metric_code=(FileDigest("profit.py", "f" * 64, 1),))
    ).comparison_key(Opponents(SECOND)),
    "rows that depend": lambda one: replace(
        one, rules=replace(one.rules, dependence=RowDependence("origin"))
    ).comparison_key(Opponents(SECOND)),
    "a budget": lambda one: replace(one, rules=replace(one.rules, split=SplitSpec(holdout_budget=5))).comparison_key(
        Opponents(SECOND)
    ),
    "another holdout": lambda one: replace(
        one, sides=replace(one.sides, split=replace(one.sides.split, holdout_digest="f" * 64))
    ).comparison_key(Opponents(SECOND)),
}


def test_whatever_can_change_an_answer_gives_it_another_name(root: Path) -> None:
    candidate = identify(root)
    names = {"as it is": candidate.comparison_key(Opponents(SECOND))}
    names |= {what: change(candidate) for what, change in CHANGES.items()}
    assert len(set(names.values())) == len(names), names


def test_an_anchor_that_is_the_champion_changes_nothing(root: Path) -> None:
    candidate = identify(root)
    assert candidate.comparison_key(Opponents(SECOND, SECOND)) == candidate.comparison_key(Opponents(SECOND))


def test_rows_are_divided_by_the_split_of_the_rules_and_the_spec_stays_as_it_is_written(root: Path) -> None:
    candidate = identify(root)
    assert candidate.dataset_by_rules is candidate.dataset
    ruled = replace(candidate, rules=replace(candidate.rules, split=SplitSpec(holdout_budget=5)))
    assert ruled.dataset.spec.split == SplitSpec()
    assert ruled.dataset_by_rules.spec.split == SplitSpec(holdout_budget=5)
    assert ruled.dataset_by_rules == dataset_with_split(candidate.dataset, SplitSpec(holdout_budget=5))
    assert ruled.dataset_by_rules.digest != candidate.dataset.digest, "or a cache would take one split for the other"
