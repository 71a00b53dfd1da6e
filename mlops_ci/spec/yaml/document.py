"""Reads YAML documents into plain data that knows the place of every key and value.

Scalars follow YAML 1.2's core schema: `on`, `no`, `2024-01-01`, `1_000` and `12:30` are text. Keys are always text.
Tags and merge keys are errors. Size, depth and number of values are limited, because files come from pull requests.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mlops_ci.core.diagnostics import Diagnostic, Location
from mlops_ci.spec.yaml.compose import compose_documents
from mlops_ci.spec.yaml.nodes import Mark, Node, SyntaxProblem, YamlSource, split_lines

MAX_SPEC_BYTES = 1_000_000
_FORBIDDEN_CHARACTER = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

Pointer = tuple[str | int, ...]


@dataclass(frozen=True, eq=False)
class Document:
    """One `---` document of a file."""

    source: YamlSource
    root: Node

    @property
    def data(self) -> Any:
        """The document as plain data: dict (keys are text), list, str, int, float, bool, None."""
        return self.root.data

    def locate(self, pointer: Pointer, key: bool = False) -> Location:
        """Return the place of the value at the pointer, or of its key.

        When the document has no such value, return the place of the nearest existing parent's key.
        """
        node, name = self.root, None
        for part in pointer:
            child = node.children.get(part)
            if child is None:
                return self.source.locate(name or _first_key(node))
            name = node.keys.get(str(part)) if isinstance(part, str) else None
            node = child
        return self.source.locate(name if key and name else node.mark if pointer else _first_key(node))


def _first_key(node: Node) -> Mark:
    return next(iter(node.keys.values()), node.mark)


def read_documents(path: str, content: bytes) -> tuple[Document, ...]:
    """Return the non-empty documents of a YAML file. `path` is used only in findings.

    Raises SyntaxProblem, with one finding, for text that is not UTF-8, is not YAML, or exceeds a limit.
    """
    text = decode_yaml_text(path, content)
    source = YamlSource.from_text(path, text)

    return tuple(Document(source, root) for root in compose_documents(source, text) if root.data is not None)


def decode_yaml_text(path: str, content: bytes) -> str:
    """Return the file's text without a byte order mark; raises SyntaxProblem for bytes that are not UTF-8 text."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise SyntaxProblem(
            Diagnostic(
                "spec-encoding", "the file is UTF-16; specs must be UTF-8", Location(path), "save the file as UTF-8"
            )
        )
    if len(content) > MAX_SPEC_BYTES:
        raise SyntaxProblem(too_large_finding(path, len(content)))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SyntaxProblem(_undecodable_finding(path, content, error)) from None
    for finding in _forbidden_character_findings(path, text):
        raise SyntaxProblem(finding)
    return text


def too_large_finding(path: str, size: int) -> Diagnostic:
    """Return the finding for a file larger than MAX_SPEC_BYTES."""
    return Diagnostic(
        "spec-too-large",
        f"the file has {size:,} bytes; a spec file can have at most {MAX_SPEC_BYTES:,}",
        Location(path),
        "if the spec contains data, move the data to another file; otherwise split the spec into several files",
    )


def _undecodable_finding(path: str, content: bytes, error: UnicodeDecodeError) -> Diagnostic:
    if b"\0" in content[:8192]:
        return _binary_finding(path)
    line = content.count(b"\n", 0, error.start) + 1
    begin = content.rfind(b"\n", 0, error.start) + 1
    end = content.find(b"\n", error.start)
    shown = content[begin : len(content) if end < 0 else end].decode("utf-8", "replace").rstrip("\r")
    column = len(content[begin : error.start].decode("utf-8", "replace")) + 1
    return Diagnostic(
        "spec-encoding",
        f"byte 0x{content[error.start]:02x} is not UTF-8",
        Location(path, line, column, 1, shown),
        "save the file as UTF-8; it was probably written as Latin-1 or Windows-1252",
    )


def _binary_finding(path: str) -> Diagnostic:
    return Diagnostic(
        "spec-binary",
        "the file is binary: it contains NUL bytes",
        Location(path),
        "a spec is a YAML text; check that a file of another format was not saved under this name",
    )


def _forbidden_character_findings(path: str, text: str) -> Iterator[Diagnostic]:
    match = _FORBIDDEN_CHARACTER.search(text)
    if not match:
        return
    if match.group() == "\0":
        yield _binary_finding(path)
        return
    before = split_lines(text[: match.start()])
    line = YamlSource.from_text(path, text).lines[len(before) - 1]
    yield Diagnostic(
        "spec-control-character",
        f"the control character U+{ord(match.group()):04X} is not allowed in YAML",
        Location(path, len(before), len(before[-1]) + 1, 1, line),
        'delete it; in double quotes, write it as an escape, such as "\\x1b"',
    )
