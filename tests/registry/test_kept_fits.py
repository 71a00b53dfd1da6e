"""A clone keeps a few fits that no run holds: bounded in number and age, and only as they were written."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from mlops_ci.core.digest import digest_file
from mlops_ci.core.planned_writes import KeepFit
from mlops_ci.core.records.base import FileDigest
from mlops_ci.core.records.training_run import Fit
from mlops_ci.registry import kept_fits
from mlops_ci.repository.git import Repository, create_repository


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    (tmp_path / "clone").mkdir()
    return create_repository(tmp_path / "clone")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "model.skops").write_bytes(b"model")
    return tmp_path / "model.skops"


def write_of(model: Path, key: str) -> KeepFit:
    file = FileDigest(model.name, digest_file(model), model.stat().st_size)
    return KeepFit("delay", key, Fit(file, "Ridge", ("openmp 4",), 1.5, "2026-01-01"), model, b"output")


def test_a_kept_fit_is_found_as_it_was_until_it_is_removed(repo: Repository, model: Path) -> None:
    write = write_of(model, "a")
    kept_fits.keep_fit(repo, write)
    kept_fits.keep_fit(repo, write)  # of a command that did the same at the same time
    found = kept_fits.find_fit(repo, "delay", "a")
    assert found is not None
    assert (found.fit, found.path.read_bytes(), found.log) == (write.fit, b"model", b"output")
    assert kept_fits.find_fit(repo, "delay", "b") is None
    assert kept_fits.find_fit(repo, "other", "a") is None
    kept_fits.remove_fit(repo, "delay", "a")
    assert list((kept_fits.fits_folder(repo) / "delay").iterdir()) == []
    kept_fits.remove_fit(repo, "delay", "a")


@pytest.mark.parametrize(
    ("ending", "content"), [(".model", b"other"), (".model", b""), (".json", b"{}"), (".json", b"\xff"), (".log", None)]
)
def test_a_damaged_fit_is_no_fit(repo: Repository, model: Path, ending: str, content: bytes | None) -> None:
    kept_fits.keep_fit(repo, write_of(model, "a"))
    path = kept_fits.fits_folder(repo) / "delay" / f"a{ending}"
    path.unlink() if content is None else path.write_bytes(content)
    assert kept_fits.find_fit(repo, "delay", "a") is None


def test_only_the_newest_fits_stay_and_none_for_ever(repo: Repository, model: Path) -> None:
    folder = kept_fits.fits_folder(repo) / "delay"
    for at in range(5):
        kept_fits.keep_fit(repo, write_of(model, f"{at}"))
        os.utime(folder / f"{at}.json", (time.time() + at, time.time() + at))
    assert {path.stem for path in folder.iterdir()} == {"2", "3", "4"}
    long_ago = time.time() - 2 * kept_fits.FIT_LIFETIME
    (folder / "new-killed").mkdir()
    for path in (*folder.iterdir(),):
        os.utime(path, (long_ago, long_ago))
    kept_fits.keep_fit(repo, write_of(model, "5"))
    assert {path.stem for path in folder.iterdir()} == {"5"}


def test_a_fit_that_another_command_removes_meanwhile_is_passed_over(repo: Repository, model: Path) -> None:
    """Two commands of one clone keep fits of one model: what the first listed, the second may have removed."""
    folder = kept_fits.fits_folder(repo) / "delay"
    kept_fits.keep_fit(repo, write_of(model, "a"))
    (folder / "gone.json").symlink_to(folder / "removed")  # in the list, and not there
    kept_fits.keep_fit(repo, write_of(model, "b"))
    assert {path.stem for path in folder.iterdir()} == {"a", "b"}
