"""A dataset with a column tagged `pii`: what findings and caches have of it when its files or its dates are wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlops_ci.core.errors import Findings
from mlops_ci.spec.source_types import SourceSpec
from mlops_ci.spec.spec_types import CheckSpec, ColumnSpec

PERSONAL = {"mail": ColumnSpec("string", tags=("pii",)), "age": ColumnSpec("integer")}
OPEN = {"mail": ColumnSpec("string"), "age": ColumnSpec("integer")}
ANN = "ann@example.org"


def texts(bench: Any, **spec: Any) -> list[tuple[str, str]]:
    """The ids and the messages of what a snapshot finds or raises."""
    try:
        found = bench.snapshot(**spec)[1]
    except Findings as error:
        found = error.diagnostics
    return [(one.id, f"{one.message} {one.help}") for one in found]


@pytest.mark.parametrize(
    ("table", "source", "id"),
    [
        (f"{ANN},31\nben@example.org,32\n", {}, "data-header"),
        (f"{ANN},{ANN}\nmail,age\n", {}, "data-header"),
        (f"{ANN};31\nben@example.org;32\n", {}, "data-delimiter"),
        (f"{ANN},31\nben@example.org,32\n", {"index": "drop"}, "data-header"),
    ],
    ids=["no header", "equal fields", "delimiter", "index"],
)
def test_the_first_row_of_a_table_without_a_header_is_not_shown(
    bench: Any, table: str, source: dict[str, Any], id: str
) -> None:
    bench.csv(table)
    of = SourceSpec("csv", "data/*.csv", **source)
    (found,) = texts(bench, source=of, columns=PERSONAL)
    assert (found[0], ANN in found[1]) == (id, False)
    assert any(ANN in text for _, text in texts(bench, source=of, columns=OPEN)), "without a tag, it helps to see it"


def test_names_that_the_spec_has_are_shown(bench: Any) -> None:
    bench.csv("mail,mail,age\na,b,1\n")
    ((id, text),) = texts(bench, columns=PERSONAL)
    assert (id, text) == ("data-header", "2 columns are named 'mail' rename one of them")


def test_a_key_of_one_object_is_shown_only_if_the_spec_has_it(bench: Any) -> None:
    source = SourceSpec("jsonl", "data/*.jsonl")
    bench.csv(f'{{"mail": "x", "age": 1}}\n{{"{ANN}": 1, "{ANN}": 2}}\n{{"age": 1, "age": 2}}\n', "data/rows.jsonl")
    shown = [text.removesuffix(" None") for _, text in texts(bench, source=source, columns=PERSONAL)]
    assert [text.partition(" twice")[0] for text in shown] == ["the field '***' occurs", "the field 'age' occurs"]
    assert ANN in texts(bench, source=source, columns=OPEN)[0][1]


@pytest.mark.parametrize(
    ("max_age", "observed"), [("9d", "newest is ***, too old"), ("99d", "newest is ***, not too old")]
)
def test_the_newest_personal_date_is_neither_shown_nor_cached(
    bench: Any, tmp_path: Path, max_age: str, observed: str
) -> None:
    cached_bench = replace(bench, cache=tmp_path / "cache")
    cached_bench.csv("born\n2026-02-03\n2026-02-01\n")
    checks = (CheckSpec("freshness", column="born", max_age=max_age),)
    for tags in (("pii",), ()):
        record, found = cached_bench.snapshot(columns={"born": ColumnSpec("date", tags=tags)}, checks=checks)
        result = next(check for check in record.checks if check.check == "freshness")
        cached = "".join(path.read_text() for path in (tmp_path / "cache").rglob("*.json"))
        assert ("2026-02-03" in repr((record, found)) + cached) == (not tags)
        assert (result.observed == observed) == bool(tags)
