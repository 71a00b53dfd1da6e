"""A column of text that would be numbers or dates is told, with its words and the line to write; text is no time."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_ci.core.errors import Findings
from mlops_ci.core.time_formats import format_problem, time_format_pattern
from mlops_ci.data.text_obstacles import NULL_WORDS, TIME_FORMATS
from mlops_ci.spec.spec_types import CheckSpec, ColumnSpec, SourceSpec, SplitSpec


def warning(bench: Any, values: list[str], **spec: Any) -> Any:
    """The finding about the column of these values, which are written as they are."""
    bench.csv("a;b\n" + "".join(f"{value};x\n" for value in values))
    found = [
        one
        for one in bench.snapshot(source=SourceSpec("csv", "data/rows.csv", ";"), **spec)[1]
        if one.id == "data-words"
    ]
    assert len(found) <= 1
    assert all(one.severity == "warning" and one.location.path == "spec/source" for one in found)
    return found[0] if found else None


NUMBERS = ["1", "2.5", "-3", "1e5"] * 3


@pytest.mark.parametrize("word", [word for word in NULL_WORDS if word not in ("NaN", "nan")])
def test_a_word_for_a_missing_value_is_named_with_the_line_to_write(bench: Any, word: str) -> None:
    found = warning(bench, [*NUMBERS, word, word])
    assert found.message == f"column 'a' is text: it would be numbers but for 2 values: '{word}' (2)"
    assert found.help.startswith("write `nulls: [")
    assert "`columns: {a: {type: string}}`" in found.help


@pytest.mark.parametrize(
    ("values", "message", "help"),
    [
        ([*NUMBERS, "closed", "NA"], "numbers but for 2 values: 'NA' (1), 'closed' (1)", "nulls: [NA, closed]"),
        (["1", *["NA"] * 9], "numbers but for 9 values: 'NA' (9)", "nulls: [NA]"),
        (["2026-01-31", "2026-02-01 10:00", "-"], "dates but for 1 value: '-' (1)", "nulls: ['-']"),
        (["1,5", "22,25", "3"], "numbers but for how they are written, such as '1,5'", 'decimal: ","'),
        (["1.234,5", "2,25", "NA"], "numbers but for how they are written, such as '1.234,5' and 1 value: 'NA' (1)", "thousands: ."),
        (["1,234,567", "2"], "numbers but for how they are written, such as '1,234,567'", "thousands: ','"),
        (["1,234", "2,500"], "numbers but for how they are written, such as '1,234'", "write the right one of"),
        (["12%", "5 %", "-3%"], "numbers but for how they are written, such as '-3%'", "units: ['%']"),
        (["$1,200.50", "$3"], "numbers but for how they are written, such as '$1,200.50'", "thousands: ','"),
    ],
)  # fmt: skip
def test_what_keeps_a_column_from_being_numbers(bench: Any, values: list[str], message: str, help: str) -> None:
    found = warning(bench, values)
    assert found.message == f"column 'a' is text: it would be {message}"
    assert help.replace('"', "'") in found.help.replace('"', "'")


@pytest.mark.parametrize(
    "values",
    [
        ["red", "green", "NA"],
        ["007", "012", "NA"],
        ["1", "2", "A", "B", "C"],
        ["A1", "B2", "C3"],
        ["10115", "1A", "12345"],
        ["NA", "?"],
        ["1", "2"],
        [f"w{index}" for index in range(20)] + ["1"] * 30,
        ["192.168.0.1", "10.0.0.1"],
        ["+49 30 1234", "+49 40 555"],
        [""],
    ],
)
def test_words_and_codes_are_text_without_a_word(bench: Any, values: list[str]) -> None:
    assert warning(bench, values) is None


def test_a_source_with_a_unit_of_its_own_is_judged_as_any_other(bench: Any) -> None:
    """`kg` is none of the units that are tried without being named."""
    bench.csv("a;b\n1.000,5 kg;n1\n2,5 kg;n2\n")
    source = SourceSpec("csv", "data/rows.csv", ";", decimal=",", units=("kg",))
    (found,) = (one for one in bench.snapshot(source=source)[1] if one.id == "data-words")
    assert found.message.startswith("column 'a' is text: it would be numbers but for how they are written")
    assert found.help.startswith("write `source: {..., thousands: .}`; if it is text")


@pytest.mark.parametrize("unit", ["€(net)", "€+", "[kr]", "₹.", "$"])
def test_a_unit_is_read_letter_by_letter(bench: Any, unit: str) -> None:
    bench.csv(f"a\n1.5 {unit}\n{unit}2\n")
    source = SourceSpec("csv", "data/rows.csv", units=(unit,))
    assert bench.snapshot(source=source)[0].columns[0].type == "number"


def test_a_declared_text_is_not_told_and_private_words_are_not_shown(bench: Any) -> None:
    assert warning(bench, [*NUMBERS, "NA"], columns={"a": ColumnSpec("string")}) is None
    found = warning(bench, [*NUMBERS, "secret"], columns={"a": ColumnSpec(tags=("pii",))})
    assert "secret" not in found.message + found.help


def test_a_declared_number_with_words_says_which_line_to_write(bench: Any) -> None:
    bench.csv("a\n1\n2\nNA\n")
    (found,) = bench.snapshot(columns={"a": ColumnSpec("number")})[1]
    assert (found.id, found.help) == (
        "data-type", "1 value is not of type number, such as 'NA'; write `nulls: [NA]` in the source, if they are missing values",
    )  # fmt: skip


BOTH = (
    "its values fit several formats; write the right one: `columns: {when: {format: '%d/%m/%Y'}}` (day first), or "
    "`columns: {when: {format: '%m/%d/%Y'}}` (month first)"
)
AMBIGUOUS, DAY_FIRST = "id,when\n1,03/04/2025\n2,05/06/2025\n", "id,when\n1,03/04/2025\n2,25/06/2025\n"


@pytest.mark.parametrize(
    ("text", "help"),
    [
        (DAY_FIRST, "write its format: `columns: {when: {format: '%d/%m/%Y'}}` (day first)"),
        (AMBIGUOUS, BOTH),
        ("id,when\n1,soon\n2,later\n", "write how its times are written: `columns: {when: {format: '%d/%m/%Y'}}`, or name another column"),
    ],
)  # fmt: skip
def test_text_is_no_time(bench: Any, text: str, help: str) -> None:
    bench.csv(text)
    (found,) = bench.snapshot(time="when")[1]
    assert (found.id, found.severity, found.location.path, found.help) == ("data-time-text", "error", "spec/time", help)
    (found,) = bench.snapshot(checks=(CheckSpec("freshness", column="when", max_age="1d"),))[1]
    assert (found.id, found.help) == ("check-not-applicable", help)


def test_a_split_by_time_of_text_is_refused_and_a_format_makes_it_one(bench: Any) -> None:
    from mlops_ci.data.split import SplitSource, split_dataset

    bench.csv(DAY_FIRST)

    def cutoff(**columns: ColumnSpec) -> Any:
        dataset = bench.dataset(time="when", split=SplitSpec("time", 0.5), columns=columns)
        files = bench.snapshot()[0].files
        return split_dataset(SplitSource(bench.root, dataset, files), (), "id", None).split.cutoff

    with pytest.raises(Findings) as caught:
        cutoff()
    assert [found.id for found in caught.value.diagnostics] == ["data-time-text"]
    assert cutoff(when=ColumnSpec(format="%d/%m/%Y")) == "2025-06-25"


@pytest.mark.parametrize("source", ["csv", "parquet"])
def test_a_format_reads_dates_exactly_or_tells_what_it_cannot_read(bench: Any, source: str) -> None:
    values = ["3/4/2025", "03/04/25", "31/02/2025", "25/12/2025"]
    bench.csv("when\n" + "\n".join(values) + "\n") if source == "csv" else bench.parquet({"when": values})
    spec = SourceSpec("csv", "data/rows.csv") if source == "csv" else SourceSpec("parquet", "data/rows.parquet")
    (found,) = bench.snapshot(source=spec, columns={"when": ColumnSpec(format="%d/%m/%Y")})[1]
    assert (found.id, found.location.path) == ("data-type", "spec/columns/when/format")
    assert found.help == "2 values are not of type date, such as '03/04/25'; correct the data, or the format '%d/%m/%Y'"


SPAN = (datetime(1970, 1, 1), datetime(2068, 12, 31))  # noqa: DTZ001 - times as files have them, without a zone


@given(st.datetimes(*SPAN), st.sampled_from(TIME_FORMATS))
def test_each_known_format_reads_what_it_writes(moment: datetime, format: str) -> None:
    assert format_problem(format) is None
    assert re.fullmatch(time_format_pattern(format), moment.strftime(format))


def test_the_words_of_a_format_are_read_letter_by_letter(bench: Any) -> None:
    bench.csv("d\n2026年1月(31)\n2026年2月(1)\n")
    columns = {"d": ColumnSpec(format="%Y年%m月(%d)")}
    assert bench.snapshot(columns=columns)[0].columns[0].type == "date"


def test_a_format_reads_text_of_parquet(bench: Any) -> None:
    bench.parquet({"when": ["3/4/2025", None, "25/12/2025"]})
    source = SourceSpec("parquet", "data/rows.parquet")
    record, found = bench.snapshot(source=source, time="when", columns={"when": ColumnSpec(format="%d/%m/%Y")})
    assert ([(one.type, one.nulls, one.minimum) for one in record.columns], found) == ([("date", 1, "2025-04-03")], ())


@pytest.mark.parametrize(
    "values",
    [
        ["+1.5", "-2", "+3"],
        ["\u22121", "2", "3"],
        ["(5)", "7", "8.5"],
        ["5-", "7", "8.5"],
        ["<0.5", "1.5", "2.5", "NA"],
        ["1.2.3", "1.5", "2.5"],
        ["1.5", "3/4", "2"],
    ],
)
def test_numbers_that_no_option_reads_are_told(bench: Any, values: list[str]) -> None:
    found = warning(bench, values)
    odd = min(value for value in values if not re.fullmatch(r"-?[0-9.]+[0-9]|[0-9]|NA", value) or value.count(".") > 1)
    assert found.message == f"column 'a' is text: it would be numbers but for how they are written, such as '{odd}'"
    assert found.help.startswith("write each value in the file as a plain number")


@pytest.mark.parametrize(
    "values", [["4711", "0815", "4712"], ["1", "2", "3", "5A"], ["1-2", "3-4"], ["10:30", "11:45"]]
)
def test_codes_ranges_and_clocks_are_no_odd_numbers(bench: Any, values: list[str]) -> None:
    assert warning(bench, values) is None


def test_blanks_beside_numbers_are_told_with_the_option(bench: Any) -> None:
    assert warning(bench, [" 1.5", "2 ", "3", " NA"]).help.startswith("write `source: {..., trim: true}`")


def test_a_column_in_another_style_than_its_source_says_is_told(bench: Any) -> None:
    bench.csv("a;b\n1.5;1,5\n2.5;2,5\n")
    _, (found,) = bench.snapshot(source=SourceSpec("csv", "data/rows.csv", ";", ","))
    assert found.message == "column 'a' is text: it would be numbers but for how they are written, such as '1.5'"
    assert "source: {" not in found.help  # an option would break the other column


STORED = [
    (["1.5", "2", None], "numbers but for being stored as text, such as '1.5'", "write the column as numbers in the file"),
    (["1.5", "NA", "2"], "numbers but for 1 value: 'NA' (1)", "write "),
    (["1,5", "2,5"], "numbers but for how they are written, such as '1,5'", "write the column as numbers in the file"),
]  # fmt: skip


@pytest.mark.parametrize("type", ["parquet", "jsonl"])
@pytest.mark.parametrize(("values", "message", "help"), STORED)
def test_numbers_that_a_file_stores_as_text_are_told(
    bench: Any, type: Any, values: list[str | None], message: str, help: str
) -> None:
    if type == "parquet":
        bench.parquet({"a": values})
    else:
        bench.csv("".join(json.dumps({"a": value}) + "\n" for value in values), "data/rows.jsonl")
    _, (found,) = bench.snapshot(source=SourceSpec(type, f"data/rows.{type}"))
    assert found.message == f"column 'a' is text: it would be {message}"
    assert found.help.startswith(help)
    assert "decimal" not in found.help  # an option of CSV


@pytest.mark.parametrize("format", ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"])
def test_dates_that_parquet_stores_as_text_are_told_with_their_format(bench: Any, format: str) -> None:
    bench.parquet({"a": [datetime(2026, 1, day).strftime(format) for day in (1, 2)]})  # noqa: DTZ001 - as files have them
    source = SourceSpec("parquet", "data/rows.parquet")
    _, (found,) = bench.snapshot(source=source)
    assert f"{{format: '{format}'}}" in found.help
    record, found = bench.snapshot(source=source, time="a", columns={"a": ColumnSpec(format=format)})
    assert (record.columns[0].type in ("date", "timestamp"), found) == (True, ())


@pytest.mark.parametrize("values", [["1", "2"], ["10115", "20095"], ["anna 1", "bob 2"], ["A1", "B2"], ["10.0.0.1"]])
def test_text_that_parquet_stores_as_text_is_text(bench: Any, values: list[str]) -> None:
    bench.parquet({"a": values})
    assert bench.snapshot(source=SourceSpec("parquet", "data/rows.parquet"))[1] == ()


def test_the_word_infinity_is_no_date(bench: Any) -> None:
    found = warning(bench, ["2026-01-30", "2026-01-31", "infinity", "-infinity"])
    assert found.message == "column 'a' is text: it would be dates but for 2 values: '-infinity' (1), 'infinity' (1)"
    (stale,) = bench.snapshot(
        source=SourceSpec("csv", "data/rows.csv", ";", nulls=("infinity", "-infinity")),
        checks=(CheckSpec("freshness", column="a", max_age="1d"),),
    )[1]
    assert (stale.id, "newest is 2026-01-31" in stale.message) == ("check-freshness", True)
