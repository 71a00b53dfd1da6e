"""What reading a package's source tells about its classes: the truth where it can be known, else nothing."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from mlops_ci.spec.estimator_class import constructor_parameters, find_class, prediction_kind
from mlops_ci.spec.python_source import package_folder


def test_of_every_estimator_of_scikit_learn_the_source_says_what_the_class_itself_says() -> None:
    folder = package_folder("sklearn")
    assert folder is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sklearn.utils import all_estimators

        estimators = [(kind, all_estimators(type_filter=kind)) for kind in ("classifier", "regressor")]
    assert sum(len(found) for _, found in estimators) > 80
    for kind, found in estimators:
        for name, cls in found:
            public = [part for part in cls.__module__.split(".")[1:] if not part.startswith("_")][:1]
            inner = (
                public
                if hasattr(importlib.import_module(f"sklearn.{public[0]}"), name)
                else cls.__module__.split(".")[1:]
            )
            read = find_class(folder, inner, name)
            assert read is not None, name
            assert constructor_parameters(read) == tuple(inspect.signature(cls).parameters), name
            assert prediction_kind(read) == kind.capitalize(), name


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package whose classes come through imports, inheritance, and code that only running would explain."""
    folder = tmp_path / "lib"
    (folder / "deep").mkdir(parents=True)
    (folder / "__init__.py").write_text("from .deep import Plain, Aliased as Other\nfrom . import missing\n")
    (folder / "deep" / "__init__.py").write_text(
        "from ._inner import Plain\nfrom lib.deep._inner import *\nfrom ._inner import Child as Aliased\n"
    )
    (folder / "deep" / "_inner.py").write_text(
        "from elsewhere import Foreign, ClassifierMixin\n"
        "class Base:\n    def __init__(self, a, *, b=1): ...\n"
        "class Plain(Base): ...\n"
        "class Child(ClassifierMixin, Base):\n    def __init__(self, c=1, /, d=2): ...\n"
        "class Anything(Base):\n    def __init__(self, a, **rest): ...\n"
        "class FromElsewhere(Foreign): ...\n"
        "class Ambiguous(Base, Child): ...\n"
        "@dataclass\nclass Decorated: ...\n"
        "class Wrapped:\n    @wrapped\n    def __init__(self, a): ...\n"
        "class Circle(Round): ...\nclass Round(Circle): ...\n"
        "try:\n    class Twice(Base): ...\nexcept ImportError:\n    class Twice: ...\n"
    )
    return folder


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("Plain", ("a", "b")),
        ("Other", ("d",)),
        ("deep.Plain", ("a", "b")),
        ("deep._inner.Anything", None),
        ("deep._inner.FromElsewhere", None),
        ("deep._inner.Ambiguous", None),
        ("deep._inner.Decorated", None),
        ("deep._inner.Wrapped", None),
        ("deep._inner.Circle", None),
    ],
)
def test_parameters_are_those_of_the_constructor_or_unknown(package: Path, path: str, wanted: object) -> None:
    *inner, name = path.split(".")
    found = find_class(package, inner, name)
    assert found is not None
    assert constructor_parameters(found) == wanted


@pytest.mark.parametrize("path", ["missing", "deep.Base", "deep._inner.Twice", "nowhere.Plain", "deep._inner.Foreign"])
def test_a_class_that_reading_cannot_settle_is_none(package: Path, path: str) -> None:
    *inner, name = path.split(".")
    assert find_class(package, inner, name) is None


@pytest.mark.parametrize(
    ("name", "wanted"), [("Child", "Classifier"), ("Ambiguous", "Classifier"), ("Plain", None), ("Circle", None)]
)
def test_a_mixin_among_the_bases_says_what_is_predicted(package: Path, name: str, wanted: str | None) -> None:
    found = find_class(package, ["deep", "_inner"], name)
    assert found is not None
    assert prediction_kind(found) == wanted


def test_reading_an_estimator_takes_a_tenth_of_a_second(tmp_path: Path) -> None:
    """Given a cold process, then the largest estimator's module is read quickly, and nothing is imported for it."""
    script = (
        "import sys, time; from mlops_ci.spec import estimator_class, python_source\n"
        "folder = python_source.package_folder('sklearn'); times = []\n"
        "for _ in range(5):\n"
        "    python_source.parse_installed_file.cache_clear(); start = time.process_time()\n"
        "    found = estimator_class.find_class(folder, ['ensemble'], 'HistGradientBoostingClassifier')\n"
        "    assert estimator_class.constructor_parameters(found) and estimator_class.prediction_kind(found) == 'Classifier'\n"
        "    times.append(time.process_time() - start)\n"
        "assert min(times) < 0.1, times; assert 'sklearn' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
