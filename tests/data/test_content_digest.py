from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops_ci.data import content_digest
from mlops_ci.spec.spec_types import ColumnSpec, SourceSpec

COLUMNS = {"i": ColumnSpec("integer"), "f": ColumnSpec("number"), "s": ColumnSpec("string"), "b": ColumnSpec("boolean"),
           "d": ColumnSpec("date"), "t": ColumnSpec("timestamp")}  # fmt: skip
Row = tuple[Any, ...]
text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)
rows = st.lists(
    st.tuples(
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.floats(allow_nan=False, allow_infinity=False),
        st.none() | text,
        st.none() | st.booleans(),
        st.none() | st.dates(),
        st.none() | st.datetimes(),
    ),
    min_size=1,
    max_size=20,
)
few = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def as_csv(table: list[Row], names: list[str]) -> str:
    lines = [",".join(names)]
    for row in table:
        cells = dict(zip(COLUMNS, row, strict=True))
        lines.append(",".join(_cell(cells[name]) for name in names))
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return '"' + value.replace('"', '""') + '"'
    return "" if value is None else str(value)


def as_parquet(bench: Any, table: list[Row], names: list[str], path: str) -> None:
    import pyarrow as pa

    types = {"i": pa.int64(), "f": pa.float64(), "s": pa.string(), "b": pa.bool_(), "d": pa.date32(),
             "t": pa.timestamp("us")}  # fmt: skip
    cells = dict(zip(COLUMNS, zip(*table, strict=True), strict=True))
    bench.parquet({name: pa.array(cells[name], types[name]) for name in names}, path)


def digests(bench: Any, source: SourceSpec) -> tuple[int, str]:
    found: tuple[int, str] = bench.content(source=source, columns=COLUMNS)
    return found


@few
@given(table=rows, random=st.randoms(use_true_random=False), cut=st.integers(0, 20))
def test_the_digest_is_of_the_content(
    table: list[Row], random: Random, cut: int, tmp_path_factory: Any, benches: Any
) -> None:
    bench = benches(tmp_path_factory.mktemp("digest").name)
    names = list(COLUMNS)
    shuffled, moved = list(table), list(names)
    random.shuffle(shuffled)
    random.shuffle(moved)
    bench.csv(as_csv(table, names), "one.csv")
    for index, part in enumerate(part for part in (shuffled[:cut], shuffled[cut:]) if part):
        bench.csv(as_csv(part, moved), f"csv/{index}.csv")
        as_parquet(bench, part, moved, f"parquet/{index}.parquet")
    wanted = digests(bench, SourceSpec("csv", "one.csv"))
    assert digests(bench, SourceSpec("csv", "csv/*.csv")) == wanted
    assert digests(bench, SourceSpec("parquet", "parquet/*.parquet")) == wanted
    bench.csv(as_csv([*table, table[0]], names), "twice.csv")
    assert digests(bench, SourceSpec("csv", "twice.csv"))[1] != wanted[1]


@pytest.mark.parametrize(
    "other",
    [
        'a,b\n1,"x"\n2,y\n2,y\n',
        "a,b\n1,x\n3,y\n",
        'a,b\n1,x\n2,""\n',
        "a,b\n1,x\n2,\n",
        "a,b\n1,y\n2,x\n",
        "a,c\n1,x\n2,y\n",
        "b,a\n1,x\n2,y\n",
        "a,b\n1.0,x\n2,y\n",
        "a,b\n1,x\n2,y \n",
    ],
)
def test_the_digest_changes_with_any_cell(bench: Any, other: str) -> None:
    bench.csv("a,b\n1,x\n2,y\n")
    before = bench.content()
    bench.csv(other)
    assert bench.content() != before


def test_a_number_and_its_text_differ_and_values_do_not_run_together(bench: Any) -> None:
    bench.csv("a,b\n1,2\n")
    assert bench.content() != bench.content(columns={"a": ColumnSpec("string")})
    bench.csv("a,b\nxs1:y,z\n")
    before = bench.content()
    bench.csv("a,b\nx,s1:yz\n")
    assert bench.content() != before


def test_the_order_of_many_rows_does_not_matter(bench: Any) -> None:
    lines = [f"{index},{index % 7}\n" for index in range(3000)]
    bench.csv("id,x\n" + "".join(lines))
    before = bench.content()
    bench.csv("id,x\n" + "".join(reversed(lines)))
    assert bench.content() == before


def test_the_digest_is_the_same_in_one_pass_and_in_many(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.csv("id,x\n" + "".join(f"{index},{index % 7}\n" for index in range(500)))
    before = bench.content()
    monkeypatch.setattr(content_digest, "ROWS_PER_DIGEST_PASS", 100)
    assert bench.content() == before


def test_the_digest_of_a_known_table_is_known(bench: Any) -> None:
    import hashlib

    bench.csv('id,name\n1,"é"\n2,\n')
    lines = sorted(hashlib.sha256(line.encode()).hexdigest() for line in ("i1:1s2:é", "i1:2n"))
    state = hashlib.sha256(b'["id","name"]')
    for line in lines:
        state.update(f"{line[:2]}1:{hashlib.sha256(line.encode()).hexdigest()}".encode())
    assert bench.content() == (2, state.hexdigest())
