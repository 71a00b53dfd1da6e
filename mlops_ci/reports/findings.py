"""Findings for each kind of reader: text for people, GitHub's workflow commands, SARIF 2.1.0."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import quote as percent

from mlops_ci import __version__
from mlops_ci.core.diagnostics import Diagnostic, Location, Severity, render_diagnostic, replace_control_characters
from mlops_ci.reports.formatting import format_count

FindingsFormat = Literal["text", "github", "sarif"]
DIAGNOSTICS_URL = "https://github.com/mlops-ci/mlops-ci/blob/v1/docs/diagnostics.md"

_GITHUB_LEVELS: Mapping[Severity, str] = {"error": "error", "warning": "warning", "note": "notice"}


def render_findings(
    diagnostics: Sequence[Diagnostic], fmt: FindingsFormat, *, specs: int | None = None, width: int | None = None
) -> str:
    """Return findings in a format, without a final line break; the summary line names the number of `specs` read.

    In a text, source lines are cut to a page of `width` characters.
    """
    if fmt == "text":
        shown = [render_diagnostic(item, width) for item in diagnostics]
        return "\n\n".join([*shown, findings_summary(diagnostics, specs)])
    return _RENDERERS[fmt](diagnostics, specs)


def findings_summary(diagnostics: Sequence[Diagnostic], specs: int | None = None) -> str:
    """Count findings in one line, such as `3 errors, 1 warning in 5 specs`."""
    levels: tuple[Severity, ...] = ("error", "warning", "note")
    counts = [(level, sum(item.severity == level for item in diagnostics)) for level in levels]
    summary = ", ".join(format_count(count, level) for level, count in counts if count) or "no problems"
    return summary if specs is None else f"{summary} in {format_count(specs, 'spec')}"


def _render_github(diagnostics: Sequence[Diagnostic], specs: int | None) -> str:
    return "\n".join([*(_workflow_command(item) for item in diagnostics), findings_summary(diagnostics, specs)])


def _workflow_command(item: Diagnostic) -> str:
    """Write one workflow command (docs.github.com, "Workflow commands"); nothing in it can start a second one."""
    where = item.location
    properties: dict[str, str | int | None] = {"file": where.path if where else None}
    if where and where.line is not None:
        properties |= {"line": where.line, "col": where.column}
        properties["endColumn"] = where.column + where.length if where.column is not None else None
    properties["title"] = item.id
    fields = ",".join(
        f"{name}={_escape_property(str(value))}" for name, value in properties.items() if value is not None
    )
    return f"::{_GITHUB_LEVELS[item.severity]} {fields}::{_escape_message(_message_with_help(item))}"


def _message_with_help(item: Diagnostic) -> str:
    return f"{item.message}\n{item.help}" if item.help else item.message


def _escape_message(text: str) -> str:
    escaped = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return replace_control_characters(escaped).replace(
        "##[", "## ["
    )  # the older form of a command, which the runner accepts anywhere in a line


def _escape_property(text: str) -> str:
    return _escape_message(text).replace(":", "%3A").replace(",", "%2C")


def _render_sarif(diagnostics: Sequence[Diagnostic], specs: int | None) -> str:  # noqa: ARG001 - one signature for all formats
    """Write a SARIF 2.1.0 log (OASIS standard) with one run, whose rules are the ids that occur."""
    ids = sorted({item.id for item in diagnostics})
    driver = {
        "name": "mlops-ci",
        "semanticVersion": __version__,
        "informationUri": DIAGNOSTICS_URL.rpartition("/blob/")[0],
        "rules": [_sarif_rule(id) for id in ids],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_sarif_result(item, ids.index(item.id)) for item in diagnostics],
    }
    schema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
    return json.dumps({"$schema": schema, "version": "2.1.0", "runs": [run]}, indent=2)


def _sarif_rule(id: str) -> dict[str, Any]:
    name = id.replace("-", " ").capitalize()
    uri = f"{DIAGNOSTICS_URL}#{id}"
    help = f"Meaning, likely cause and next step: {uri}"
    return {
        "id": id,
        "shortDescription": {"text": name},
        "helpUri": uri,
        "help": {"text": help, "markdown": f"[Meaning, likely cause and next step]({uri})"},
    }


def _sarif_result(item: Diagnostic, index: int) -> dict[str, Any]:
    return {
        "ruleId": item.id,
        "ruleIndex": index,
        "level": item.severity,
        "message": {"text": _message_with_help(item)},
        **({"locations": [_sarif_location(item)]} if item.location or item.about else {}),
    }


def _sarif_location(item: Diagnostic) -> dict[str, Any]:
    ref = {"fullyQualifiedName": item.about, "kind": "resource"}
    return {
        **({"physicalLocation": _sarif_physical_location(item.location)} if item.location else {}),
        **({"logicalLocations": [ref]} if item.about else {}),
    }


def _sarif_physical_location(where: Location) -> dict[str, Any]:
    # percent-encoded, so that a file name is always a relative reference and never a scheme or an authority
    artifact = {"uri": percent(where.path.lstrip("/"), safe="/-._~", errors="replace"), "uriBaseId": "%SRCROOT%"}
    if where.line is None:
        return {"artifactLocation": artifact}
    region: dict[str, Any] = {"startLine": where.line}
    if where.column is not None:
        region |= {"startColumn": where.column, "endColumn": where.column + where.length}
    if where.text is not None:
        region["snippet"] = {"text": where.text[:1000]}
    return {"artifactLocation": artifact, "region": region}


_RENDERERS: Mapping[str, Callable[[Sequence[Diagnostic], int | None], str]] = {
    "github": _render_github,
    "sarif": _render_sarif,
}
