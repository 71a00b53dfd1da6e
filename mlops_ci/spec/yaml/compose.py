"""Builds nodes with marks from the YAML parser's events: in one pass, without recursion, with limits on size and depth."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import yaml

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.suggestions import quote
from mlops_ci.spec.yaml.nodes import Mark, Node, SyntaxProblem, YamlSource

MAX_NODES = 100_000  # per file: 10,000 columns with their rules; each alias counts all nodes of the value it refers to
MAX_YAML_DEPTH = 50
MAX_INTEGER = 2**64 - 1

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_START_EVENTS = (yaml.MappingStartEvent, yaml.SequenceStartEvent)
_NODE_EVENTS = (yaml.ScalarEvent, *_START_EVENTS, yaml.AliasEvent)
_END_EVENTS = (yaml.MappingEndEvent, yaml.SequenceEndEvent)
_EMPTY_MAPPING: Mapping[Any, Any] = MappingProxyType({})  # the keys and children of every scalar

_NULL = {"", "~", "null", "Null", "NULL"}
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NUMBER_STARTS = frozenset("-+.0123456789")  # possible first characters of a number
_INT = re.compile(r"[-+]?[0-9]+")
_BASED_INT = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

# The parser's message -> our message and hint.
_SYNTAX_MESSAGES: dict[str, tuple[str, str]] = {
    "mapping values are not allowed in this context": (
        "a second ': ' on this line, where a value is expected",
        "quote the value if it contains ': '; otherwise check that the previous line has the same indentation",
    ),
    "did not find expected key": (
        "this line does not fit the block above it",
        "check the indentation, and that each quote and bracket above is closed exactly once",
    ),
    "could not find expected ':'": ("this key has no ':'", "write `key: value`"),
    "did not find expected '-' indicator": (
        "this line in a list does not start with '-'",
        "start every item with '- ', at the same column",
    ),
    "did not find expected ',' or ']'": (
        "this '[' is not closed",
        "close the list with ']' and put commas between its items",
    ),
    "did not find expected ',' or '}'": (
        "this '{' is not closed",
        "close it with '}' and put commas between its fields",
    ),
    "found unexpected end of stream": (
        "this quote is not closed",
        "close it; inside single quotes, write a quote as ''",
    ),
    "found unknown escape character": (
        "an unknown escape in double quotes",
        "use single quotes, where '\\' is an ordinary character, or write '\\\\'",
    ),
    "block sequence entries are not allowed in this context": (
        "a list item is not allowed here",
        "start a new line before '- '",
    ),
    "found character that cannot start any token": (
        "a value cannot start with this character",
        "quote the value; a value that starts with '@', '`' or '%' needs quotes",
    ),
    "did not find expected node content": ("a value is missing here", "write the value, or delete its key or comma"),
    "found invalid Unicode character escape code": (
        "this escape is not a valid character code",
        "write the character itself, or correct the escape; a character above U+FFFF is written like \\U0001F600",
    ),
    "found undefined tag handle": (
        "YAML tags are not allowed in specs",
        "delete the tag; quote the value if it starts with '!'",
    ),
}
_DEPTH_MESSAGE = (
    f"nested more than {MAX_YAML_DEPTH} levels deep",
    "no spec needs this; check for a missing or repeated bracket",
)
_PARSER_DEPTH_PROBLEM = (
    "exceeded maximum nesting depth"  # newer libyaml versions have their own limit, and read ahead of this composer
)


def compose_documents(source: YamlSource, text: str) -> Iterator[Node]:
    """Yield the root node of each document; raises SyntaxProblem with the first error of the text."""
    loader = _LOADER(text)
    try:
        yield from _Composer(source, loader).documents()
    except yaml.MarkedYAMLError as error:
        raise SyntaxProblem(_syntax_finding(source, error)) from None
    except yaml.YAMLError as error:
        raise SyntaxProblem(
            Diagnostic("spec-syntax", f"the file is not valid YAML: {error}", source.locate(Mark(1, 1, 1)))
        ) from None
    finally:
        loader.dispose()


@dataclass(slots=True)
class _OpenCollection:
    """A mapping or sequence whose end event has not been read yet."""

    mark: Mark
    anchor: str | None
    data: Any
    keys: dict[str, Mark] = field(default_factory=dict)
    children: dict[str | int, Node] = field(default_factory=dict)
    key: str | None = None
    size: int = 1
    height: int = 0


class _Composer:
    def __init__(self, source: YamlSource, loader: Any) -> None:
        self.source = source
        self.loader = loader
        self.nodes = 0
        self.anchors: dict[str, Node | None] = {}

    def documents(self) -> Iterator[Node]:
        stack: list[_OpenCollection] = []
        more, take = self.loader.check_event, self.loader.get_event
        while more():
            event = take()
            kind = type(event)
            if kind in _NODE_EVENTS:
                node = self._start(event, kind, stack)
            elif kind in _END_EVENTS:
                node = self._close(stack.pop(), event)
            else:
                self.anchors = {} if kind is yaml.DocumentStartEvent else self.anchors
                continue
            if node is None:
                continue
            if stack:
                _attach(stack[-1], node)
            else:
                yield node

    def _start(self, event: Any, kind: type, stack: list[_OpenCollection]) -> Node | None:
        """Return the finished node of an event; None for a key, and for a collection that is still open."""
        mark = self._mark(event, kind)
        if stack:
            parent = stack[-1]
            if parent.key is None and type(parent.data) is dict:
                self._add_key(event, mark, parent)
                return None
        if kind is yaml.AliasEvent:
            return self._resolve_alias(event, mark, len(stack))
        self._count(1, mark, by_alias=False)
        if event.tag is not None:
            raise self._problem(
                "spec-tag", mark, "YAML tags are not allowed in specs", "delete the tag; quote a value to make it text"
            )
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        if kind is yaml.ScalarEvent:
            node = Node(self._parse_scalar(event, mark), mark, _EMPTY_MAPPING, _EMPTY_MAPPING)
            if event.anchor is not None:
                self.anchors[event.anchor] = node
            return node
        self._ensure_depth(len(stack) + 1, mark)
        stack.append(_OpenCollection(mark, event.anchor, {} if kind is yaml.MappingStartEvent else []))
        return None

    def _add_key(self, event: Any, mark: Mark, parent: _OpenCollection) -> None:
        if isinstance(event, yaml.AliasEvent) or not isinstance(event, yaml.ScalarEvent):
            raise self._problem(
                "spec-syntax", mark, "this key is not plain text",
                "write the key as text; quote a value that starts with '{' or '[' (for example the `{{ … }}` of a template)",
            )  # fmt: skip
        name = str(event.value)
        if event.tag is not None:
            raise self._problem("spec-tag", mark, "YAML tags are not allowed in specs", "delete the tag")
        if name == "<<" and not event.style:
            raise self._problem(
                "spec-merge-key",
                mark,
                "merge keys ('<<') are not part of YAML 1.2",
                "write the fields out, or use an alias for a whole value",
            )
        if name in parent.keys:
            first = parent.keys[name].line
            raise self._problem(
                "spec-duplicate-key",
                mark,
                f"the key {quote(name)} is already used on line {first}",
                "delete or rename one of them",
            )
        parent.keys[name] = mark
        parent.key = name
        if event.anchor is not None:
            self.anchors[event.anchor] = Node(name, mark)

    def _resolve_alias(self, event: Any, mark: Mark, depth: int) -> Node:
        if event.anchor not in self.anchors:
            raise self._problem(
                "spec-syntax",
                mark,
                f"the alias refers to the anchor {quote(event.anchor)}, which is not defined above it",
                "quote the value if it is text that starts with '*'",
            )
        node = self.anchors[event.anchor]
        if node is None:
            raise self._problem(
                "spec-syntax",
                mark,
                f"the alias {quote(event.anchor)} is inside the value of its own anchor",
                "delete it",
            )
        self._count(node.size, mark, by_alias=True)
        self._ensure_depth(depth + node.height, mark)
        return node

    def _close(self, opened: _OpenCollection, event: Any) -> Node:
        line, column, _ = opened.mark
        mark = Mark(line, column, self._length(line, column, event.end_mark))
        if opened.keys and mark.line != event.end_mark.line + 1:
            mark = next(iter(opened.keys.values())) if next(iter(opened.keys.values())).line == mark.line else mark
        node = Node(opened.data, mark, opened.keys, opened.children, opened.size, opened.height + 1)
        if opened.anchor is not None:
            self.anchors[opened.anchor] = node
        return node

    def _count(self, nodes: int, mark: Mark, *, by_alias: bool) -> None:
        self.nodes += nodes
        if self.nodes <= MAX_NODES:
            return
        if by_alias:
            raise self._problem(
                "spec-alias-bomb", mark, f"with all aliases expanded, the file has more than {MAX_NODES:,} values",
                "write the values without aliases; aliases of aliases multiply the number of values",
            )  # fmt: skip
        raise self._problem(
            "spec-too-complex",
            mark,
            f"the file has more than {MAX_NODES:,} values",
            "split it into several files, or move data out of the spec",
        )

    def _ensure_depth(self, depth: int, mark: Mark) -> None:
        if depth > MAX_YAML_DEPTH:
            raise self._problem("spec-too-complex", mark, *_DEPTH_MESSAGE)

    def _parse_scalar(self, event: Any, mark: Mark) -> Any:
        text = str(event.value)
        if event.style or not event.implicit[0]:
            return text
        try:
            value = parse_plain_scalar(text)
        except (ValueError, OverflowError):
            value = math.inf
        if (isinstance(value, float) and not math.isfinite(value)) or (
            isinstance(value, int) and abs(value) > MAX_INTEGER
        ):
            raise self._problem(
                "spec-number",
                mark,
                f"the number {quote(text)} is out of range",
                "write a finite number, or an integer of at most 2^64 - 1; quote it if it is text",
            )
        return value

    def _mark(self, event: Any, kind: type) -> Mark:
        start, end = event.start_mark, event.end_mark
        line, column = start.line + 1, start.column + 1
        if kind in _START_EVENTS:
            return Mark(line, column, 1)
        return Mark(line, column, self._length(line, column, end))

    def _length(self, line: int, column: int, end: Any) -> int:
        """Return the value's length in characters on its first line."""
        if end.line + 1 == line:
            return max(int(end.column) + 1 - column, 1)
        text = self.source.lines[line - 1] if line <= len(self.source.lines) else ""
        return max(len(text.rstrip()) + 1 - column, 1)

    def _problem(self, id: str, mark: Mark, message: str, help: str) -> SyntaxProblem:
        return SyntaxProblem(Diagnostic(id, message, self.source.locate(mark), help))


