"""Records to JSON and back: every value that a record can hold, and no value that it cannot."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_ci.core.codec import DecodeError, decode, decode_json, encode
from mlops_ci.core.digest import canonical_json


@dataclass(frozen=True)
class Inner:
    flag: bool
    label: str | int | bool


@dataclass(frozen=True)
class Outer:
    some_name: str
    number: float
    count: int = 0
    parts: tuple[Inner, ...] = ()
    table: Mapping[str, float | None] | None = None
    kind: Literal["Outer"] = "Outer"
    format: Literal[1] = 1


text = st.text(max_size=8)
finite = st.floats(allow_nan=False, allow_infinity=False)
inner = st.builds(Inner, st.booleans(), st.one_of(text, st.integers(), st.booleans()))
tables = st.none() | st.dictionaries(text, st.none() | finite, max_size=3)
outer = st.builds(Outer, text, finite, st.integers(), st.lists(inner, max_size=3).map(tuple), tables)


@given(outer)
def test_a_record_is_the_same_after_its_json(value: Outer) -> None:
    assert decode_json(Outer, canonical_json(encode(value)).encode()) == value


def of(**changes: Any) -> str:
    return json.dumps({"someName": "a", "number": 1.5, **changes})


@pytest.mark.parametrize(
    ("hostile", "where"),
    [
        (of().replace("1.5", "NaN"), "not JSON: ValueError: NaN"),
        (of().replace("1.5", "Infinity"), "not JSON: ValueError: Infinity"),
        (of().replace("1.5", "-Infinity"), "not JSON: ValueError: -Infinity"),
        (of().replace("1.5", "1e999"), "$.number: not a finite number"),
        (of(number=10**400), "$.number: not a finite number"),
        (of().replace("1.5", "9" * 5000), "not JSON"),
        (of(table={"a": 10**400}), "$.table"),
        (of(someName="\ud800"), "$.someName: not text"),
        (of(table={"\udfff": 1.0}), "$.table"),
        (of(parts=[{"flag": True, "label": "\ud800"}]), "$.parts[0].label"),
        (of(**{"\ud800": 1}), "unknown field '\\ud800'"),
        (of(format=True), "$.format"),
        (of(format=1.0), "$.format"),
        (of(number=True), "$.number"),
        (of(count=1.0), "$.count"),
        (of(parts={}), "$.parts: expected a list"),
        (of(kind=["Outer"]), "$.kind"),
        ("[" * 100_000, "not JSON: RecursionError"),
        ('{"someName":' * 100_000, "not JSON: RecursionError"),
        ("[]", "$: expected an object"),
        ("", "not JSON"),
        ("{}", "missing field 'someName'"),
    ],
    ids=lambda value: value[:40],
)
def test_whatever_the_text_holds_the_answer_is_a_decode_error(hostile: str, where: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_json(Outer, hostile)
    assert where in str(caught.value)
    str(caught.value).encode()  # it can be printed


def test_bytes_that_are_no_text_are_a_decode_error() -> None:
    for content in (b"\xff\xfe\xff", b"\x00", b"{\xff}"):
        with pytest.raises(DecodeError, match="not JSON"):
            decode_json(Outer, content)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=()), max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["someName", "number", "parts", "table", "kind", "x"]), anything))
def test_data_decode_to_a_record_that_can_be_written_or_not_at_all(data: dict[str, Any]) -> None:
    try:
        found = decode(Outer, data)
    except DecodeError:
        return
    assert decode(Outer, json.loads(canonical_json(encode(found)).encode())) == found
