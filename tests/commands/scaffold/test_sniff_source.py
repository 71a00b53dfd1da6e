"""`init --from` finds how a table is written, and writes a source that reads it."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from mlops_ci.commands import scaffold
from mlops_ci.core.errors import Findings, UsageProblem
from mlops_ci.data.content_digest import content_digests
from mlops_ci.data.engines.duckdb import open_table
from mlops_ci.data.sources.table import open_source
from mlops_ci.spec.load import load_specs
from mlops_ci.spec.spec_types import DatasetSpec, SourceSpec

CHANCE = random.Random(3)  # noqa: S311  test data, no secrets
FRAME = pd.DataFrame(
    {
        "Größe": [CHANCE.uniform(-5, 9999) for _ in range(150)],
        "count": [CHANCE.randrange(1000, 9_999_999) for _ in range(150)],
        "town": [CHANCE.choice(["Köln", "Sao Paulo"]) for _ in range(150)],
        "y": [CHANCE.choice(["yes", "no"]) for _ in range(150)],
    }
)
PLAIN = FRAME.to_csv(index=False)


def inferred(root: Path, table: Path, target: str = "y") -> DatasetSpec:
    for path, content in scaffold.specs_from_table(table, table.name, target).files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    specs, diagnostics = load_specs(root)
    assert specs is not None, diagnostics
    (dataset,) = specs.datasets.values()
    return dataset.spec


def digest(root: Path, spec: DatasetSpec) -> Any:
    with open_table(root, open_source(spec.source).resolve(root), spec) as table:
        assert table.type_mismatches == {}
        return content_digests(table.connection, "cells", table.types)


def german(value: Any, group: str = ".") -> str:
    whole, _, rest = f"{value:,.6f}".partition(".") if isinstance(value, float) else (f"{value:,}", "", "")
    return whole.replace(",", group) + (f",{rest}" if rest else "")


def styled(number: Callable[[Any], Any]) -> pd.DataFrame:
    return FRAME.assign(**{name: FRAME[name].map(number) for name in ("Größe", "count")})


def utf8(text: str) -> bytes:
    return text.encode()


def lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


ROUNDED = FRAME.assign(Größe=FRAME["Größe"].round(6))
FILES: dict[str, tuple[str, bytes, dict[str, Any]]] = {
    "gzip": ("t.csv.gz", gzip.compress(utf8(PLAIN)), {}),
    "zstd": ("t.csv.zst", pa.compress(utf8(PLAIN), "zstd", asbytes=True), {}),
    "gzip without an ending": ("t.csv", gzip.compress(utf8(PLAIN)), {"compression": "gz"}),
    "Windows": ("t.csv", PLAIN.replace("\n", "\r\n").encode("utf-8-sig"), {}),
    "old Mac": ("t.csv", utf8(PLAIN.replace("\n", "\r")), {}),
    "utf-16": ("t.csv", PLAIN.encode("utf-16"), {"encoding": "utf-16"}),
    "utf-16 without a mark": ("t.csv", PLAIN.encode("utf-16-le"), {"encoding": "utf-16-le"}),
    "cp1252": ("t.csv", PLAIN.encode("cp1252"), {"encoding": "cp1252"}),
    "semicolons": ("t.csv", utf8(FRAME.to_csv(index=False, sep=";")), {"delimiter": ";"}),
    "tabs": ("t.txt", utf8(FRAME.to_csv(index=False, sep="\t")), {"delimiter": "\t"}),
    "decimal commas": ("t.csv", utf8(FRAME.to_csv(index=False, sep=";", decimal=",")), {"delimiter": ";", "decimal": ","}),
    "decimal commas in quotes": ("t.csv", utf8(FRAME.to_csv(index=False, decimal=",")), {"decimal": ","}),
    "German": ("t.csv", utf8(styled(german).to_csv(index=False, sep=";")), {"delimiter": ";", "decimal": ",", "thousands": "."}),
    "French": (
        "t.csv", utf8(styled(lambda value: german(value, "\u202f")).to_csv(index=False, sep=";")),
        {"delimiter": ";", "decimal": ",", "thousands": "\u202f"},
    ),
    "thousands": ("t.csv", utf8(styled(lambda value: f"{value:,}").to_csv(index=False)), {"thousands": ","}),
    "money and percent": (
        "t.csv", utf8(FRAME.assign(Größe=FRAME["Größe"].map(lambda v: f"{v!r}%"), count=FRAME["count"].map(lambda v: f"${v:,}")).to_csv(index=False)),
        {"thousands": ",", "units": ("$", "%")},
    ),
    "an index": ("t.csv", utf8(FRAME.to_csv()), {"index": "drop"}),
    "R's write.csv": (
        "t.csv", utf8("".join(f'"{number or ""}",{line}' for number, line in enumerate(lines(PLAIN)))), {"index": "drop"},
    ),
    "R's write.table": (
        "t.csv", utf8("".join(f'"{number}",{line}' if number else line for number, line in enumerate(lines(PLAIN)))), {"index": "drop"},
    ),
    "R's write.table with blanks": (
        "t.txt",
        utf8("".join(f'"{number}" {line}' if number else line for number, line in enumerate(lines(FRAME.to_csv(index=False, sep=" "))))),
        {"delimiter": " ", "index": "drop"},
    ),
    "no header": (
        "t.data", utf8("".join(lines(PLAIN)[1:])), {"header": ("column1", "column2", "column3", "column4")},
    ),
    "lines above": ("t.csv", utf8("Export of 2026-01-01\n\nSource: the shop\n" + PLAIN), {"skip_rows": 3}),
    "spaces": ("t.csv", utf8(PLAIN.replace(",", ", ")), {"trim": True}),
    "JSON Lines": ("t.jsonl", utf8(FRAME.to_json(orient="records", lines=True, double_precision=15)), {"type": "jsonl"}),
}  # fmt: skip


@pytest.mark.parametrize("form", FILES)
def test_how_a_table_is_written_is_found(form: str, tmp_path: Path) -> None:
    name, content, options = FILES[form]
    (tmp_path / name).write_bytes(content)
    (tmp_path / "plain.csv").write_text(
        (ROUNDED if form in ("German", "French") else FRAME).to_csv(index=False), encoding="utf-8"
    )

    spec = inferred(tmp_path, tmp_path / name, "column4" if form == "no header" else "y")

    assert spec.source == SourceSpec(**{"type": "csv", "path": name, **options})
    if form not in ("no header", "JSON Lines"):
        assert digest(tmp_path, spec) == digest(tmp_path, DatasetSpec(SourceSpec("csv", "plain.csv")))


@pytest.mark.parametrize("word", ["NA", "N/A", "null", "-", "?", "none", "NaN", "missing", "."])
def test_words_for_missing_values_are_found(word: str, tmp_path: Path) -> None:
    values = [word if row % 10 == 0 else value for row, value in enumerate(FRAME["Größe"])]
    (tmp_path / "t.csv").write_text(FRAME.assign(a=values).to_csv(index=False), encoding="utf-8")
    spec = inferred(tmp_path, tmp_path / "t.csv")
    assert spec.columns["a"].type == "number"
    assert isinstance(spec.source, SourceSpec)
    assert spec.source.null_words == (() if word == "NaN" else (word,))


def test_a_word_of_texts_stays_a_value(tmp_path: Path) -> None:
    """Given NA among codes of countries, and none and - as categories, then none is a missing value."""
    codes = [f"{first}{second}" for first in "ABCDEFN" for second in "ABCDEFG"]
    frame = FRAME.assign(code=[codes[row % len(codes)] for row in range(150)], kind=["none", "-", "some"] * 50)
    (tmp_path / "t.csv").write_text(frame.to_csv(index=False), encoding="utf-8")
    assert inferred(tmp_path, tmp_path / "t.csv").source == SourceSpec("csv", "t.csv")


@pytest.mark.parametrize(
    ("days", "declared"),
    [
        (["25/12/2025", "03/04/2025"], ("date", "%d/%m/%Y")),
        (["12/25/2025", "03/04/2025"], ("date", "%m/%d/%Y")),
        (["11/12/2025", "03/04/2025"], ("string", None)),
        (["25.12.2025 10:00", "03.04.2025 23:59"], ("timestamp", "%d.%m.%Y %H:%M")),
        (["2025-12-25", "2025-04-03"], ("date", None)),
        (["soon", "later"], ("string", None)),
    ],
)
def test_the_order_of_a_date_is_written_only_if_the_values_decide(
    days: list[str], declared: Any, tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text(FRAME.assign(day=days * 75).to_csv(index=False), encoding="utf-8")
    column = inferred(tmp_path, tmp_path / "t.csv").columns["day"]
    assert (column.type, column.format) == declared
    text = (tmp_path / "specs/t.dataset.yaml").read_text(encoding="utf-8")
    doubt = "# would be dates with the right format: '%d/%m/%Y' or '%m/%d/%Y'"
    assert (doubt in text) == (days[0] == "11/12/2025")


@pytest.mark.parametrize(
    ("name", "help"),
    [
        ("t.xlsx", "save the sheet as CSV"),
        ("t.json", "to_json(orient='records', lines=True)"),
        ("t.zip", "unpack it"),
        ("t.pkl", "write the table as parquet"),
        ("t.csv.bz2", "gzip"),
        ("t", "ends in .csv"),
    ],
)
def test_another_type_is_refused_with_what_to_do(name: str, help: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(UsageProblem) as caught:
        scaffold.specs_from_table(tmp_path / name, name, "y")
    assert caught.value.diagnostics[0].id == "init-table-type"
    assert help in str(caught.value.diagnostics[0].help)


def test_a_table_that_cannot_be_read_says_which_rows(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(PLAIN + "1,2\n" * 3, encoding="utf-8")
    with pytest.raises(Findings) as caught:
        scaffold.specs_from_table(tmp_path / "t.csv", "t.csv", "y")
    assert [(one.id, one.location and one.location.line) for one in caught.value.diagnostics] == [
        ("data-ragged-row", line) for line in (152, 153, 154)
    ]


def test_json_lines_of_an_array_say_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text(json.dumps([{"y": 1}]), encoding="utf-8")
    with pytest.raises(Findings) as caught:
        scaffold.specs_from_table(tmp_path / "t.jsonl", "t.jsonl", "y")
    assert caught.value.diagnostics[0].id == "data-json"


@pytest.mark.parametrize("unique", [True, False])
def test_an_index_is_the_key_where_rows_are_equal_without_it(unique: bool, tmp_path: Path) -> None:
    """Given a table of R with few different rows, then its row names identify them; they are left out if they do not."""
    frame = pd.DataFrame({"a": ["x", "y"] * 100, "y": [0, 1, 1, 1] * 50})
    frame.index = pd.Index([f"row {number}" if unique else f"row {number % 9}" for number in range(200)])
    (tmp_path / "t.csv").write_text(frame.to_csv(), encoding="utf-8")
    spec = inferred(tmp_path, tmp_path / "t.csv")
    if unique:
        assert spec.source == SourceSpec("csv", "t.csv", header=("row_id", "a", "y"), skip_rows=1)
        assert spec.key == ("row_id",)
    else:
        assert (spec.source, spec.key) == (SourceSpec("csv", "t.csv", index="drop"), ())
