"""What a process would leave behind is removed when it must end at once."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from mlops_ci.core import leftovers

A_FAMILY = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], start_new_session=True)
print(child.pid, flush=True)
time.sleep(300)
"""
LEAVES_MUCH = f"""
import subprocess, sys, tempfile
from mlops_ci.core import leftovers
child = subprocess.Popen([sys.executable, "-c", {A_FAMILY!r}], stdout=subprocess.PIPE)
grandchild = int(child.stdout.readline())
outsider = int(subprocess.run(["sh", "-c", "sleep 300 >/dev/null 2>&1 & echo $!"], capture_output=True).stdout)
leftovers.outsiders.add(outsider)
with leftovers.scratch_folder("one") as folder:
    (folder / "deep").mkdir()
    (folder / "deep" / "file").touch()
    leftovers.unused_scratch_path("spill").mkdir()
    leftovers.remove_leftovers()
    print(child.pid, grandchild, outsider, folder.exists())
    folder.mkdir()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_programs_and_folders_of_a_process_go_and_others_stay(tmp_path: Path) -> None:
    (tmp_path / "mlops-ci-of-another").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", LEAVES_MUCH], env={"TMPDIR": str(tmp_path)}, capture_output=True, text=True, check=True
    )
    *pids, exists = done.stdout.split()
    assert exists == "False"
    assert [is_alive(int(pid)) for pid in pids] == [False, False, False]
    assert [path.name for path in tmp_path.iterdir()] == ["mlops-ci-of-another"]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_scratch_folder_is_gone_after_use() -> None:
    with leftovers.scratch_folder("test") as folder:
        assert folder.parent == Path(tempfile.gettempdir())
        assert folder.is_dir()
    assert not folder.exists()


def test_no_two_connections_share_a_folder_for_what_they_spill() -> None:
    assert leftovers.unused_scratch_path("spill") != leftovers.unused_scratch_path("spill")


KEPT = """
import sys, time
from pathlib import Path
from mlops_ci.core import leftovers
with leftovers.scratch_folder("one"), leftovers.hold(Path(sys.argv[1])):
    leftovers.unused_scratch_path("spill").mkdir()
    (Path(sys.argv[1]) / "deep" / f"{leftovers.scratch_prefix()}x.tmp").touch()
    print("ready", flush=True)
    time.sleep(300)
"""
CLEANS = """
import sys
from pathlib import Path
from mlops_ci.core import leftovers
leftovers.remove_abandoned()
leftovers.remove_abandoned(Path(sys.argv[1]))
"""


def test_what_a_killed_process_left_is_removed_by_the_next_and_what_a_living_one_has_is_not(tmp_path: Path) -> None:
    """Given scratch of a process, and some of another machine, when it is killed, then its own goes, and not before."""
    scratch, cache = tmp_path / "scratch", tmp_path / "cache"
    foreign = ("mlops-ci-00000000-0123456789ab.lock", "mlops-ci-00000000-0123456789ab-one-x", "mlops-ci-of-another")
    for folder in (scratch, cache / "deep", *(scratch / name for name in foreign)):
        folder.mkdir(parents=True)
    (cache / "deep" / "entry.json").touch()
    env = {**os.environ, "TMPDIR": str(scratch)}

    def clean() -> list[str]:
        subprocess.run([sys.executable, "-c", CLEANS, str(cache)], env=env, check=True)
        return sorted(path.name for path in (*scratch.iterdir(), *cache.rglob("*")))

    child = subprocess.Popen([sys.executable, "-c", KEPT, str(cache)], env=env, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    before = sorted(path.name for path in (*scratch.iterdir(), *cache.rglob("*")))
    assert (len(before), clean()) == (10, before)  # two folders and a file, and a lock in either place
    child.kill()
    child.communicate()
    assert clean() == sorted([*foreign, "deep", "entry.json"])


def test_the_folder_of_another_user_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given what looks like abandoned scratch, when it belongs to another user, then it is left alone."""
    token = f"{leftovers.scratch_prefix().rsplit('-', 2)[0]}-0123456789ab"
    (tmp_path / f"{token}.lock").touch()
    (tmp_path / f"{token}-one").mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    leftovers.remove_abandoned(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    monkeypatch.undo()
    leftovers.remove_abandoned(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_a_folder_for_temporary_files_nothing_is_written_where_the_user_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # as tempfile finds it where /tmp cannot be written
    with pytest.raises(OSError, match="no folder for temporary files"), leftovers.scratch_folder("one"):
        raise AssertionError
    assert list(tmp_path.iterdir()) == []
