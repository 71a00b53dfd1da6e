"""The repository's own code: found, called, and its errors told by its own lines."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_ci.core.errors import Findings, ToolError, UsageProblem
from mlops_ci.training.user_code import call_user_code, entrypoint_folders, load_entrypoint


@pytest.fixture(autouse=True)
def imports(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget what was imported."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        sys.modules.pop(name)


def refused(root: Path, entrypoint: str) -> str:
    with pytest.raises(ToolError) as caught:
        load_entrypoint(entrypoint, root)
    return caught.value.diagnostics[0].id


def test_code_may_import_from_its_own_folder_and_from_the_repository(tmp_path: Path) -> None:
    assert entrypoint_folders("models/make.py:build", tmp_path) == (str(tmp_path / "models"), str(tmp_path))
    assert entrypoint_folders("make.py:build", tmp_path) == (str(tmp_path),)
    assert entrypoint_folders(None, tmp_path) == ()


def test_two_functions_of_a_file_come_from_one_import(tmp_path: Path) -> None:
    (tmp_path / "twice_used.py").write_text("seen = []\ndef one(): return seen\ndef two(): return seen\n")
    one, two = (load_entrypoint(f"twice_used.py:{name}", tmp_path) for name in ("one", "two"))
    assert one() is two()


@pytest.mark.parametrize(
    ("entrypoint", "id"),
    [
        ("absent.py:build", "entrypoint-missing"),
        ("../outside.py:build", "entrypoint-missing"),
        ("make_it.py:absent", "entrypoint-missing"),
        ("make_it.py:number", "entrypoint-missing"),
        ("json.py:build", "entrypoint-name-taken"),
        ("broken_file.py:build", "entrypoint-failed"),
    ],
)
def test_what_cannot_be_an_entrypoint_is_refused(entrypoint: str, id: str, tmp_path: Path) -> None:
    root = tmp_path / "repo"
    root.mkdir()
    (tmp_path / "outside.py").write_text("def build(): ...\n")
    (root / "make_it.py").write_text("number = 3\n")
    (root / "json.py").write_text("def build(): ...\n")
    (root / "broken_file.py").write_text("def build(:\n")
    assert refused(root, entrypoint) == id


def test_an_error_is_told_by_the_deepest_line_of_the_repositorys_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "raises_it.py").write_text(
        "import json\n\ndef build():\n    return inner()\n\ndef inner():\n    return json.loads('{')\n"
    )
    function = load_entrypoint("raises_it.py:build", tmp_path)
    with pytest.raises(Findings) as caught:
        call_user_code(function, "entrypoint-failed", "it failed", "fix it", tmp_path)
    (found,) = caught.value.diagnostics
    assert found.location is not None
    assert (found.location.path, found.location.line, found.location.column) == ("raises_it.py", 7, 5)
    assert found.location.text == "    return json.loads('{')"
    assert found.message.startswith("it failed: JSONDecodeError: Expecting property name")
    log = capsys.readouterr().err
    assert "raises_it.py" in log
    assert "user_code.py" not in log


def test_an_error_of_the_toolkit_stays_what_it_is(tmp_path: Path) -> None:
    def refuse() -> None:
        raise UsageProblem.of("estimator-unknown", "no such estimator")

    with pytest.raises(UsageProblem):
        call_user_code(refuse, "entrypoint-failed", "it failed", "fix it", tmp_path)


def test_code_that_ends_the_process_has_failed(tmp_path: Path) -> None:
    with pytest.raises(Findings) as caught:
        call_user_code(lambda: sys.exit(3), "entrypoint-failed", "it failed", "fix it", tmp_path)
    assert caught.value.diagnostics[0].message == "it failed: SystemExit: 3"
