"""Digits are kept, or the file is refused: two values are never taken for one."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops_ci.core.errors import Findings
from mlops_ci.data.sealed_holdout import SealedHoldout
from mlops_ci.data.sources.files import source_files
from mlops_ci.data.sources.table import open_source
from mlops_ci.data.split import SplitSource, split_dataset, write_split_files
from mlops_ci.spec.spec_types import CheckSpec, ColumnSpec, SealedSource, SourceSpec, SplitSpec

WEI = 1234567890123456789
NS = 1_700_000_000_000_000_000


def refusal(bench: Any, **spec: Any) -> tuple[str, str]:
    with pytest.raises(Findings) as caught:
        bench.snapshot(**spec)
    (found,) = caught.value.diagnostics
    return found.id, found.message


def split_source(bench: Any, **spec: Any) -> SplitSource:
    dataset = bench.dataset(**spec)
    return SplitSource(bench.root, dataset, open_source(dataset.spec.source).resolve(bench.root))


@pytest.mark.parametrize("declared", [{}, {"wei": ColumnSpec("number", min=0, unique=True)}])
def test_a_long_integer_beside_a_fraction_keeps_its_digits(bench: Any, declared: dict[str, ColumnSpec]) -> None:
    bench.csv(f"wei\n{WEI}\n{WEI + 1}\n0.5\n")
    record, findings = bench.snapshot(columns=declared, key=("wei",))
    assert findings == ()
    (column,) = record.columns
    assert (column.type, column.minimum, column.maximum) == ("number", 0.5, WEI + 1)


@pytest.mark.parametrize(
    ("edge", "failing"), [(WEI + 1, 0), (WEI, 1), (WEI - 1, 2), (float(WEI), 0), (1, 2), (0.5, 2), (0.4, 3)]
)
def test_a_bound_is_compared_digit_by_digit(bench: Any, edge: float, failing: int) -> None:
    bench.csv(f"wei\n{WEI}\n{WEI + 1}\n0.5\n")
    assert bench.check("max", columns={"wei": ColumnSpec("number", max=edge)}).failing == failing


@pytest.mark.parametrize(
    ("text", "type"),
    [
        ("18446744073709551615", "integer"),
        ("-170141183460469231731687303715884105728", "integer"),
        ("1" * 45, "string"),
        ("0." + "1" * 37, "number"),
        ("4.967141530112327137e-01", "number"),
        ("2026-01-31T12:00:00.123456789Z", "timestamp"),
        ("2026-01-31T12:00:00.1234567891Z", "string"),
    ],
)
def test_a_long_text_is_of_a_type_that_keeps_it(bench: Any, text: str, type: str) -> None:
    bench.csv(f"x\n{text}\n")
    assert [column.type for column in bench.snapshot()[0].columns] == [type]


def test_what_neither_float_nor_decimal_can_hold_is_refused(bench: Any) -> None:
    bench.csv(f"x\n{WEI}\n1e300\n")
    assert refusal(bench) == (
        "data-precision",
        "column 'x' has integers with more digits than a float keeps, beside numbers that no decimal of 38 digits can hold",
    )
    bench.csv(f"x\n{2**53}\n1e300\n0.1234567890123456789\n")  # fractions are rounded to floats
    assert bench.snapshot()[1] == ()


def test_nanoseconds_far_from_now_are_refused(bench: Any) -> None:
    bench.csv("t\n2026-01-31T12:00:00.123456789\n1066-10-14\n")
    assert refusal(bench) == (
        "data-precision",
        "column 't' has nanoseconds, so it cannot have a moment outside the years 1678 to 2261",
    )


@pytest.mark.parametrize(
    ("values", "type", "text"),
    [
        ([NS + 1, NS + 2], pa.timestamp("ns"), "t\n2023-11-14 22:13:20.000000001\n2023-11-14 22:13:20.000000002\n"),
        ([NS + 1, NS + 2], pa.timestamp("ns", "Asia/Tokyo"), "t\n2023-11-15T07:13:20.000000001+09\n2023-11-14T22:13:20.000000002Z\n"),
        ([Decimal(WEI), Decimal(WEI + 1)], pa.decimal128(38, 4), f"t\n{WEI}.0\n{WEI + 1}.00\n"),
        ([Decimal(10**30), Decimal(10**30 + 1)], pa.decimal128(38, 0), f"t\n{10**30}\n{10**30 + 1}\n"),
        ([2**64 - 1, 2**64 - 2], pa.uint64(), f"t\n{2**64 - 1}\n{2**64 - 2}\n"),
    ],
)  # fmt: skip
def test_close_values_are_two_keys_on_every_path(
    bench: Any, parquet_bench: Any, values: list[Any], type: pa.DataType, text: str
) -> None:
    parquet_bench.parquet({"t": pa.array(values, type)})
    bench.csv(text)
    assert bench.ids(key=("t",)) == parquet_bench.ids(key=("t",)) == []
    assert bench.content() == parquet_bench.content()
    # the sealed holdout has a row of another key, and then one of the same key
    parquet_bench.parquet({"t": pa.array(values[:1], type), "y": [0]})
    parquet_bench.parquet({"t": pa.array(values[1:], type), "y": [1]}, "held/rows.parquet")
    held = SourceSpec("parquet", "held/*.parquet")
    source = split_source(
        parquet_bench, key=("t",), split=SplitSpec("sealed", source=SealedSource("parquet", "held/*.parquet"))
    )
    sealed = SealedHoldout(parquet_bench.root, source_files(parquet_bench.root, held), held)
    assert split_dataset(replace(source, holdout=sealed), (), "y", None).leaks.rows_with_shared_key == 0
    parquet_bench.parquet({"t": pa.array(values[:1], type), "y": [1]}, "held/rows.parquet")
    sealed = SealedHoldout(parquet_bench.root, source_files(parquet_bench.root, held), held)
    assert split_dataset(replace(source, holdout=sealed), (), "y", None).leaks.rows_with_shared_key == 1


def test_a_split_by_time_tells_nanoseconds_apart(parquet_bench: Any, tmp_path: Path) -> None:
    parquet_bench.parquet({"t": pa.array([NS + n for n in range(10)], pa.timestamp("ns")), "y": list(range(10))})
    source = split_source(parquet_bench, time="t", split=SplitSpec("time", holdout=0.3))
    summary = split_dataset(source, (), "y", None)
    assert (summary.split.holdout_rows, summary.split.cutoff) == (3, "2023-11-14T22:13:20.000000007")
    held = pq.read_table(write_split_files(source, (), "y", tmp_path).holdout)
    assert held["y"].to_pylist() == [7, 8, 9]


def test_integers_that_a_float_cannot_hold_are_refused_beside_a_file_of_floats(parquet_bench: Any) -> None:
    parquet_bench.parquet({"x": [2**53, 1]}, "data/a.parquet")
    parquet_bench.parquet({"x": [0.5]}, "data/b.parquet")
    assert parquet_bench.snapshot()[1] == ()
    parquet_bench.parquet({"x": [2**53 + 1, 1]}, "data/a.parquet")
    refused = (
        "data-precision",
        "column 'x' has a value that the type of its other values cannot hold without loss",
    )
    assert refusal(parquet_bench) == refused
    parquet_bench.parquet(
        {"x": pa.array([Decimal("0.1"), Decimal("12345.678901")], pa.decimal128(30, 6))}, "data/a.parquet"
    )
    assert parquet_bench.snapshot()[1] == ()
    parquet_bench.parquet({"x": pa.array([Decimal("0.123456789012345678")], pa.decimal128(30, 18))}, "data/a.parquet")
    assert refusal(parquet_bench) == refused


def test_decimals_of_files_with_other_places_are_one_column(parquet_bench: Any) -> None:
    parquet_bench.parquet({"x": pa.array([Decimal("1.50")], pa.decimal128(10, 2))}, "data/a.parquet")
    parquet_bench.parquet({"x": pa.array([Decimal("1.5")], pa.decimal128(38, 5))}, "data/b.parquet")
    parquet_bench.parquet({"x": [2**53 + 1]}, "data/c.parquet")
    unique = parquet_bench.check("unique", columns={"x": ColumnSpec("number", unique=True, max=2**53 + 1)})
    assert unique.failing == 2


def test_more_digits_than_the_engine_has_are_refused(parquet_bench: Any) -> None:
    parquet_bench.parquet({"x": pa.array([Decimal("1.5")], pa.decimal256(60, 2))})
    assert refusal(parquet_bench) == ("data-precision", "column 'x' has 60 digits, and at most 38 can be kept")


def test_models_get_floats_and_integers_and_groups_keep_their_digits(parquet_bench: Any, tmp_path: Path) -> None:
    rows = range(20)
    columns = {
        "k": pa.array([Decimal(10**30 + n) for n in rows], pa.decimal128(38, 0)),
        "g": pa.array([Decimal(WEI) + Decimal(n) / 8 for n in rows], pa.decimal128(38, 4)),
        "x": pa.array([Decimal(n) / 4 for n in rows], pa.decimal128(38, 4)),
        "n": pa.array([Decimal(n) for n in rows], pa.decimal128(38, 0)),
        "u": pa.array([2**64 - 1 - n for n in rows], pa.uint64()),
        "y": [n % 2 for n in rows],
    }
    parquet_bench.parquet(columns)
    source = split_source(parquet_bench, key=("k",), group="g", split=SplitSpec(holdout=0.5))
    files = write_split_files(source, ("x", "n", "u", "g"), "y", tmp_path)
    both = pa.concat_tables([pq.read_table(files.train), pq.read_table(files.holdout)]).sort_by("x")
    wanted = {
        "k": pa.decimal128(38, 0),
        "x": pa.float64(),
        "n": pa.int64(),
        "u": pa.uint64(),
        "g": pa.decimal128(38, 4),
        "y": pa.int64(),
    }
    assert {field.name: field.type for field in both.schema} == wanted
    assert all(both[name].to_pylist() == pa.array(columns[name]).to_pylist() for name in ("k", "g", "u"))


def test_a_bound_outside_the_years_of_nanoseconds_is_no_error(parquet_bench: Any) -> None:
    parquet_bench.parquet({"t": pa.array([NS], pa.timestamp("ns"))})
    always = ColumnSpec("timestamp", min="1000-01-01", max="9999-12-31")
    assert parquet_bench.ids(columns={"t": always}) == []
    never = ColumnSpec("timestamp", min="9999-12-31", max="9999-12-31", values=("1000-01-01",))
    assert parquet_bench.ids(columns={"t": never}) == ["check-range", "check-values"]
    fine = ColumnSpec("timestamp", min="2026-01-31T12:00:00.123456789")
    assert parquet_bench.ids(columns={"t": fine}) == ["check-not-applicable"]


@pytest.mark.parametrize(
    ("type", "value", "ids"),
    [
        (pa.date32(), 4_000_000, []),
        (pa.date32(), -1_000_000, ["check-freshness"]),
        (pa.timestamp("s"), 10**12, []),
        (pa.timestamp("us"), 2**63 - 1, []),
    ],
)
def test_a_moment_of_a_year_that_python_does_not_have_is_a_value(
    parquet_bench: Any, type: pa.DataType, value: int, ids: list[str]
) -> None:
    count = pa.int32() if type == pa.date32() else pa.int64()
    fresh = CheckSpec("freshness", column="t", max_age="1d")
    parquet_bench.parquet({"t": pa.array([value, value - 1], count).cast(type)})
    assert parquet_bench.ids(key=("t",), checks=(fresh,)) == ids
    rows, digest = parquet_bench.content()
    parquet_bench.parquet({"t": pa.array([value, value - 2], count).cast(type)})
    assert rows == 2
    assert parquet_bench.content() != (rows, digest)


@pytest.mark.parametrize(
    "values",
    [
        ["a", "a "],
        ["\u00e9", "e\u0301"],
        ["a", "A"],
        ["a\0b", "a\0c"],
        [b"\xff", b"\\xFF"],
        [["a, b"], ["a", "b"]],
        [{"a": "x, b: y", "b": None}, {"a": "x", "b": "y"}],
        pa.array([1, 2], pa.time64("ns")),
        pa.array([1, 2], pa.duration("ns")),
    ],
)
def test_values_that_look_alike_are_two(parquet_bench: Any, values: Any) -> None:
    parquet_bench.parquet({"x": values})
    assert parquet_bench.ids(key=("x",)) == []
    both = parquet_bench.content()
    parquet_bench.parquet({"x": [values[0], values[0]] if isinstance(values, list) else values.take(pa.array([0, 0]))})
    assert parquet_bench.ids(key=("x",)) == ["check-unique"]
    assert parquet_bench.content() != both
