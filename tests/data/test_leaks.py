"""What both sides of a split share: every row of it is counted, and chance is told from copies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_ci.commands import scaffold
from mlops_ci.data import leakage
from mlops_ci.data.leakage import Leaks, is_explained_by_chance, leak_findings
from mlops_ci.data.sources.files import source_files
from mlops_ci.data.sources.table import open_source
from mlops_ci.data.split import SplitSource, split_dataset, write_split_files
from mlops_ci.spec.load import load_specs
from mlops_ci.spec.spec_types import ColumnSpec, SplitSpec

ROWS = 4000
RANDOM = np.random.default_rng(7)
MEASURED = pd.DataFrame(RANDOM.normal(size=(ROWS, 3)), columns=["a", "b", "c"]).assign(y=RANDOM.integers(0, 2, ROWS))
ZEROS = MEASURED.assign(**{name: MEASURED[name].where(MEASURED.index > ROWS // 3, 0.0) for name in "abc"})
PLACES = RANDOM.normal(size=ROWS)
SEEN = (RANDOM.pareto(1.5, ROWS) * ROWS / 4).astype(int) % ROWS  # few places often, many rarely


def under_new_ids(*frames: pd.DataFrame) -> pd.DataFrame:
    frame = pd.concat(frames, ignore_index=True)
    return frame.assign(id=range(len(frame)))


def found(bench: Any, frame: pd.DataFrame, key: tuple[str, ...] = ("id",), **spec: Any) -> Leaks:
    """Split a table as a step would, and count by other means the rows of the holdout that training has, too."""
    bench.parquet(frame)
    dataset = bench.dataset(key=key, **spec)
    files = source_files(bench.root, dataset.spec.source)
    names = tuple(str(name) for name in frame if name != "y")
    leaks = split_dataset(SplitSource(bench.root, dataset, files), names, "y", None).leaks
    scratch = bench.root.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    sides = write_split_files(SplitSource(bench.root, dataset, files), names, "y", scratch)
    content = [name for name in frame if name not in key]
    train, holdout = (
        [tuple(map(str, row)) for row in pd.read_parquet(path)[content].itertuples(index=False)]
        for path in (sides.train, sides.holdout)
    )
    if key and content:
        known = set(train)
        assert leaks.rows_with_equal_content == sum(row in known for row in holdout)
    return leaks


def test_rows_that_are_all_different_share_nothing(parquet_bench: Any) -> None:
    assert found(parquet_bench, under_new_ids(MEASURED)) == Leaks()


COPIED = {
    "a hundredth of the rows": (MEASURED, MEASURED[: ROWS // 100]),
    "one day of the export, and one row once more": (MEASURED, MEASURED[:300], MEASURED[:1]),
    "everything": (MEASURED, MEASURED),
    "everything, two times": (MEASURED, MEASURED, MEASURED),
    "everything, and a part of it once more": (MEASURED, MEASURED, MEASURED[: ROWS // 2]),
}


@pytest.mark.parametrize("what", COPIED)
def test_measurements_that_were_appended_again_under_new_ids_are_copies(parquet_bench: Any, what: str) -> None:
    leaks = found(parquet_bench, under_new_ids(*COPIED[what]))
    assert leaks.copies == leaks.rows_with_equal_content > 0
    assert "id=" in leaks.row_examples[0]


def test_text_dates_and_moments_tell_rows_apart_as_numbers_do(parquet_bench: Any) -> None:
    days = pd.Timestamp("2000-01-01") + pd.to_timedelta(np.arange(ROWS), "D")
    for column in (days, days.date, [f"person {n}" for n in range(ROWS)], range(ROWS)):
        frame = pd.DataFrame({"x": column, "y": MEASURED["y"]})
        assert found(parquet_bench, under_new_ids(frame, frame[:100])).copies > 0


def rounded(seed: int, decimals: int, columns: int = 1, rows: int = 2000) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    values = np.round(random.normal(size=(rows, columns)), decimals)
    return pd.DataFrame(values, columns=[*"abcdef"[:columns]]).assign(y=random.integers(0, 2, rows))


@pytest.mark.parametrize("seed", range(4))
def test_rounded_rows_that_were_drawn_independently_are_no_copies(parquet_bench: Any, seed: int) -> None:
    """Given 2,000 rows of one number with four decimals and a target, then some are equal, and none is a copy."""
    leaks = found(parquet_bench, under_new_ids(rounded(seed, 4)))
    assert (leaks.copies, leaks.rows_with_equal_content > 0) == (0, True)


def test_a_number_that_decides_all_other_columns_is_told_from_copies_by_its_neighbours(parquet_bench: Any) -> None:
    frame = rounded(1, 4)
    frame = frame.assign(
        fahrenheit=frame["a"] * 1.8 + 32, name="t" + (frame["a"] * 10**4).round().astype(str), y=frame["a"] > 0
    )
    leaks = found(parquet_bench, under_new_ids(frame))
    assert (leaks.copies, leaks.rows_with_equal_content > 5) == (0, True)
    assert found(parquet_bench, under_new_ids(frame, frame)).copies > 300


@pytest.mark.parametrize("rows_each", [2, 7])
def test_entities_whose_features_do_not_change_are_no_copies_until_their_rows_are_appended(
    parquet_bench: Any, rows_each: int
) -> None:
    who = np.repeat(np.arange(300), rows_each)
    features = (
        pd.DataFrame({"income": PLACES[:300], "age": RANDOM.integers(18, 90, 300)}).iloc[who].reset_index(drop=True)
    )
    frame = features.assign(y=RANDOM.random(len(who)) < 0.3)
    leaks = found(parquet_bench, under_new_ids(frame))
    assert (leaks.copies, leaks.rows_with_equal_content > 0) == (0, True)
    again = found(parquet_bench, under_new_ids(frame, frame))
    assert again.copies == again.rows_with_equal_content > 0.15 * len(frame)


NATURAL = {
    "small numbers": pd.DataFrame(RANDOM.integers(0, 10, (ROWS, 3)), columns=["a", "b", "y"]),
    "categories, some of them rare": pd.DataFrame(
        {"a": [f"c{n}" for n in RANDOM.poisson(2, ROWS)], "b": RANDOM.random(ROWS) < 0.001, "y": MEASURED["y"]}
    ),
    "one feature of ten values that decides the target": pd.DataFrame({"a": SEEN % 10, "y": SEEN % 2}),
    "features looked up by a place, half of the places seen": pd.DataFrame(
        {"place": SEEN, "income": PLACES[SEEN], "y": RANDOM.random(ROWS) < 0.05}
    ),
    "a value for each row or two": pd.DataFrame({"a": (drawn := RANDOM.integers(0, ROWS // 2, ROWS)), "y": drawn % 2}),
    "measurements that are zero in a third of the rows": ZEROS,
}


@pytest.mark.parametrize("what", NATURAL)
def test_rows_that_are_equal_by_chance_are_counted_and_are_no_copies(parquet_bench: Any, what: str) -> None:
    leaks = found(parquet_bench, under_new_ids(NATURAL[what]))
    assert (leaks.copies, leaks.row_examples) == (0, ())
    assert leaks.rows_with_equal_content > ROWS / 50


def test_copies_are_told_from_the_rows_beside_them_that_are_equal_by_chance(parquet_bench: Any) -> None:
    natural = found(parquet_bench, under_new_ids(ZEROS))
    both = found(parquet_bench, under_new_ids(ZEROS, ZEROS[-200:]))
    assert both.rows_with_equal_content == natural.rows_with_equal_content + both.copies
    assert 20 < both.copies < 120


def test_a_flag_is_never_what_tells_rows_apart(parquet_bench: Any) -> None:
    """Given two different rows only, when each stands there often, then no column is taken for an identifier of them."""
    frame = pd.DataFrame({"a": [True, False] * 4, "y": [1, 0] * 4})
    assert found(parquet_bench, under_new_ids(frame), split=SplitSpec(holdout=0.5)).copies == 0


def test_without_a_key_equal_rows_share_a_side_and_a_key_of_all_columns_leaves_nothing_to_compare(
    parquet_bench: Any,
) -> None:
    twice = pd.concat([MEASURED, MEASURED])
    assert found(parquet_bench, twice, key=()) == Leaks()
    assert found(parquet_bench, twice, key=("a", "b", "c", "y")) == Leaks()


def test_the_answer_depends_neither_on_the_order_of_rows_nor_on_the_number_of_passes(
    parquet_bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = under_new_ids(ZEROS, ZEROS[-200:])
    leaks = found(parquet_bench, frame)
    monkeypatch.setattr(leakage, "ROWS_PER_LEAK_PASS", ROWS // 5)
    assert found(parquet_bench, frame.sample(frac=1, random_state=1)) == leaks


def test_by_time_a_key_before_and_after_the_cutoff_is_on_both_sides(parquet_bench: Any) -> None:
    days = pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(100), "D")
    frame = pd.DataFrame({"id": [*range(97), 5, 4, 4], "when": days, "x": np.arange(100.0), "y": np.arange(100) % 2})
    spec: dict[str, Any] = {"time": "when", "split": SplitSpec("time", 0.1)}
    leaks = found(parquet_bench, frame, **spec)
    assert leaks == Leaks(3, ("id=4", "id=5"))
    dataset = parquet_bench.dataset(key=("id",), **spec)
    (finding,) = leak_findings(leaks, dataset, 10)
    assert (finding.id, finding.severity) == ("split-leak-key", "error")
    assert finding.message == "3 of 10 holdout rows have the same key as a training row, such as id=4; id=5"
    assert "such as 'when', to `key`" in (finding.help or "")
    allowed = parquet_bench.dataset(key=("id",), time="when", split=SplitSpec("time", 0.1, duplicates="allow"))
    assert leak_findings(leaks, allowed, 10) == (finding,), "a key on both sides is no matter of duplicates"
    assert found(parquet_bench, frame, key=("id", "when"), **spec) == Leaks()


def test_by_time_a_row_that_is_repeated_at_another_moment_is_a_copy(parquet_bench: Any) -> None:
    half = MEASURED[: ROWS // 2]
    frame = under_new_ids(half, half).assign(when=pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(ROWS), "h"))
    spec: dict[str, Any] = {"time": "when", "split": SplitSpec("time", 0.2)}
    leaks = found(parquet_bench, frame, key=("when",), **spec)
    assert leaks.copies == 0, "the ids differ"
    leaks = found(parquet_bench, frame.drop(columns="id"), key=("when",), **spec)
    assert (leaks.rows_with_equal_content, leaks.copies) == (ROWS // 5, ROWS // 5)


def test_examples_show_no_personal_data(parquet_bench: Any) -> None:
    frame = under_new_ids(MEASURED, MEASURED)
    leaks = found(parquet_bench, frame, columns={"id": ColumnSpec(tags=("pii",))})
    assert set(leaks.row_examples) == {"id=*** is a copy of id=***"}


@pytest.mark.parametrize(
    ("leaks", "duplicates", "severity", "message"),
    [
        (Leaks(), "fail", None, ""),
        (Leaks(rows_with_equal_content=9, copies=5, row_examples=("id=1 is a copy of id=2",)), "fail", "error", "5 of 1,000 holdout rows have a copy"),
        (Leaks(rows_with_equal_content=9, copies=4, row_examples=("id=1 is a copy of id=2",)), "fail", "warning", "4 of 1,000 holdout rows have a copy"),
        (Leaks(rows_with_equal_content=9, copies=9, row_examples=("id=1 is a copy of id=2",)), "allow", "warning", "9 of 1,000 holdout rows have a copy"),
        (Leaks(rows_with_equal_content=9, copies=1, row_examples=("id=1 is a copy of id=2",)), "allow", "warning", "1 of 1,000 holdout rows has a copy"),
        (Leaks(rows_with_equal_content=501), "fail", "note", "501 of 1,000 holdout rows have the same values as a training row"),
        (Leaks(rows_with_equal_content=501), "allow", "note", "501 of 1,000 holdout rows have the same values as a training row"),
    ],
)  # fmt: skip
def test_what_is_said_about_rows_on_both_sides(
    parquet_bench: Any, leaks: Leaks, duplicates: Any, severity: str | None, message: str
) -> None:
    dataset = parquet_bench.dataset(key=("id",), split=SplitSpec(duplicates=duplicates))
    findings = leak_findings(leaks, dataset, 1000)
    assert [found.severity for found in findings] == ([severity] if severity else [])
    for finding in findings:
        assert finding.id == "split-leak-rows"
        assert finding.message.startswith(message)


@settings(max_examples=50, deadline=None)
@given(contents=st.integers(1000, 10**6), times=st.integers(2, 50), unique=st.integers(0, 10**6))
def test_what_recurs_equally_often_was_copied(contents: int, times: int, unique: int) -> None:
    assert not is_explained_by_chance({times: contents}, contents * times + unique)


@settings(max_examples=50, deadline=None, derandomize=True)  # what is drawn may by chance look copied
@given(
    seed=st.integers(0, 10**6),
    rate=st.sampled_from([0.5, 1.0, 3.0, 30.0]),
    uneven=st.sampled_from([0.0, 0.5, 2.0]),
)
def test_what_is_drawn_recurs_by_chance(seed: int, rate: float, uneven: float) -> None:
    random = np.random.default_rng(seed)
    counts = random.poisson(rate * random.lognormal(0, uneven, 30_000))
    sizes, contents = np.unique(counts[counts > 1], return_counts=True)
    assert is_explained_by_chance(dict(zip(sizes.tolist(), contents.tolist(), strict=True)), int(counts.sum()))


@pytest.mark.parametrize(("template", "target"), [("minimal", "malignant"), ("flights", "late")])
def test_the_templates_have_no_copies(template: str, target: str, tmp_path: Path) -> None:
    for path, content in scaffold.template_files(template).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    scaffold.write_template_data(template, tmp_path)
    specs, _ = load_specs(tmp_path)
    assert specs is not None
    (dataset,) = specs.datasets.values()
    files = open_source(dataset.spec.source).resolve(tmp_path)
    sides = split_dataset(SplitSource(tmp_path, dataset, files), (), target, None)
    assert sides.leaks.copies == 0
    assert (sides.leaks.rows_with_equal_content > 100) == (template == "flights"), (
        "departures of one hour to one place are alike"
    )


def test_an_answer_that_was_kept_before_leaks_were_looked_for_is_not_used(parquet_bench: Any, tmp_path: Path) -> None:
    parquet_bench.parquet(under_new_ids(MEASURED, MEASURED))
    dataset = parquet_bench.dataset(key=("id",))
    files = source_files(parquet_bench.root, dataset.spec.source)
    cache = tmp_path / "cache"
    sides = split_dataset(SplitSource(parquet_bench.root, dataset, files), ("a",), "y", cache)
    (kept,) = cache.iterdir()
    answer = json.loads(kept.read_text())
    del answer["leaks"]
    kept.write_text(json.dumps(answer))
    assert split_dataset(SplitSource(parquet_bench.root, dataset, files), ("a",), "y", cache) == sides


def test_rows_of_one_group_stay_together_and_so_do_their_copies(parquet_bench: Any) -> None:
    """Given groups, when a row is appended again under a new id, then it is in the same group, and on the same side."""
    frame = under_new_ids(MEASURED.assign(g=np.arange(ROWS) % 500), MEASURED.assign(g=np.arange(ROWS) % 500)[:300])
    assert found(parquet_bench, frame, group="g") == Leaks()
    elsewhere = frame.assign(g=lambda rows: rows["g"].where(rows["id"] < ROWS, rows["g"] + 500))
    assert found(parquet_bench, elsewhere.assign(id=lambda rows: rows["id"] % ROWS), group="g").rows_with_shared_key > 0
