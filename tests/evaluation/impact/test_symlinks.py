"""A path that is read by way of links changes with each of them, and with what they lead to."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops_ci.evaluation.impact.symlinks import SymlinkResolver


@pytest.fixture
def top(tmp_path: Path) -> Path:
    (tmp_path / "real/deep").mkdir(parents=True)
    (tmp_path / "real/file").write_text("")
    for name, target in {
        "one": "real", "two": "one", "real/up": "../real/deep", "file": "one/file", "whole": str(tmp_path / "real"),
        "loop": "pool", "pool": "loop", "out": "..", "away": "/etc", "self": ".", "gone": "nowhere/x",
    }.items():  # fmt: skip
        (tmp_path / name).symlink_to(target)
    return tmp_path.resolve()


@pytest.mark.parametrize(
    ("path", "links", "real"),
    [
        ("real/file", set(), "real/file"),
        ("one/file", {"one"}, "real/file"),
        ("two/file", {"two", "one"}, "real/file"),
        ("two/up/x", {"two", "one", "real/up"}, "real/deep/x"),
        ("file", {"file", "one"}, "real/file"),
        ("whole/file", {"whole"}, "real/file"),
        ("self/self/real", {"self"}, "real"),
        ("gone", {"gone"}, "nowhere/x"),
        ("missing/x", set(), "missing/x"),
        ("loop/x", {"loop", "pool"}, None),
        ("out/x", {"out"}, None),
        ("away/x", {"away"}, None),
    ],
)
def test_a_path_is_followed_to_where_it_really_is(top: Path, path: str, links: set[str], real: str | None) -> None:
    assert SymlinkResolver(top).follow(path) == (frozenset(links), real)
    assert SymlinkResolver(top).affecting_paths(path) == {path, *links, *([real] if real else [])}
