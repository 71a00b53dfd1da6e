"""The nodes of a YAML document: values with their places in the file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mlops_ci.core.diagnostics import Diagnostic, Location

_LINE_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")  # the line breaks of the YAML parser


class SyntaxProblem(Exception):
    """The file is not YAML, or uses YAML that a spec must not use. `diagnostic` is the only finding."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


class Mark(NamedTuple):
    """A place: line and column, counted from 1, and the length in characters on the first line."""

    line: int
    column: int
    length: int


@dataclass(eq=False, slots=True)  # treated as immutable; a frozen dataclass takes four times as long to create
class Node:
    """A value, its place, the places of its keys, and its child nodes. An alias shares the node of its anchor."""

    data: Any
    mark: Mark
    keys: Mapping[str, Mark] = field(default_factory=dict)
    children: Mapping[str | int, Node] = field(default_factory=dict)
    size: int = 1
    height: int = 1


@dataclass(frozen=True)
class YamlSource:
    """A file's path, as findings show it, and its lines."""

    path: str
    lines: tuple[str, ...]

    @classmethod
    def from_text(cls, path: str, text: str) -> YamlSource:
        """Split the text into lines at the YAML parser's line breaks."""
        return cls(path, tuple(split_lines(text)))

    def locate(self, mark: Mark) -> Location:
        """Return the mark as a location with the text of its line."""
        text = self.lines[mark.line - 1] if mark.line <= len(self.lines) else ""
        return Location(self.path, mark.line, mark.column, max(mark.length, 1), text)


def split_lines(text: str) -> list[str]:
    """Return the lines of a text, split at the YAML parser's line breaks."""
    return _LINE_BREAK.split(text)
