"""Files that a child must not write, and records that are made again when it did."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlops_ci.core.child_watch import observe_child, watch_children
from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.core.leftovers import scratch_prefix
from mlops_ci.core.watched_files import DataWatch, EntryWatch


@pytest.mark.parametrize("what", ["rewritten", "new", "gone", "rewritten with the old time", "swapped"])
def test_data_that_a_child_writes_are_named(tmp_path: Path, what: str) -> None:
    file, other = tmp_path / "a.csv", tmp_path / "b.csv"
    file.write_text("x\n1\n")
    before = file.stat()

    def act() -> None:
        if what == "gone":
            file.unlink()
        elif what == "new":
            other.write_text("x\n2\n")
        elif what == "swapped":
            (tmp_path / "c").write_text("x\n2\n")
            (tmp_path / "c").rename(file)
        else:
            file.write_text("x\n2\n")
        if what == "rewritten with the old time":
            os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

    with watch_children(DataWatch(lambda: tmp_path.glob("*.csv"))):
        with observe_child():
            file.read_text()
        with pytest.raises(EnvironmentProblem) as found, observe_child():
            act()
    (one,) = found.value.diagnostics
    assert (one.id, str(other if what == "new" else file) in one.message) == ("data-changed", True)


def test_data_that_one_child_writes_are_not_read_for_the_next_model(tmp_path: Path) -> None:
    """Given data that were written between two children, when the second one starts, then it does not."""
    file = tmp_path / "a.csv"
    file.write_text("1")
    with watch_children(DataWatch(lambda: [file])):
        with observe_child():
            pass
        file.write_text("2")
        with pytest.raises(EnvironmentProblem, match=r"a\.csv"), observe_child():
            pytest.fail("the child has started")


def test_records_that_a_child_writes_are_removed_and_ours_stay(tmp_path: Path) -> None:
    ours, theirs, changed = (tmp_path / name for name in ("ours.json", "theirs.json", "changed.json"))
    for file in (ours, changed):
        file.write_text("{}")
    with watch_children(EntryWatch(tmp_path)):
        with observe_child():
            theirs.write_text("{}")
            changed.write_text("[1]")
        assert sorted(tmp_path.iterdir()) == [ours]
        theirs.write_text("made by this process")
        with observe_child():
            pass
    assert sorted(tmp_path.iterdir()) == [ours, theirs]


def test_what_another_command_has_not_moved_to_its_place_stays(tmp_path: Path) -> None:
    """Given two commands in one clone, when one writes a record while the other's child runs, then it stays."""
    made = tmp_path / "fits" / f"{scratch_prefix()}new-1"
    with watch_children(EntryWatch(tmp_path)), observe_child():
        made.mkdir(parents=True)
        (made / "fit.json").write_text("{}")
    assert (made / "fit.json").exists()
