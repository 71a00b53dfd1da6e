"""The quick answer to whether a spec is valid is jsonschema's answer, for every schema and whatever the document."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_ci.spec.schemas import json_schema
from mlops_ci.spec.spec_types import SPEC_KINDS
from mlops_ci.spec.validation.fast_check import compile_schema, schema_predicate
from mlops_ci.spec.validation.jsonschema_validator import schema_validator
from mlops_ci.spec.yaml.document import read_documents
from mlops_ci.spec.yaml.nodes import SyntaxProblem

EXAMPLES = Path(__file__).parents[1] / "examples"


def documents() -> list[Any]:
    found: list[Any] = [example for kind in SPEC_KINDS for example in json_schema(kind)["examples"]]
    for file in sorted(EXAMPLES.glob("*/**/*.y*ml")):
        try:
            found += [document.data for document in read_documents(file.name, file.read_bytes())]
        except SyntaxProblem:
            continue
    return [one for one in found if isinstance(one, dict) and one.get("kind") in SPEC_KINDS]


DOCUMENTS = documents()
VALUES: tuple[Any, ...] = (None, True, False, 0, 1, 1.0, -1, 0.5, 1e300, 2**40, "", "a", "A b", "all", "sealed", "x\n", "2024-01-01", "key-hash", [], [1, 1.0], ["a", "a"], [True, 1], [[]], {}, {"": 1}, {"name": "a"}, {"metric": "auc"})  # fmt: skip


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, one in inner for place in places(one, (*at, key)))]


@st.composite
def changed(draw: st.DrawFn) -> Any:
    """A document of the examples with one to three of its values replaced, removed, or joined by another field."""
    document = copy.deepcopy(draw(st.sampled_from(DOCUMENTS)))
    for _ in range(draw(st.integers(1, 3))):
        *above, last = draw(st.sampled_from(places(document)[1:] or [("kind",)]))
        holder = document
        for part in above:
            holder = holder[part]
        how = draw(st.sampled_from(["replace", "remove", "add"]))
        if how == "remove":
            del holder[last]
        elif how == "add" and isinstance(holder, dict):
            name = draw(st.sampled_from(["by", "min", "max", "type", "source", "test", "", "other"]))
            holder[name] = copy.deepcopy(draw(st.sampled_from(VALUES)))  # the next change may be inside of it
        else:
            holder[last] = copy.deepcopy(draw(st.sampled_from(VALUES)))
    return document


def test_the_examples_have_valid_and_invalid_specs_of_every_kind() -> None:
    answers = {(one["kind"], schema_validator(one["kind"]).is_valid(one)) for one in DOCUMENTS}
    assert answers == {(kind, answer) for kind in SPEC_KINDS for answer in (True, False)}


def test_every_example_gets_jsonschemas_answer() -> None:
    assert [schema_predicate(one["kind"])(one) for one in DOCUMENTS] == [
        schema_validator(one["kind"]).is_valid(one) for one in DOCUMENTS
    ]


@given(changed(), st.sampled_from(list(SPEC_KINDS)))
def test_every_change_of_an_example_gets_jsonschemas_answer(document: Any, kind: str) -> None:
    named = document.get("kind")
    kind = named if isinstance(named, str) and named in SPEC_KINDS else kind
    assert schema_predicate(kind)(document) == schema_validator(kind).is_valid(document)


@pytest.mark.parametrize(
    "rules",
    [
        {"contains": {"const": 1}},
        {"const": [1]},
        {"$ref": "https://example.org/other.json"},
        {"properties": {"a": {"format": "date"}}},
    ],
)
def test_a_keyword_that_is_not_known_is_an_error_and_never_passed_over(rules: Any) -> None:
    with pytest.raises(ValueError, match=r"not supported here|does not point into"):
        compile_schema(rules, rules)


@pytest.mark.parametrize("value", [True, 1, 1.0, 0, False, "1", None])
def test_true_is_not_one(value: Any) -> None:
    rules = {"enum": [1, False]}
    assert compile_schema(rules, rules)(value) == (value is False or (not isinstance(value, bool) and value == 1))


def test_a_valid_project_is_read_without_jsonschema(tmp_path: Path) -> None:
    import subprocess
    import sys

    (tmp_path / "mlops.yaml").write_text("apiVersion: mlops-ci/v1\nkind: Project\nmetadata: {name: a}\nspec: {}\n")
    code = f"import sys; from pathlib import Path; from mlops_ci.spec.load import load_specs; assert load_specs(Path({str(tmp_path)!r}))[0]; assert 'jsonschema' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
