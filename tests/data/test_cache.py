"""Answers about data, kept by what they are about; a cache that is damaged is as if it were empty."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops_ci.core.records.base import FileDigest
from mlops_ci.core.records.training_run import ModelField
from mlops_ci.data import cache
from mlops_ci.data.cache import cache_key, read_cache_entry, write_cache_entry

FILE = FileDigest("data.csv", "0" * 64, 10)
VALUE = ModelField("a", "number")


def test_what_is_kept_is_found_again(tmp_path: Path) -> None:
    write_cache_entry(tmp_path / "cache", "key", VALUE)
    assert read_cache_entry(tmp_path / "cache", "key", ModelField) == VALUE
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["key.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "a"}', '{"name": "a", "type": 3}', "\x00", "[" * 100_000])
def test_a_damaged_answer_is_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text(text)
    assert read_cache_entry(tmp_path, "key", ModelField) is None


def test_without_a_cache_nothing_is_kept_and_nothing_fails(tmp_path: Path) -> None:
    write_cache_entry(None, "key", VALUE)
    assert read_cache_entry(None, "key", ModelField) is None
    (tmp_path / "file").write_text("in the way")
    write_cache_entry(tmp_path / "file", "key", VALUE)
    assert read_cache_entry(tmp_path / "file", "key", ModelField) is None


def test_every_part_of_a_question_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [
        cache_key("a", (FILE,), "split", ["x"]),
        cache_key("b", (FILE,), "split", ["x"]),
        cache_key("a", (FILE, FILE), "split", ["x"]),
        cache_key("a", (FileDigest("other.csv", FILE.sha256, 10),), "split", ["x"]),
        cache_key("a", (FILE,), "profile", ["x"]),
        cache_key("a", (FILE,), "split", ["x", "y"]),
    ]
    monkeypatch.setattr(cache, "DATA_FORMAT", cache.DATA_FORMAT + 1)
    keys.append(cache_key("a", (FILE,), "split", ["x"]))
    assert len(set(keys)) == len(keys)
