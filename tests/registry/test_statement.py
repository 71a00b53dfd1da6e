from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_ci.core.codec import DecodeError
from mlops_ci.core.records.base import EventRef
from mlops_ci.core.records.events import LedgerHead
from mlops_ci.registry.statement import decode_event_record, encode_assignment, encode_release, parse_statement
from mlops_ci.registry.tag_message import format_tag_message
from tests.support.registry_samples import RELEASE, assignment


def test_a_release_survives_its_tag() -> None:
    release = replace(RELEASE, previous=EventRef("delay#prod#3", "9" * 40))
    found = parse_statement(format_tag_message("delay v1.0.0", release.evidence.sentence, encode_release(release)))
    assert found is not None
    assert decode_event_record(found) == release


def test_a_release_that_was_counted_survives_its_tag_and_so_does_one_that_says_nothing_of_it() -> None:
    evidence = replace(RELEASE.evidence, confidence=0.999, budget=50)
    counted = replace(
        RELEASE, evidence=evidence, ledger=LedgerHead("refs/mlops/ledger/flights/1", "9" * 40, 3), previous=None
    )
    for release in (counted, RELEASE):
        found = parse_statement(format_tag_message("delay v1.0.0", "auc is good", encode_release(release)))
        assert found is not None
        assert decode_event_record(found) == release
    assert not {"confidence", "budget", "ledger"} & set(re.findall(r'"(\w+)":', json.dumps(encode_release(RELEASE))))


def test_an_assignment_survives_its_tag() -> None:
    made = assignment(3, reason='late arrivals: "worse"\n{"_type": fake}', rollback_of="2.0.0")
    found = parse_statement(format_tag_message("t", "s", encode_assignment(made)))
    assert found is not None
    assert decode_event_record(found) == made


def test_a_release_is_slsa_provenance_about_the_models_files() -> None:
    statement = encode_release(RELEASE)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    assert [(item["name"], item["digest"]) for item in statement["subject"]] == [
        ("delay/model.skops", {"sha256": "8" * 64}),
        ("delay/signature.json", {"sha256": "9" * 64}),
    ]
    dependencies = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert dependencies[0] == {"name": "commit", "digest": {"gitCommit": "c" * 40}}
    (data,) = RELEASE.data
    assert dependencies[2] == {
        "name": "flights",
        "digest": {"sha256": "a" * 64},
        "annotations": {"trainRows": 64_081, "schemaDigest": "5" * 64, "filesDigest": data.files_digest},
    }


def test_the_message_is_a_title_a_sentence_and_canonical_json() -> None:
    text = format_tag_message("delay v1.0.0", "auc is good", {"b": 1, "a": "\u00e9"})
    assert text == 'delay v1.0.0\n\nauc is good\n\n{"a":"\u00e9","b":1}\n'


def test_a_sentence_that_imitates_a_record_is_not_read() -> None:
    real = encode_release(RELEASE)
    text = format_tag_message("t", '{"_type":"https://in-toto.io/Statement/v1","subject":[]}', real)
    assert parse_statement(text) == json.loads(json.dumps(real))


@pytest.mark.parametrize("where", ["runDetails", "buildDefinition", "event"])
def test_a_release_with_a_part_missing_is_no_record(where: str) -> None:
    statement: dict[str, Any] = json.loads(json.dumps(encode_release(RELEASE)))
    del statement["predicate"][where]
    with pytest.raises(DecodeError):
        decode_event_record(statement)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"entryFile": "model.skops"', '"entryFile": "gone"'),
        ('"name": "delay/model.skops"', '"name": "delay/other"'),
        ('"modelFormat": ', '"modelFormats": '),
        ('"name": "skops", "entryFile"', '"name": "skops", "version": 1, "entryFile"'),
        ('"name": "flights"', '"names": "flights"'),
    ],
)
def test_a_release_names_its_data_and_a_model_file_that_it_signs_for(old: str, new: str) -> None:
    text = json.dumps(encode_release(RELEASE))
    assert decode_event_record(json.loads(text)) == RELEASE
    assert old in text
    with pytest.raises(DecodeError):
        decode_event_record(json.loads(text.replace(old, new)))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), json_values, max_size=4), json_values, json_values)
def test_hostile_statements_are_refused_without_a_crash(extra: dict[str, Any], subject: Any, predicate: Any) -> None:
    for kind in ("https://slsa.dev/provenance/v1", "urn:mlops-ci:assignment:v1"):
        statement = {
            **extra,
            "_type": "https://in-toto.io/Statement/v1",
            "predicateType": kind,
            "subject": subject,
            "predicate": predicate,
        }
        with pytest.raises(DecodeError):
            decode_event_record(statement)


@given(st.text())
def test_any_message_is_read_without_a_crash(text: str) -> None:
    parse_statement(text)
    parse_statement('{"_type":' + text)
