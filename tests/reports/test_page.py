"""A report on a terminal: no line is wider than it, nothing is lost, and colours follow the meaning of words."""

from __future__ import annotations

import ast
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import wcswidth

from mlops_ci.reports.formatting import CodeText, text_table
from mlops_ci.reports.page import display_width, fold_line, lay_out

WIDTHS = st.integers(40, 120)
WORDS = st.text(st.sampled_from("abz09-.:/=[]漢字é🙂"), min_size=1, max_size=100)
LINES = st.lists(WORDS, max_size=12).map(" ".join)
CELLS = st.lists(st.text(st.sampled_from("abz0.漢🙂"), max_size=30), max_size=3).map(" ".join)
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def widest(text: str) -> int:
    return max(map(wcswidth, ANSI.sub("", text).split("\n")))


@given(st.text(st.sampled_from("ab é漢字ñ한🙂…“”·")))
def test_a_text_is_as_wide_as_terminals_show_it(text: str) -> None:
    assert display_width(text) == wcswidth(text)


@given(st.sampled_from(["", "  ", "  data   ", " = help: ", "    "]), LINES, WIDTHS)
def test_a_line_folds_without_losing_a_character(head: str, line: str, width: int) -> None:
    folded = fold_line(head + line, width)
    assert max(map(wcswidth, folded)) <= width
    assert "".join("".join(folded).split()) == "".join((head + line).split())


@given(st.lists(st.text(st.sampled_from("abz.-"), min_size=1, max_size=30), min_size=1, max_size=12), WIDTHS)
def test_a_path_is_cut_between_its_names_only(names: list[str], width: int) -> None:
    path = "/".join(names)
    text = fold_line(f"stored in {path}", width)
    code = lay_out([CodeText(f"f('{path}')")], width).split("\n")
    for folded in (text, [line.strip().strip("f()'") for line in code]):
        assert all(any(name in line for line in folded) for name in names)


@given(st.integers(1, 12), st.data(), st.sampled_from(["", "    "]), WIDTHS, st.booleans())
def test_a_table_folds_without_losing_a_character(
    columns: int, data: st.DataObject, indent: str, width: int, colour: bool
) -> None:
    row = st.lists(CELLS, min_size=columns, max_size=columns)
    header, rows = data.draw(row), data.draw(st.lists(row, min_size=1, max_size=4))
    rows[0] = [cell or "x" for cell in rows[0]]
    shown = lay_out([text_table(header, rows, indent)], width, colour=colour)
    assert widest(shown) <= width
    letters = sorted("".join("".join(header + [cell for one in rows for cell in one]).split()))
    seen = sorted("".join(ANSI.sub("", shown).split()))
    # as a list, the names of columns stand in each row
    assert seen == letters or set(seen) <= set(letters)


@given(st.lists(st.lists(CELLS.map("x".__add__), min_size=5, max_size=5), min_size=1, max_size=4), WIDTHS)
def test_a_list_of_events_has_a_line_for_each(rows: list[list[str]], width: int) -> None:
    table = text_table(("on", "event", "tag", "by", "why"), rows, droppable=("tag",))
    shown = lay_out([table], width)
    assert widest(shown) <= width
    assert len(shown.split("\n")) == len(rows) + 1


@given(st.lists(st.text(st.sampled_from("abc/._-é'"), min_size=1, max_size=90), max_size=5), WIDTHS)
def test_code_stays_the_same_code(texts: list[str], width: int) -> None:
    line = f"print(load({', '.join([*map(repr, texts), 'rows=[1, 2]'])}).iloc[:, :30])"
    shown = lay_out([CodeText(line)], width)
    assert ast.dump(ast.parse(shown)) == ast.dump(ast.parse(line))
    if not any("'" in text for text in texts):
        assert widest(shown) <= width


def test_a_pipe_gets_the_lines_as_they_are() -> None:
    table = text_table(("name", "verdict"), [("x" * 100, "pass")])
    assert lay_out(["word " * 40, table]) == f"{'word ' * 40}\n{table}"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("demo: pass", "demo: \x1b[32mpass\x1b[0m"),
        ("gate: fail (1 model fitted)", "gate: \x1b[31mfail\x1b[0m (1 model fitted)"),
        ("error[data-empty]: no rows", "\x1b[31merror[data-empty]\x1b[0m: no rows"),
        ("warning[data-empty]: no rows", "\x1b[33mwarning[data-empty]\x1b[0m: no rows"),
        (" = help: write it", " = \x1b[36mhelp:\x1b[0m write it"),
        ("next: mlops-ci gate", "\x1b[36mnext:\x1b[0m mlops-ci gate"),
        ("a sentence that may fail", "a sentence that may fail"),
    ],
)
def test_words_have_the_colour_of_their_meaning(line: str, shown: str) -> None:
    assert lay_out([line], 80, colour=True) == shown
    assert lay_out([line], 80) == line


def test_cells_of_a_table_have_colours_and_its_header_is_quiet() -> None:
    table = text_table(("metric", "verdict"), [("auc", "fail"), ("fail rate", "pass")])
    assert lay_out([table], 80, colour=True).split("\n") == [
        "\x1b[2mmetric     verdict\x1b[0m",
        "auc        \x1b[31mfail\x1b[0m",
        "fail rate  \x1b[32mpass\x1b[0m",
    ]


def test_a_text_cannot_bring_colours_of_its_own() -> None:
    table = text_table(("a",), [("\x1b[31mred",)])
    assert "\x1b" not in lay_out([table, "\x1b[31mred", CodeText("\x1b[31m")], 80)
