"""Findings in each format; hostile names and messages stay data."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given

from mlops_ci.core.diagnostics import Diagnostic, Location
from mlops_ci.reports.findings import FindingsFormat, findings_summary, render_findings
from tests.support.hostile import ANY, TEXTS

ERROR = Diagnostic(
    "gate-metric-unknown",
    "metric 'auccc' is not one of this model's metrics",
    Location("models/delay.yaml", 31, 15, 5, "    - metric: auccc"),
    "did you mean 'auc'?",
)
WARNING = Diagnostic("gate-no-floor", "no floor", Location("models/delay.yaml"), severity="warning")
NOTE = Diagnostic("spec-more-errors", "more", severity="note")
HOSTILE = Diagnostic(
    "spec-value",
    "bad\r\n::set-output name=x::y\n::stop-commands::z 100%\x1b[2J",
    Location("a,b:c=%0A\n::error::.yaml", 1, 1, 1, "x"),
    "::add-mask::secret\n  ::error::x\n##[error]y",
)


def test_text_is_the_drawing_of_the_architecture_page_and_a_summary() -> None:
    assert (
        render_findings([ERROR], "text", specs=5)
        == """\
error[gate-metric-unknown]: metric 'auccc' is not one of this model's metrics
  --> models/delay.yaml:31:15
   |
31 |     - metric: auccc
   |               ^^^^^
   = help: did you mean 'auc'?

1 error in 5 specs"""
    )


@pytest.mark.parametrize(
    ("diagnostics", "specs", "line"),
    [
        ([ERROR, ERROR, ERROR, WARNING], 5, "3 errors, 1 warning in 5 specs"),
        ([WARNING, NOTE], 1, "1 warning, 1 note in 1 spec"),
        ([], 4, "no problems in 4 specs"),
        ([], None, "no problems"),
    ],
)
def test_the_summary_counts_what_there_is(diagnostics: list[Diagnostic], specs: int | None, line: str) -> None:
    assert findings_summary(diagnostics, specs) == line


def test_github_gets_one_workflow_command_for_each_finding() -> None:
    assert render_findings([ERROR, WARNING, NOTE], "github").splitlines() == [
        (
            "::error file=models/delay.yaml,line=31,col=15,endColumn=20,title=gate-metric-unknown::"
            "metric 'auccc' is not one of this model's metrics%0Adid you mean 'auc'?"
        ),
        "::warning file=models/delay.yaml,title=gate-no-floor::no floor",
        "::notice title=spec-more-errors::more",
        "1 error, 1 warning, 1 note",
    ]


def test_nothing_in_a_finding_can_start_a_second_command_or_end_a_property() -> None:
    command, line = render_findings([HOSTILE], "github").splitlines()
    assert line == "1 error"
    head, _, message = command.removeprefix("::").partition("::")
    name, _, properties = head.partition(" ")
    assert name == "error"
    assert [part.partition("=")[0] for part in properties.split(",")] == ["file", "line", "col", "endColumn", "title"]
    assert unquote(properties.split(",")[0]) == "file=a,b:c=%0A\n::error::.yaml"
    assert "\x1b" not in command
    assert unquote(message).startswith("bad\r\n::set-output name=x::y\n::stop-commands::z 100%")


def test_text_of_a_hostile_finding_has_no_control_characters() -> None:
    printed = render_findings([HOSTILE], "text")
    assert "\x1b" not in printed
    assert not [line for line in printed.splitlines() if line.strip().startswith("::") or "##[" in line]
    assert "\n  |         ::error::x\n" in printed


@pytest.mark.parametrize("name", ["\ud800", "a\u2028b", "\x00", "\u202e"])
@pytest.mark.parametrize("fmt", ["text", "github", "sarif"])
def test_no_name_is_one_that_cannot_be_printed(name: str, fmt: FindingsFormat) -> None:
    found = Diagnostic("column-unknown", f"column {name}", Location(name, 1, 1, 1, name), f"did you mean {name}?")
    printed = render_findings([found], fmt)
    printed.encode()
    assert name not in printed


def sarif(*diagnostics: Diagnostic) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(render_findings(diagnostics, "sarif"))
    return found


def test_sarif_has_the_shape_that_code_scanning_asks_for() -> None:
    log = sarif(ERROR, WARNING, NOTE, ERROR)
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-schema-2.1.0.json")
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "mlops-ci"
    rules = driver["rules"]
    assert [rule["id"] for rule in rules] == ["gate-metric-unknown", "gate-no-floor", "spec-more-errors"]
    for rule in rules:
        assert rule["shortDescription"]["text"]
        assert rule["help"]["text"].endswith(f"docs/diagnostics.md#{rule['id']}")
        assert rule["helpUri"].startswith("https://")
    assert [result["level"] for result in run["results"]] == ["error", "warning", "note", "error"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["message"]["text"]


def test_sarif_places_a_finding_by_a_relative_uri_and_columns_from_one() -> None:
    log = sarif(ERROR, WARNING, NOTE)
    (run,) = log["runs"]
    assert run["columnKind"] == "unicodeCodePoints"
    first, second, third = run["results"]
    assert first["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "models/delay.yaml", "uriBaseId": "%SRCROOT%"},
                "region": {
                    "startLine": 31,
                    "startColumn": 15,
                    "endColumn": 20,
                    "snippet": {"text": "    - metric: auccc"},
                },
            }
        }
    ]
    assert "region" not in second["locations"][0]["physicalLocation"]
    assert "locations" not in third


@pytest.mark.parametrize("path", ["https://evil.example/x", "//evil.example/x", "a b%.yaml", "zü\ud800.yaml"])
def test_a_file_name_stays_a_relative_uri(path: str) -> None:
    (run,) = sarif(Diagnostic("spec-value", "x", Location(path, 1, 1)))["runs"]
    uri = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert not uri.startswith("/")
    assert ":" not in uri
    assert " " not in uri


def commands(log: str) -> list[str]:
    """The workflow commands that GitHub's runner finds in a log: lines that start with `::`, after blanks, and `##[` anywhere."""
    new = [line for line in re.split(r"\r\n|\r|\n", log) if re.match(r"\s*::[\w-]+.*?::", line)]
    return new + re.findall(r"##\[[\w-]+.*?\]", log)


def annotation(text: str) -> str:
    where = Location(text, 3, 1, 1, text)
    return render_findings([Diagnostic(text, text, where, text, "warning", text)], "github")


@pytest.mark.parametrize("text", TEXTS)
def test_none_of_these_texts_starts_a_second_command(text: str) -> None:
    (command,) = commands(annotation(text))
    assert command.startswith("::warning file=")


@given(ANY)
def test_no_text_starts_a_second_command_or_ends_its_own_properties(text: str) -> None:
    printed = annotation(text)
    (command,) = commands(printed)
    properties = command.removeprefix("::warning ").partition("::")[0]
    assert re.fullmatch(r"file=[^,:]*,line=3,col=1,endColumn=2,title=[^,:]*", properties)
    assert all(char.isprintable() or char == "\n" for char in printed)


@pytest.mark.parametrize("text", ["one\r\n::set-output name=x::y", "a ##[error]b", "x::\n::error file=x::y"])
def test_without_that_care_these_texts_are_commands(text: str) -> None:
    """So that the tests above can fail."""
    assert len(commands(f"::warning file={text},line=3::{text}")) > 1
    assert commands(f"checked {text}")