def parse_plain_scalar(text: str) -> Any:
    """Return the value of an unquoted scalar by YAML 1.2's core schema (YAML 1.2.2, section 10.3.2)."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if text[0] not in _NUMBER_STARTS:
        return text
    if _INT.fullmatch(text):
        return int(text)
    if _BASED_INT.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(
            text.replace(".inf", "inf").replace(".Inf", "inf").replace(".INF", "inf").replace(".nan", "nan")
            if text[-1] in "fFnN"
            else text
        )
    return text


def _attach(parent: _OpenCollection, node: Node) -> None:
    if isinstance(parent.data, dict):
        name = str(parent.key)  # a value follows its key
        parent.data[name] = node.data
        parent.children[name] = node
        parent.key = None
    else:
        parent.children[len(parent.data)] = node
        parent.data.append(node.data)
    parent.size += node.size
    parent.height = max(parent.height, node.height)


def _syntax_finding(source: YamlSource, error: yaml.MarkedYAMLError) -> Diagnostic:
    problem = error.problem or "not YAML"
    if problem == _PARSER_DEPTH_PROBLEM and error.problem_mark is not None:
        at = Mark(error.problem_mark.line + 1, error.problem_mark.column + 1, 1)
        return Diagnostic("spec-too-complex", _DEPTH_MESSAGE[0], source.locate(at), _DEPTH_MESSAGE[1])
    message, help = _SYNTAX_MESSAGES.get(problem, (problem, None))
    place = error.problem_mark
    if "not closed" in message and error.context_mark is not None:
        place = error.context_mark  # the place of the opening character helps more than the end of the file
    mark = Mark(place.line + 1, place.column + 1, 1) if place is not None else Mark(1, 1, 1)
    for line in (mark.line, mark.line - 1):
        text = source.lines[line - 1] if 0 < line <= len(source.lines) else ""
        indent = text[: len(text) - len(text.lstrip())]
        if "\t" in indent:
            return Diagnostic(
                "spec-tab",
                "the indentation contains a tab; YAML allows only spaces",
                source.locate(Mark(line, indent.index("\t") + 1, indent.count("\t"))),
                "replace each tab with two spaces",
            )
    if mark.line > len(source.lines) or (not source.locate(mark).text and mark.line > 1):
        last = max((number for number, text in enumerate(source.lines, 1) if text.strip()), default=1)
        mark = Mark(last, len(source.lines[last - 1].rstrip()) + 1, 1)
    return Diagnostic("spec-syntax", message, source.locate(mark), help)
