"""The list of reviewed types against the libraries that it was made for: what is on it, and by which rules."""

from __future__ import annotations

import importlib
import inspect
import io
import json
import re
import zipfile
from collections import OrderedDict, defaultdict
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.metrics.pairwise
import sklearn.model_selection._split
from sklearn.base import BaseEstimator
from sklearn.gaussian_process import kernels
from sklearn.metrics import get_scorer, get_scorer_names

from mlops_ci.training.packaging.reviewed_types import read_reviewed_types, require_reviewed_nodes, types_for
from mlops_ci.training.packaging.skops import REVIEWED_TYPES

REVIEWED = read_reviewed_types()
OPTIONAL = ("imblearn.", "lightgbm.", "xgboost.")
# `__setstate__` of these was read: it takes arrays and numbers, and checks them here or lets scikit-learn or NumPy do it
STATES_READ = {
    "sklearn.metrics._dist_metrics",
    "sklearn.neighbors._kd_tree",
    "sklearn.neighbors._ball_tree",
    "sklearn.ensemble._hist_gradient_boosting.predictor",
}


def found(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def full_name(value: Any) -> str:
    return f"{value.__module__}.{value.__qualname__}"


def on_the_list(*kinds: str) -> list[str]:
    return [name for name, nodes in REVIEWED.nodes.items() if nodes & set(kinds) and not name.startswith(OPTIONAL)]


def test_the_list_was_made_for_the_libraries_that_are_installed() -> None:
    """When a library gets a new minor version, then its types are reviewed again, and the version here is raised."""
    for package in ("numpy", "scikit-learn", "scipy", "skops"):
        installed, reviewed = metadata.version(package), REVIEWED.versions[package]
        assert installed.split(".")[:2] == reviewed.split(".")[:2], f"{package} {installed}, reviewed {reviewed}"


def test_nothing_on_the_list_runs_code_or_opens_files() -> None:
    names = "|".join(REVIEWED_TYPES)
    for word in ("partial", "operator", "joblib", "subprocess", "pickle", "memmap", "load", "stats", "builtins", "os."):
        assert not re.search(rf"(^|\.|\||_){re.escape(word)}", names), word
    nodes = set().union(*REVIEWED.nodes.values())
    assert not nodes & {"ConstructorFromReduceNode", "PartialNode", "OperatorFuncNode", "MethodNode"}
    assert not set(REVIEWED.reasons) & set(REVIEWED_TYPES)


@pytest.mark.parametrize("name", on_the_list("ObjectNode"))
def test_an_object_is_made_without_a_call_of_its_class(name: str) -> None:
    """skops calls `__new__` and then `__setstate__`, if there is one: each that does more than to keep attributes was read."""
    kind: Any = found(name)
    assert isinstance(kind, type)
    assert full_name(kind) == name
    own = {name for name in ("__new__", "__setstate__") if getattr(kind, name, None) is not getattr(object, name, None)}
    assert "__new__" not in own or kind.__module__ in STATES_READ
    assert "__setstate__" not in own or issubclass(kind, BaseEstimator) or kind.__module__ in STATES_READ
    assert "__del__" not in dir(kind)


@pytest.mark.parametrize("name", on_the_list("FunctionNode"))
def test_a_function_computes_from_arrays(name: str) -> None:
    function = found(name)
    assert callable(function)
    assert not isinstance(function, type)
    assert name.startswith(("sklearn.metrics.", "sklearn.feature_selection.", "numpy.", "scipy._lib.array_api_compat."))
    if name.startswith("sklearn."):
        source = inspect.getsource(inspect.unwrap(function))
        assert not re.search(r"\b(open|eval|exec|__import__|Path)\(", source)


def public_parts() -> Iterator[Any]:
    """Yield what scikit-learn ships of the families that are on the list as a whole."""
    for name in get_scorer_names():
        yield get_scorer(name)._score_func
    yield from sklearn.metrics.pairwise.PAIRWISE_KERNEL_FUNCTIONS.values()
    for module, base in ((kernels, kernels.Kernel), (sklearn.model_selection._split, object)):
        for name, value in vars(module).items():
            own = isinstance(value, type) and issubclass(value, base) and value.__module__ == module.__name__
            if own and not name.startswith(("_", "Base")) and not inspect.isabstract(value):
                yield value


def test_families_are_complete() -> None:
    missing = {full_name(part) for part in public_parts()} - set(REVIEWED_TYPES)
    assert {name for name in missing if not name.endswith("Mixin")} == set()


def test_what_skops_trusts_by_another_node_is_not_refused() -> None:
    """A type that is on the list for one node stays as trusted as it is by default for another, as for an ordered dict."""
    import skops.io

    values: tuple[Any, ...] = (OrderedDict(a=1.0), defaultdict(OrderedDict), np.arange(3), np.random.default_rng(0))
    for value in values:
        with zipfile.ZipFile(io.BytesIO(skops.io.dumps(value))) as archive:
            require_reviewed_nodes(json.loads(archive.read("schema.json")))


def test_a_models_own_library_is_reviewed_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "XGBoost.py").touch()
    booster, trees, always = "xgboost.core.Booster", "lightgbm.basic.Booster", "numpy.dtype"
    types = (booster, trees, always)
    assert types_for(types, "sklearn.linear_model.Ridge", ()) == (always,)
    assert types_for(types, "xgboost.XGBClassifier", ()) == (booster, always)
    assert types_for(types, None, ()) == types
    assert types_for(types, None, (str(tmp_path), str(tmp_path / "gone"))) == (trees, always)
