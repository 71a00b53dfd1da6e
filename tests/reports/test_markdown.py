"""Markdown: readable as it stands in git, and as GitHub renders it no more than text, whatever names hold."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from mlops_ci.core.diagnostics import replace_control_characters
from mlops_ci.core.records.comparison import MetricValue
from mlops_ci.core.results.gate import GatedModel, GateReport
from mlops_ci.integrations.github.runner_files import SUMMARY_LIMIT
from mlops_ci.reports import escaping
from mlops_ci.reports.markdown import render_markdown
from tests.support.report_samples import check, comparison, judged, snapshot

GITHUB = MarkdownIt("commonmark").enable(["table", "strikethrough"])
LEFT_TO_GITHUB = re.compile(r"@\w|#\d|GH-\d|\w://|www\.\w|\$|::", re.IGNORECASE)


def shown(source: str) -> tuple[str, str, set[str]]:
    """What a reader sees of one paragraph or cell: all text, the text outside code, and the kinds of markup in it."""
    rendered = GITHUB.render(source)
    kinds = set(re.findall(r"<(\w+)", rendered)) - {"p", "code", "table", "thead", "tbody", "tr", "th", "td"}
    outside = re.sub(r"<code>.*?</code>", "", rendered, flags=re.DOTALL)
    return _text(rendered), _text(outside), kinds


def _text(rendered: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", rendered)).strip("\n")


HOSTILE = [
    "a|b",
    "x|\\",
    "a\\|b",
    "a\n\n# heading",
    "<img src=x onerror=alert(1)>",
    "<!-- ",
    "[click](https://evil.example)",
    "[0](javascript:x)",
    "![0](x)",
    "[x]: https://evil.example",
    "[0][0]",
    "`code`",
    "``",
    "@everyone",
    "x`@everyone",
    "@a|@b",
    "a\\`@b",
    "fixes #1",
    "org/repo#12.",
    "GH-1",
    "https://evil.example/`x",
    "www.evil.example",
    "$x$",
    "$`x`$",
    "**bold** _em_ __strong__ ~~gone~~",
    "- item",
    "1. item",
    "---",
    "===",
    "# heading",
    "> quote",
    "&lt;&#64;b",
    "::error::x",
    ":+1: :smile:",
    "\ud800",
    "\x1b[31m\x00",
    "##[error]@x",
]
WORDS = st.text("ab1_*`~|\\[]()<>&@#$:./!-+= \n", max_size=20)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_as_it_stands_and_does_nothing(text: str) -> None:
    _is_text(text)


@given(WORDS)
@example("`|@a")
@example("$::")
def test_any_text_is_shown_as_it_stands_and_does_nothing(text: str) -> None:
    _is_text(text)


def _is_text(text: str) -> None:
    wanted = replace_control_characters(" ".join(text.split()))
    written = escaping.escape_markdown(text)
    written.encode()
    assert "##[" not in written
    assert not written.startswith("::")
    seen, outside, drawn = shown(written)
    assert (seen, drawn) == (wanted, set())
    assert not LEFT_TO_GITHUB.search(outside)
    table = escaping.markdown_table(("one", "two"), [(text, "end"), ("x", text)])
    _, outside, drawn = shown(table)
    assert not drawn
    assert not LEFT_TO_GITHUB.search(outside)
    cells = re.findall(r"<td>(.*?)</td>", GITHUB.render(table), re.DOTALL)
    assert [_text(cell) for cell in cells] == [wanted, "end", "x", wanted]


@pytest.mark.parametrize(
    "text",
    [
        "dep_delay is at least 0.65",
        "auc 0.710 [0.680, 0.740] on 1,000 holdout rows; there is no champion yet",
        "-0.0123",
        "+0.0123",
        "[-0.01, 0.02]",
        "carrier=9E",
    ],
)
def test_what_means_nothing_in_markdown_is_written_as_it_is(text: str) -> None:
    assert escaping.escape_markdown(text) == text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("worse than delay@v1.2.0, by far", "worse than `delay@v1.2.0`, by far"),
        ("_private", "\\_private"),
        ("a < b & c", "a &lt; b &amp; c"),
        ("a[b]", "a\\[b\\]"),
    ],
)
def test_what_means_something_gets_a_backslash_an_entity_or_is_code(text: str, written: str) -> None:
    assert escaping.escape_markdown(text) == written


@pytest.mark.parametrize("text", ["a|@b", "a\\|@b", "`@b", "##[error]@b"])
def test_code_in_a_cell_has_nothing_that_could_end_the_code_the_cell_or_be_a_command(text: str) -> None:
    assert not re.search(r"[`\\|]|##\[", escaping.code_span(text))


def test_a_report_holds_the_texts_of_others_as_text() -> None:
    name = "x|<b>@a[c](d)\n# e\ud800"
    metrics = (MetricValue("auc", 0.5, 0.4, 0.6, name, 100),)
    gated = GatedModel(
        name, "fail", name, snapshot(check(False, column=name)), None, True, comparison(reason=name, metrics=metrics)
    )
    report = render_markdown(GateReport("fail", (gated,), 1))
    report.encode()
    _, outside, escaping = shown(report.replace("<details><summary>1 metric</summary>", "").replace("</details>", ""))
    assert escaping == {"h2", "h3", "ul", "li"}
    assert "@a" not in outside
    assert "0 of 1 check passed" in report


def test_a_summary_of_many_models_with_many_slices_keeps_whole_parts_and_the_failing_models() -> None:
    slices = {f"carrier={at}": (0.6, 0.7) for at in range(100)}
    models = tuple(judged("fail" if at == 7 else "pass", f"model-{at}", slices=slices) for at in range(10))
    whole = render_markdown(GateReport("fail", models, 1))
    for limit in (len(whole.encode()) - 1, 40_000, 20_000, 10_000):
        report = render_markdown(GateReport("fail", models, 1), limit)
        assert len(report.encode()) <= limit
        assert re.findall(r"^### (.*)", report, re.MULTILINE)[0] == "\u274c model-7: fail"
        assert report.count("<details>") == report.count("</details>")
        assert report.endswith("_Some parts are omitted to keep this short: the JSON result has everything._\n")
    assert render_markdown(GateReport("fail", models, 1), SUMMARY_LIMIT) == whole


def test_what_moved_between_champion_and_candidate_is_in_the_summary() -> None:
    report = render_markdown(GateReport("fail", (judged("fail", slices={"carrier=AA": (0.6, 0.72)}),), 1))
    assert "| carrier=AA | 0.600 | 0.720 | -0.1200 |" in report
    assert "once it is released, `mlops-ci reproduce delay` trains it again" in report


@pytest.mark.parametrize("text", ["a <!-- x", "`<!-- x -->`", "https://a/-->"])
def test_no_code_begins_or_ends_a_hidden_comment(text: str) -> None:
    assert not re.search(
        r"<!|-->", escaping.code_span(text) + escaping.escape_markdown(text) + escaping.html_code(text)
    )


@given(st.text(max_size=60), st.integers(1, 20))
def test_clipped_text_is_the_beginning_of_it(text: str, most: int) -> None:
    cut = escaping.clip(text, most)
    assert len(cut) <= most
    assert " ".join(text.split()).startswith(cut.removesuffix("\u2026"))
