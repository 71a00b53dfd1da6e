"""What a process would leave behind is removed when it must end at once."""

from __future__ import annotations

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
