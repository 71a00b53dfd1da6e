"""The text of a pull request that a verb opens."""

from __future__ import annotations

from mlops_ci.reports import escaping


def request_body(reason: str | None, again: str, writes: str) -> str:
    """Return, as Markdown, the reason for the pull request and the command to run after its merge."""
    why = escaping.escape_markdown(escaping.clip(reason, 2000)) if reason else "Manifests only."
    return f"{why}\n\nAfter the merge, this command writes {writes}:\n\n{escaping.code_span(again)}\n"
