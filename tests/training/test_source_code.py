"""Which files of the repository a model is made of, by reading imports alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops_ci.training.source_code import code_files, imported_packages, possible_code_paths


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A repository whose model imports a neighbour, a package with a relative import, and installed packages."""
    files = {
        "models/make.py": "import helper, numpy as np\nfrom shared.rows import clean\nfrom scipy import stats\nimport json\n",
        "models/helper.py": "import unused_elsewhere\n",
        "shared/__init__.py": "",
        "shared/rows.py": "from . import names\nfrom .deep.er import thing\n",
        "shared/names.py": "raise SystemExit('nobody runs this')\n",
        "shared/deep/er.py": "",
        "models/stranger.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_model_is_made_of_its_entrypoint_and_of_all_that_this_imports_from_the_repository(repo: Path) -> None:
    found = [file.path for file in code_files(repo, "models/make.py:build")]
    assert found == [
        "models/helper.py",
        "models/make.py",
        "shared/__init__.py",
        "shared/deep/er.py",
        "shared/names.py",
        "shared/rows.py",
    ]


def test_without_an_entrypoint_there_is_no_code(repo: Path) -> None:
    assert (code_files(repo, None), imported_packages(repo, None)) == ((), ())


def test_packages_are_those_installed_ones_that_any_of_its_files_imports(repo: Path) -> None:
    assert imported_packages(repo, "models/make.py:build") == ("numpy", "scipy")


def test_a_file_that_would_be_imported_if_it_were_there_is_known_of(repo: Path) -> None:
    found = possible_code_paths(repo, "models/make.py:build")
    assert repo / "models/unused_elsewhere.py" in found
    assert repo / "models/stranger.py" not in found


def test_an_entrypoint_outside_the_repository_is_not_read(repo: Path) -> None:
    assert code_files(repo / "models", "../shared/rows.py:f") == ()


@pytest.mark.parametrize("text", ["def (", "\0", "x = " + "(" * 500])
def test_a_file_that_is_not_python_counts_by_its_bytes(text: str, tmp_path: Path) -> None:
    (tmp_path / "make.py").write_text(text)
    (file,) = code_files(tmp_path, "make.py:build")
    assert (file.path, file.size) == ("make.py", len(text))
