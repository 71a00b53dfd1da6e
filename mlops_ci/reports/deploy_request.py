"""The text of a pull request that a verb asks for."""

from __future__ import annotations

from mlops_ci.reports import escaping


def request_body(reason: str | None, again: str, writes: str) -> str:
    """Return why the request is made, as Markdown, and the command that goes on after its merge."""
    why = escaping.escape_markdown(escaping.clip(reason, 2000)) if reason else "Manifests only."
    return f"{why}\n\nAfter the merge, this writes {writes}:\n\n{escaping.code_span(again)}\n"
