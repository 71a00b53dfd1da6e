"""A YAML document as a tree of values that know their places."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mlops_ci.core.diagnostics import Diagnostic, Location

_LINE_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")  # what YAML's parser counts as the end of a line


class SyntaxProblem(Exception):
    """The file is no YAML that a spec may be written in; carries the one finding that says so."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


class Mark(NamedTuple):
    """A place: line and column from 1, length in characters (what stands on the first line only)."""

    line: int
    column: int
    length: int


@dataclass(eq=False, slots=True)  # nobody changes one; a frozen one takes four times as long to make
class Node:
    """A value with its place, the places of its keys, and its children; an alias shares the node of its anchor."""

    data: Any
    mark: Mark
    keys: Mapping[str, Mark] = field(default_factory=dict)
    children: Mapping[str | int, Node] = field(default_factory=dict)
    size: int = 1
    height: int = 1


@dataclass(frozen=True)
class YamlSource:
    """A file's path, as reported, and its lines."""

    path: str
    lines: tuple[str, ...]

    @classmethod
    def from_text(cls, path: str, text: str) -> YamlSource:
        """Split the text where YAML's parser does."""
        return cls(path, tuple(split_lines(text)))

    def locate(self, mark: Mark) -> Location:
        """Return the mark as a location, with the line it stands on."""
        text = self.lines[mark.line - 1] if mark.line <= len(self.lines) else ""
        return Location(self.path, mark.line, mark.column, max(mark.length, 1), text)


def split_lines(text: str) -> list[str]:
    """Split a text into lines where YAML's parser does."""
    return _LINE_BREAK.split(text)
