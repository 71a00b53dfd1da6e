from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime, time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops_ci.core.errors import Findings
from mlops_ci.data.sources.files import source_files
from mlops_ci.data.split import SplitSource, SplitSummary, split_dataset, target_findings, write_split_files
from mlops_ci.spec.spec_types import ColumnSpec, SourceSpec, SplitSpec

few = settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def divided(
    bench: Any, columns: tuple[str, ...] = ("x",), target: str = "y", **spec: Any
) -> tuple[SplitSummary, Any, Any]:
    """Split as a step would: the record, then both sides as data frames."""
    import pandas as pd

    dataset = bench.dataset(**spec)
    files = source_files(bench.root, dataset.spec.source)
    sides = split_dataset(SplitSource(bench.root, dataset, files), columns, target, bench.cache)
    folder = bench.root.parent / "scratch"
    folder.mkdir(exist_ok=True)
    written = write_split_files(SplitSource(bench.root, dataset, files), columns, target, folder)
    return sides, pd.read_parquet(written.train), pd.read_parquet(written.holdout)


def table(ids: list[int]) -> str:
    return "id,x,y\n" + "".join(f"{id},{id * 0.5},{id % 2}\n" for id in ids)


def in_holdout(text: str, epoch: int = 1, holdout: float = 0.2) -> bool:
    """The definition, without the engine."""
    first = hashlib.sha256(f"epoch:{epoch}|{text}".encode()).digest()[:8]
    return int.from_bytes(first, "big") / 2**64 < holdout


def key_text(*values: Any) -> str:
    """The text that names a row, without the engine."""
    return "".join(
        "n" if value is None else f"{len(text.encode())}:{text}" for value in values for text in [_text(value)]
    )


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e38:
        return str(int(value))
    if isinstance(value, datetime):
        text = str(value.date()) if value.time() == time() else str(value)
        return text.rstrip("0") if value.microsecond else text
    return str(value).lower() if isinstance(value, bool) else str(value)


@few
@given(
    ids=st.lists(st.integers(-(2**63), 2**63 - 1), min_size=60, max_size=150, unique=True),
    more=st.sets(st.integers(0, 10**6), max_size=20),
    holdout=st.sampled_from([0.3, 0.5, 0.7]),
    epoch=st.integers(1, 9),
)
def test_a_row_keeps_its_side(
    ids: list[int], more: set[int], holdout: float, epoch: int, tmp_path_factory: Any, benches: Any
) -> None:
    wanted = {id for id in ids if in_holdout(key_text(id), epoch, holdout)}
    if len(wanted) in (0, len(ids)):
        return
    bench = benches(tmp_path_factory.mktemp("split").name + "/repo")
    spec: dict[str, Any] = {"key": ("id",), "split": SplitSpec("key-hash", holdout, epoch)}
    bench.csv(table(ids))
    before, train, test = divided(bench, **spec)
    assert set(test["id"]) == wanted
    assert list(train["id"]) == sorted(set(ids) - wanted)
    assert (before.split.train_rows, before.split.holdout_rows) == (len(train), len(test))
    bench.csv(table(ids[::-1]))
    assert divided(bench, **spec)[0] == before
    grown = [*more.difference(ids), *ids]
    bench.csv(table(grown))
    _, _, test = divided(bench, **spec)
    assert set(test["id"]) & set(ids) == wanted


def test_a_key_of_text_and_several_columns_is_hashed_as_written(bench: Any) -> None:
    rows = [(f"é{index % 7}", index) for index in range(200)]
    bench.csv("b,a,x,y\n" + "".join(f"{b},{a},1,{a % 2}\n" for b, a in rows))
    _, _, test = divided(bench, key=("b", "a"))
    wanted = {(b, a) for b, a in rows if in_holdout(key_text(b, a))}
    assert set(zip(test["b"], test["a"], strict=True)) == wanted


def test_without_a_key_the_row_itself_is_its_identity(bench: Any) -> None:
    rows = [(index * 0.5, index % 2) for index in range(100)]
    bench.csv("x,y\n" + "".join(f"{x},{y}\n" for x, y in rows))
    _, _, test = divided(bench)
    assert set(test["x"]) == {x for x, y in rows if in_holdout(key_text(x, y))}


