"""Tables, figures and lines of a log."""

from __future__ import annotations

import pytest
from hypothesis import given

from mlops_ci.reports.formatting import (
    escape_log_line,
    escape_log_lines,
    format_count,
    format_difference,
    format_interval,
    format_number,
    text_table,
)
from tests.support.hostile import ANY


def test_columns_are_aligned_and_an_empty_one_is_left_out() -> None:
    rows = [("auc", "", "0.760"), ("log-loss", "", "1.2")]
    assert (
        text_table(("metric", "unit", "value"), rows, indent="  ")
        == "  metric    value\n  auc       0.760\n  log-loss  1.2"
    )


def test_a_control_character_in_a_cell_does_not_break_its_row() -> None:
    assert len(text_table(("name",), [("a\nb",)]).splitlines()) == 2


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (0.1, "0.100"), (0.76, "0.760"), (9.9999, "10.000"), (10, "10"), (0.09999, "0.09999"), (-0.5, "-0.500"), (12345.6, "1.235e+04")],
)  # fmt: skip
def test_numbers_have_four_significant_figures_at_most(value: float | None, text: str) -> None:
    assert format_number(value) == text


def test_differences_have_a_sign_and_intervals_two_ends() -> None:
    assert (format_difference(0.074), format_difference(-0.074), format_difference(None)) == ("+0.0740", "-0.0740", "")
    assert format_interval(0.75, 0.77) == "[0.750, 0.770]"
    assert format_interval(None, 0.77) == format_interval(0.75, None) == ""


def test_one_thing_is_no_plural() -> None:
    assert [format_count(count, "row") for count in (0, 1, 2, 1200)] == ["0 rows", "1 row", "2 rows", "1,200 rows"]


def test_a_line_that_a_runner_would_obey_is_no_command() -> None:
    assert escape_log_line("  ::error::x") == "|   ::error::x"
    assert escape_log_line("a ##[group]") == "a ## [group]"
    assert escape_log_line("a::b") == "a::b"


@given(ANY)
def test_nothing_in_a_log_is_a_command(text: str) -> None:
    for shown in escape_log_lines(text).split("\n"):
        assert shown.isprintable()
        assert not shown.lstrip().startswith("::")
        assert "##[" not in shown
