"""Every row of docs/situations.md, in the situation that it is about."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.situations.catalogue import Said, Situation, Stage, kinds, origin_refs
from tests.situations.page import PAGE, page
from tests.support.consumer import Consumer

ROWS = [
    pytest.param(situation, id=situation.slug, marks=[pytest.mark.slow] if situation.slow else [])
    for _, situations in kinds()
    for situation in situations
]


@pytest.mark.parametrize("situation", ROWS)
def test_in_a_situation_each_command_says_what_the_page_says(
    situation: Situation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    with ExitStack() as stack:
        stage = Stage(tmp_path, stack, monkeypatch, request)
        consumer = situation.arrange(stage)
        for one in situation.said:
            _require_said(consumer, one)
        if situation.then is not None:
            situation.then(stage, consumer)


def _require_said(consumer: Consumer, expected: Said) -> None:
    before = origin_refs(consumer)
    done = consumer.run(*expected.command.split(), "--format", "json")
    told = f"{expected.command}\n{done.stdout}{done.stderr}"
    assert done.returncode == expected.exit, told
    found = json.loads(done.stdout)["diagnostics"]
    first = next((item for item in found if item["severity"] == "error"), found[0] if found else None)
    assert (first["id"] if first else "") == expected.id, told
    if first is not None:
        assert expected.words in f"{first['message']}; {first.get('help') or ''}", told
    assert sum(line.startswith("  push") for line in done.stderr.splitlines()) <= expected.pushes, told
    if expected.exit in (1, 3) and not expected.writes:
        assert origin_refs(consumer) == before, told


def test_the_page_is_what_the_catalogue_makes() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m tests.situations"


def test_no_situation_is_there_twice() -> None:
    slugs = [situation.slug for _, situations in kinds() for situation in situations]
    assert sorted(set(slugs)) == sorted(slugs)