KEYS: dict[str, tuple[st.SearchStrategy[Any], str]] = {
    "integer": (st.integers(-(2**63), 2**63 - 1), "A1"),
    "small": (st.integers(-(2**53) + 1, 2**53 - 1), "0.5"),
    "number": (st.floats(allow_nan=False, allow_infinity=False).map(lambda value: value + 0.0), "A1"),
    "truth": (st.booleans(), "maybe"),
    "day": (st.dates(), "2026-01-01 10:30"),
    "date": (st.dates(), "soon"),
    "moment": (st.datetimes(), "soon"),
}


@settings(few, max_examples=3)
@given(rows=st.lists(st.tuples(*(values for values, _ in KEYS.values())), min_size=40, max_size=60))
def test_a_key_names_the_same_row_whatever_type_its_columns_are_taken_for(
    rows: list[tuple[Any, ...]], tmp_path_factory: Any, benches: Any
) -> None:
    wanted = {index for index, key in enumerate(rows) if in_holdout(key_text(*key, index), 1, 0.5)}
    if len(wanted) in (0, len(rows)):
        return
    bench = benches(tmp_path_factory.mktemp("types").name + "/repo")
    spec: dict[str, Any] = {"key": (*KEYS, "x"), "split": SplitSpec(holdout=0.5)}
    lines = [",".join([*KEYS, "x", "y"])]
    lines += [",".join(map(str, (*key, index, index % 2))) for index, key in enumerate(rows)]
    bench.csv("\n".join(lines))
    assert set(divided(bench, **spec)[2]["x"]) == wanted
    lines.append(",".join([*(odd for _, odd in KEYS.values()), str(len(rows)), "1"]))
    bench.csv("\n".join(lines))
    assert set(divided(bench, **spec)[2]["x"]) - {len(rows)} == wanted


def test_one_key_of_another_type_moves_no_other_row(bench: Any) -> None:
    bench.csv(table(list(range(600))))
    before = set(divided(bench, key=("id",))[2]["id"])
    bench.csv(table(list(range(600))) + "A1,0.5,1\n")
    after = set(divided(bench, key=("id",))[2]["id"]) - {"A1"}
    assert after == {str(id) for id in before}


def test_text_that_spells_a_number_beyond_all_bounds_is_text(bench: Any) -> None:
    rows = [(f"{n}e9999", n) for n in range(100)]
    bench.csv("k,y\n" + "".join(f"{k},{y}\n" for k, y in rows) + "A,1\n")
    _, _, test = divided(bench, ("y",), key=("k",))
    assert set(test["k"]) - {"A"} == {k for k, y in rows if in_holdout(key_text(k if y else "0"))}


def test_few_different_keys_are_the_reason_that_a_side_has_no_rows_or_one_class(bench: Any) -> None:
    bench.csv("x,y\n" + "1,0\n2,1\n" * 150)
    with pytest.raises(Findings) as caught:
        divided(bench, split=SplitSpec(holdout=0.01))
    (found,) = caught.value.diagnostics
    assert found.message == (
        "the holdout side of the split has no rows: the data have 300 rows, but only 2 different rows, and equal rows always go to the same side"
    )
    assert (found.help or "").startswith("add a column that identifies a row: `key: [...]`")
    bench.csv("k,x,y\n" + "".join(f"{n % 12},{n},{int(n % 12 == 5)}\n" for n in range(300)))
    sides, *_ = divided(bench, key=("k",), split=SplitSpec(holdout=0.5))
    (finding,) = target_findings(sides, "y", "binary-classification")
    assert finding.help == (
        "the data have 300 rows, but only 12 different keys, and rows of one key always go to the same side; choose a key with more values"
    )


def test_the_share_is_the_one_asked_for_and_an_epoch_is_a_fresh_holdout(bench: Any) -> None:
    bench.csv(table(list(range(20_000))))
    one, _, first = divided(bench, key=("id",))
    two, _, second = divided(bench, key=("id",), split=SplitSpec(epoch=2))
    assert abs(one.split.holdout_rows - 4000) < 5 * (20_000 * 0.2 * 0.8) ** 0.5
    assert abs(len(set(first["id"]) & set(second["id"])) - 800) < 5 * (20_000 * 0.04 * 0.96) ** 0.5
    assert one.split.holdout_digest != two.split.holdout_digest


