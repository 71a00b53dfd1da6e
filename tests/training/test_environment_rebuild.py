"""The recorded environment built again, by the real tools, from a folder of tiny wheels."""

from __future__ import annotations

import platform
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path
from typing import Literal

import pytest

from mlops_ci.core.records.training_run import TrainingEnvironment
from mlops_ci.training import environment_rebuild
from mlops_ci.training.environment import local_environment
from mlops_ci.training.environment_rebuild import provide_environment
from mlops_ci.training.workers import protocol


@pytest.fixture
def links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with tinylib 1.0, the only index that there is; by pip."""
    folder, about = tmp_path / "links", "tinylib-1.0.dist-info"
    folder.mkdir()
    with zipfile.ZipFile(folder / "tinylib-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("tinylib.py", "")
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: tinylib\nVersion: 1.0\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    by(monkeypatch, "pip")
    for name in ("PIP", "UV"):
        monkeypatch.setenv(f"{name}_NO_INDEX", "1")
        monkeypatch.setenv(f"{name}_FIND_LINKS", str(folder))
    return folder


def by(monkeypatch: pytest.MonkeyPatch, *tools: Literal["uv", "pip"]) -> None:
    monkeypatch.setattr(environment_rebuild, "INSTALLERS", tools)


def recorded(packages: dict[str, str], python: str = platform.python_version()) -> TrainingEnvironment:
    return TrainingEnvironment(python, packages)


def printed(interpreter: protocol.Interpreter, code: str) -> str:
    done = subprocess.run([interpreter.python, "-P", "-c", code], capture_output=True, text=True, check=True, env={})
    return done.stdout.strip()


def test_nothing_is_built_where_the_environment_at_hand_is_the_recorded_one(tmp_path: Path) -> None:
    found = provide_environment(local_environment(["numpy", "scikit-learn"]), tmp_path / "none")
    assert (found.interpreter, found.used.built_by, found.used.problem) == (protocol.CURRENT_INTERPRETER, None, None)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_what_was_recorded_is_built_with_nothing_of_the_environment_at_hand(
    links: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tool: Literal["uv", "pip"]
) -> None:
    if tool == "uv" and shutil.which("uv") is None:
        pytest.skip("uv is not installed")
    by(monkeypatch, tool)
    monkeypatch.setenv("PYTHONPATH", str(links))  # where pip would find what is installed already
    monkeypatch.setenv("PIP_TARGET", str(tmp_path / "elsewhere"))
    found = provide_environment(recorded({"tinylib": "1.0"}), tmp_path / "new", force=True)
    assert (found.used.built_by, found.used.problem) == (tool, None)
    assert found.used.environment.packages == {"tinylib": "1.0"}
    assert found.interpreter.has_own_packages
    paths = printed(found.interpreter, "import sys, tinylib; print(tinylib.__file__, *sys.path)")
    assert paths.startswith(str(tmp_path / "new"))
    assert "site-packages" not in paths.replace(str(tmp_path / "new"), "new").split("new")[0]
    assert printed(found.interpreter, "import importlib.util as u; print(u.find_spec('numpy'))") == "None"
    assert (Path(found.interpreter.toolkit) / "mlops_ci/training/workers/train.py").is_file()
    assert [path.name for path in Path(found.interpreter.toolkit).iterdir()] == ["mlops_ci"]


@pytest.mark.slow
def test_a_version_that_is_no_wheel_leaves_the_environment_at_hand_and_says_why(links: Path, tmp_path: Path) -> None:
    """Given a source distribution, whose build would run beside the index's credentials, then it is not built."""
    source = tmp_path / "tinylib-0.9"
    source.mkdir()
    (source / "setup.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with tarfile.open(links / "tinylib-0.9.tar.gz", "w:gz") as archive:
        archive.add(source, source.name)
    found = provide_environment(recorded({"tinylib": "0.9"}), tmp_path / "new")
    assert (found.interpreter, found.used.built_by, dict(found.used.environment.packages)) == (
        protocol.CURRENT_INTERPRETER,
        None,
        {},
    )
    assert "tinylib==0.9" in (found.used.problem or "")
    assert not (tmp_path / "ran").exists()


def test_a_python_that_is_not_here_is_told_and_the_packages_at_hand_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by(monkeypatch, "pip")
    found = provide_environment(recorded(dict(local_environment(["numpy"]).packages), "3.11.999"), tmp_path / "new")
    assert (found.interpreter, found.used.problem) == (
        protocol.CURRENT_INTERPRETER,
        "pip: Python 3.11.999 is not installed here",
    )


@pytest.mark.slow
def test_packages_of_a_python_that_is_not_here_are_built_for_the_one_at_hand(links: Path, tmp_path: Path) -> None:
    assert links.is_dir()
    found = provide_environment(recorded({"tinylib": "1.0"}, "3.11.999"), tmp_path / "new")
    assert (found.used.built_by, found.used.environment.python) == ("pip", platform.python_version())
    assert found.used.problem == "pip: Python 3.11.999 is not installed here"


@pytest.mark.parametrize(
    "environment",
    [
        recorded({"--index-url=http://evil.example": "1.0"}),
        recorded({"evil @ http://evil.example/evil.whl": "1.0"}),
        recorded({"numpy": "1.0 --pre"}),
        recorded({"numpy": "1.0"}, "/tmp/evil"),  # noqa: S108 - it is never used
        recorded({"numpy": "1.0"}, "2.7.18"),
        recorded({}, "3.11.999"),
    ],
)
def test_a_record_that_is_not_names_and_versions_reaches_no_command_line(
    environment: TrainingEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlops_ci.core.process.run_guarded", lambda *_, **__: pytest.fail("a program was run"))
    found = provide_environment(environment, tmp_path / "new")
    assert "the record does not list exact versions" in (found.used.problem or "")
