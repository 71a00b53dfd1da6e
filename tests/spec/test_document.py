"""Reading YAML: what is text and what is not, where everything stands, and that any text at all has an answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_ci.spec.yaml.document import Document, read_documents
from mlops_ci.spec.yaml.nodes import SyntaxProblem


def one(text: str) -> Document:
    (document,) = read_documents("spec.yaml", text.encode())
    return document


def pointed(document: Document, *pointer: str | int, key: bool = False) -> tuple[str, str]:
    """The place, and the characters of the source line that the caret covers."""
    where = document.locate(pointer, key)
    assert where.text is not None
    assert where.column is not None
    return str(where), where.text[where.column - 1 : where.column - 1 + where.length]


SPEC = """\
name: delay   # a comment
list: [x, {y: 2}]
gate:
  - metric: auccc
    'quoted key': "it is"
  - Zürich: köln
text: |
  one
  two
"""


@pytest.mark.parametrize(
    ("pointer", "key", "place", "shown"),
    [
        (("name",), False, "spec.yaml:1:7", "delay"),
        (("name",), True, "spec.yaml:1:1", "name"),
        (("list",), False, "spec.yaml:2:7", "[x, {y: 2}]"),
        (("list", 0), False, "spec.yaml:2:8", "x"),
        (("list", 1, "y"), False, "spec.yaml:2:15", "2"),
        (("list", 1, "y"), True, "spec.yaml:2:12", "y"),
        (("gate", 0, "metric"), False, "spec.yaml:4:13", "auccc"),
        (("gate", 0), False, "spec.yaml:4:5", "metric"),
        (("gate", 0, "quoted key"), True, "spec.yaml:5:5", "'quoted key'"),
        (("gate", 0, "quoted key"), False, "spec.yaml:5:19", '"it is"'),
        (("gate", 1, "Zürich"), False, "spec.yaml:6:13", "köln"),
        (("text",), False, "spec.yaml:7:7", "|"),
        ((), False, "spec.yaml:1:1", "name"),
        (("gate", 0, "margin"), False, "spec.yaml:4:5", "metric"),
        (("nowhere", 1), True, "spec.yaml:1:1", "name"),
    ],
)
def test_every_key_and_value_knows_its_place(pointer: tuple[str | int, ...], key: bool, place: str, shown: str) -> None:
    assert pointed(one(SPEC), *pointer, key=key) == (place, shown)


@pytest.mark.parametrize(
    "text", ["on", "off", "yes", "NO", "2024-01-01", "12:30:45", "1_000", "0b1", "017x", "=", "1e", "."]
)
def test_what_yaml_1_1_took_for_something_else_is_text(text: str) -> None:
    assert one(f"a: {text}").data == {"a": text}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("-12", -12),
        ("010", 10),
        ("0o17", 15),
        ("0xff", 255),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("+1.", 1.0),
        ("'1'", "1"),
        ('"true"', "true"),
    ],
)
def test_values_follow_the_core_schema_of_yaml_1_2(text: str, value: object) -> None:
    found = one(f"a: {text}").data["a"]
    assert (type(found), found) == (type(value), value)


def test_keys_are_always_text() -> None:
    assert one("on: 1\n2024-01-01: 2\n3: 3\nnull: 4\n").data == {"on": 1, "2024-01-01": 2, "3": 3, "null": 4}


def test_several_documents_are_read_and_empty_ones_left_out() -> None:
    documents = read_documents("spec.yaml", b"a: 1\n---\n---\n# nothing\n---\nb: 2\n")
    assert [document.data for document in documents] == [{"a": 1}, {"b": 2}]
    assert str(documents[1].locate(("b",))) == "spec.yaml:6:4"


def test_an_alias_stands_for_its_anchor_and_points_there() -> None:
    document = one("a: &places [x, y]\nb: *places\n")
    assert document.data == {"a": ["x", "y"], "b": ["x", "y"]}
    assert pointed(document, "b", 1) == ("spec.yaml:1:16", "y")


def test_a_byte_order_mark_and_windows_line_ends_shift_nothing() -> None:
    (document,) = read_documents("spec.yaml", b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    assert pointed(document, "b") == ("spec.yaml:2:4", "2")


def answer(content: bytes) -> tuple[Document, ...] | SyntaxProblem:
    try:
        return read_documents("spec.yaml", content)
    except SyntaxProblem as problem:
        return problem


@given(st.text(st.characters(codec="utf-8")) | st.text("[]{}:,-?&*!|>'\"%@`# \t\na0<~.", max_size=40))
def test_any_text_gives_documents_or_one_finding_with_its_place(text: str) -> None:
    found = answer(text.encode())
    if isinstance(found, SyntaxProblem):
        where = found.diagnostic.location
        assert where is not None
        assert where.line is None or where.line <= len(text) + 1
        assert "\n" not in found.diagnostic.message


@given(st.binary(max_size=60))
def test_any_bytes_give_documents_or_one_finding(content: bytes) -> None:
    assert answer(content) is not None


TEXT = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=8)
NUMBERS = st.integers(-(2**62), 2**62) | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXT
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4))


@given(st.dictionaries(TEXT, VALUES, min_size=1, max_size=4))
def test_json_is_read_as_json_reads_it(data: dict[str, Any]) -> None:
    text = json.dumps(data, ensure_ascii=False)
    document = one(text)
    assert document.data == json.loads(text)
    for key in data:
        where = document.locate((key,), key=True)
        assert where.column is not None
        assert where.text is not None
        assert json.loads(where.text[where.column - 1 : where.column - 1 + where.length]) == key
