"""What is wrong, where, and what to do next: the one value every finding is reported as."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Location:
    """A place in a file of the repository; lines and columns count from 1, `length` is in characters.

    `text` is the source line itself, kept so that a report needs no second read of a file that may have changed.
    """

    path: str
    line: int | None = None
    column: int | None = None
    length: int = 1
    text: str | None = None

    def __str__(self) -> str:
        return ":".join(str(part) for part in (self.path, self.line, self.column) if part is not None)


@dataclass(frozen=True)
class Diagnostic:
    """One finding. `id` is kebab-case and equals its anchor in docs/diagnostics.md; `about` is the ref that it is about."""

    id: str
    message: str
    location: Location | None = None
    help: str | None = None
    severity: Severity = "error"
    about: str | None = None


def has_errors(diagnostics: tuple[Diagnostic, ...] | list[Diagnostic]) -> bool:
    """Tell whether any finding is an error (warnings and notes never change an exit code)."""
    return any(diagnostic.severity == "error" for diagnostic in diagnostics)


def render_diagnostic(diagnostic: Diagnostic, width: int | None = None) -> str:
    """Draw a diagnostic as plain text: headline, place, source line with a caret, help.

    The source line is cut to a window around the caret, so that a one-line file of megabytes stays readable; with `width`, to a line
    of so many characters. No line
    starts with `::` or holds `##[`, which GitHub's runner would take for commands.
    """
    lines = [f"{diagnostic.severity}[{diagnostic.id}]: {replace_control_characters(diagnostic.message)}"]
    where = None if diagnostic.about else diagnostic.location
    gutter = len(str(where.line)) if where and where.line else 1
    pad = " " * gutter
    if diagnostic.about:
        lines.append(f"{pad}--> {replace_control_characters(diagnostic.about)}")
    if where:
        lines.append(f"{pad}--> {replace_control_characters(str(where))}")
        if where.text is not None and where.line is not None:
            text, caret = _source_excerpt(where, min(_WIDTH, (width or _WIDTH + gutter + 3) - gutter - 3))
            lines += [f"{pad} |", f"{where.line} | {text}", f"{pad} | {caret}"]
    if diagnostic.help:
        first, *rest = (replace_control_characters(line) for line in diagnostic.help.split("\n"))
        lines.append(f"{pad} = help: {first}")
        lines += [f"{pad} |       {line}" for line in rest]
    return "\n".join(lines).replace("##[", "## [")


_WIDTH = 120


def _source_excerpt(where: Location, width: int) -> tuple[str, str]:
    text = replace_control_characters(where.text or "")
    column = max((where.column or 1) - 1, 0)
    start = max(column - width // 2, 0) if len(text) > width else 0
    shown = text[start : start + width].rstrip()
    length = max(min(where.length, len(shown) - (column - start)), 1)
    return shown, " " * (column - start) + "^" * length


def replace_control_characters(text: str) -> str:
    """Replace control characters one for one: a spec must not be able to drive the reader's terminal."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else " " if char == "\t" else "\ufffd" for char in text)