def test_sides_and_their_order_do_not_depend_on_the_layout_of_files(bench: Any) -> None:
    import pandas as pd

    spec: dict[str, Any] = {"key": ("id",), "columns": {"x": ColumnSpec("number")}}
    bench.csv(table(list(range(100))))
    one, train, test = divided(bench, **spec)
    (bench.root / "data/rows.csv").unlink()
    frame = pd.DataFrame({"y": [id % 2 for id in range(100)], "x": [id * 0.5 for id in range(100)], "id": range(100)})
    for index, part in enumerate((frame[60:], frame[:60])):
        part.to_parquet(bench.root / f"data/{index}.parquet")
    two, train_again, test_again = divided(bench, source=SourceSpec("parquet", "data/*.parquet"), **spec)
    assert two == one
    pd.testing.assert_frame_equal(train_again, train)
    pd.testing.assert_frame_equal(test_again, test)


def test_only_the_columns_asked_for_are_written_and_digested(bench: Any) -> None:
    bench.csv("id,x,y,secret\n" + "".join(f"{id},{id},{id % 2},s{id}\n" for id in range(50)))
    before, train, _ = divided(bench, key=("id",))
    assert list(train.columns) == ["id", "x", "y"]
    bench.csv("id,x,y,secret\n" + "".join(f"{id},{id},{id % 2},t{id}\n" for id in range(50)))
    after = divided(bench, key=("id",))[0]
    assert replace(after, holdout_columns_digest=before.holdout_columns_digest) == before
    assert after.holdout_columns_digest != before.holdout_columns_digest  # the gate's rules may read any column of it
    assert divided(bench, ("x", "secret"), key=("id",))[0].split.train_digest != before.split.train_digest


def test_the_group_is_part_of_what_is_digested(bench: Any) -> None:
    spec: dict[str, Any] = {"key": ("id",), "group": "g", "time": "x", "split": SplitSpec("time")}
    bench.csv("id,x,y,g\n" + "".join(f"{id},2026-01-{id + 10},{id % 2},a\n" for id in range(20)))
    before = divided(bench, **spec)[0].split
    bench.csv("id,x,y,g\n" + "".join(f"{id},2026-01-{id + 10},{id % 2},b\n" for id in range(20)))
    after = divided(bench, **spec)[0].split
    assert (after.train_rows, after.holdout_rows) == (before.train_rows, before.holdout_rows)
    assert after.train_digest != before.train_digest
    assert after.holdout_digest != before.holdout_digest


def test_by_time_the_newest_rows_are_the_holdout(bench: Any) -> None:
    bench.csv("when,x,y\n" + "".join(f"2026-01-{day:02},{day},{day % 2}\n" for day in range(1, 11)))
    spec: dict[str, Any] = {"time": "when", "split": SplitSpec("time", 0.3)}
    sides, train, test = divided(bench, **spec)
    assert (sorted(train["x"]), sorted(test["x"])) == ([1, 2, 3, 4, 5, 6, 7], [8, 9, 10])
    assert sides.split.cutoff == "2026-01-08"
    assert (sides.split.by, sides.split.train_rows, sides.split.holdout_rows) == ("time", 7, 3)


def test_rows_of_one_moment_stay_together(bench: Any) -> None:
    moments = ["2026-01-01 10:00"] * 4 + ["2026-01-02 10:00"] * 5 + ["2026-01-03 10:00:00.25"]
    bench.csv("when,x,y\n" + "".join(f"{moment},{x},{x % 2}\n" for x, moment in enumerate(moments)))
    sides, train, test = divided(bench, time="when", split=SplitSpec("time", 0.2))
    assert (len(train), len(test)) == (4, 6)
    assert sides.split.cutoff == "2026-01-02T10:00:00"
    sides, _, test = divided(bench, time="when", split=SplitSpec("time", 0.1))
    assert (sides.split.cutoff, len(test)) == ("2026-01-03T10:00:00.25", 1)


@pytest.mark.parametrize(
    ("text", "spec", "id", "where"),
    [
        ("x,y\n1,0\n2,1\n", {"key": ("id",)}, "data-column-missing", "spec/source/path"),
        ("x,z\n1,0\n2,1\n", {}, "data-column-missing", "spec/source/path"),
        ("x,y\n1,0\n2,1\n", {"time": "when", "split": SplitSpec("time")}, "data-column-missing", "spec/source/path"),
        ("when,x,y\n2026-01-01,1,0\n,2,1\n", {"time": "when", "split": SplitSpec("time")}, "split-time-missing", "spec/time"),
        ("when,x,y\n2026-01-01,1,0\n2026-01-01,2,1\n", {"time": "when", "split": SplitSpec("time")}, "split-side-empty", "spec/split"),
        ("x,y\n1,0\n", {"split": SplitSpec(holdout=0.0001)}, "split-side-empty", "spec/split"),
    ],
)  # fmt: skip
def test_data_that_cannot_be_split(bench: Any, text: str, spec: dict[str, Any], id: str, where: str) -> None:
    bench.csv(text)
    with pytest.raises(Findings) as caught:
        divided(bench, **spec)
    (found,) = caught.value.diagnostics
    assert (found.id, found.location.path if found.location else None) == (id, where)


@pytest.mark.parametrize(
    ("values", "task", "ids"),
    [
        (["0", "1"] * 50, "binary-classification", []),
        (["a", "b", "c"] * 50, "multiclass-classification", []),
        (["1.5", "2", "3"] * 50, "regression", []),
        (["0", "1"] * 50, "regression", []),
        (["0", "1"] * 50 + ["", ""], "binary-classification", ["target-missing"]),
        (["0.5", "1.5"] * 50 + ["NaN"], "regression", ["target-missing"]),
        (["1"] * 50, "binary-classification", ["target-one-class"]),
        (["1"] * 50 + ["0"], "multiclass-classification", ["target-one-class"]),
        (["a", "b", "c"] * 50, "binary-classification", ["target-not-binary"]),
        (["a", "b"] * 50, "regression", ["target-not-numeric"]),
    ],
)
def test_targets(bench: Any, values: list[str], task: Any, ids: list[str]) -> None:
    bench.csv("id,x,y\n" + "".join(f"{id},{id},{value}\n" for id, value in enumerate(values)))
    sides, *_ = divided(bench, key=("id",))
    found = target_findings(sides, "y", task)
    assert [item.id for item in found] == ids
    if ids == ["target-missing"]:
        assert f"in {sides.target.missing} row" in found[0].message


def test_a_known_split_reads_no_data_and_its_rows_are_written_when_asked(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.csv(table(list(range(50))))
    bench = replace(bench, cache=tmp_path / "cache")
    dataset = bench.dataset(key=("id",))
    files = source_files(bench.root, dataset.spec.source)
    known = split_dataset(SplitSource(bench.root, dataset, files), ("x",), "y", bench.cache)
    with monkeypatch.context() as patch:
        patch.setattr("mlops_ci.data.split.open_table", None)
        assert split_dataset(SplitSource(bench.root, dataset, files), ("x",), "y", bench.cache) == known
        with pytest.raises(TypeError):
            split_dataset(SplitSource(bench.root, dataset, files), ("x", "id"), "y", bench.cache)
    written = write_split_files(SplitSource(bench.root, dataset, files), ("x",), "y", tmp_path)
    assert sorted(tmp_path.glob("*.parquet")) == [written.holdout, written.train]
    alone = tmp_path / "alone"
    alone.mkdir()
    only = write_split_files(SplitSource(bench.root, dataset, files), ("x",), "y", alone, sides=("train",))
    assert [only.train.read_bytes(), *alone.iterdir()] == [written.train.read_bytes(), only.train]
    again = tmp_path / "again"
    again.mkdir()
    same = write_split_files(SplitSource(bench.root, dataset, files), ("x",), "y", again)
    assert same.train.read_bytes() == written.train.read_bytes()
