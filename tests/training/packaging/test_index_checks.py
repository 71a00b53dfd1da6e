"""A model file that was made by hand is refused before its first prediction reads memory that it must not read."""

from __future__ import annotations

import copy
import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer
from sklearn.tree import DecisionTreeClassifier

from mlops_ci.core.errors import Findings
from mlops_ci.training.packaging.index_checks import require_sound_indices
from mlops_ci.training.packaging.skops import REVIEWED_TYPES, load_model_file, write_skops_file

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(60, 3))
Y = X[:, 0] + X[:, 1] > 0
KNN: dict[str, Any] = {"n_neighbors": 2, "leaf_size": 5}
MODELS: dict[str, Any] = {
    "tree": DecisionTreeClassifier(),
    "forest": RandomForestClassifier(3),
    "boosting": GradientBoostingClassifier(n_estimators=3),
    "histogram": HistGradientBoostingClassifier(max_iter=3),
    "categories": HistGradientBoostingClassifier(max_iter=3, min_samples_leaf=2, categorical_features=[2]),
    "bagging": BaggingClassifier(n_estimators=3, max_features=2),
    "kd": KNeighborsClassifier(algorithm="kd_tree", **KNN),
    "ball": KNeighborsClassifier(algorithm="ball_tree", metric="minkowski", p=3, **KNN),
    "spline": make_pipeline(SplineTransformer(n_knots=3), DecisionTreeClassifier()),
}


@pytest.fixture(scope="module")
def fitted() -> dict[str, Any]:
    return {name: model.fit(np.abs(X).round() if name == "categories" else X, Y) for name, model in MODELS.items()}


@pytest.mark.parametrize("name", MODELS)
def test_what_scikit_learn_wrote_is_sound(name: str, fitted: dict[str, Any], tmp_path: Path) -> None:
    write_skops_file(fitted[name], tmp_path / "m.skops")
    loaded = load_model_file(
        tmp_path / "m.skops", [*REVIEWED_TYPES, "functools.partial", "sklearn.utils.validation.check_array"]
    )
    assert (loaded.predict(X) == fitted[name].predict(X)).all()


def tree_state(tree: Any, **nodes: Any) -> None:
    """Set fields of a tree's first node."""
    state = tree.__getstate__()
    for name, value in nodes.items():
        state["nodes"][name][0] = value
    tree.__setstate__(state)


def neighbour_state(at: int, change: Callable[[Any], Any]) -> Callable[[Any], None]:
    def spoil(model: Any) -> None:
        state = list(model._tree.__getstate__())
        state[at] = change(state[at])
        model._tree.__setstate__(tuple(state))

    return spoil


def first_value(name: str | None, value: int) -> Callable[[Any], Any]:
    def change(array: Any) -> Any:
        array = array.copy()
        (array if name is None else array[name])[0] = value
        return array

    return change


def all_values(name: str, value: int) -> Callable[[Any], Any]:
    def change(array: Any) -> Any:
        array = array.copy()
        array[name] = value
        return array

    return change


def node(**fields: Any) -> Callable[[Any], None]:
    """Set fields of the first node of histogram boosting's first tree."""

    def spoil(model: Any) -> None:
        for name, value in fields.items():
            model._predictors[0][0].nodes[name][0] = value

    return spoil


SPOILED: dict[str, tuple[str, str, Callable[[Any], None]]] = {
    "a child beyond the nodes": ("tree", "DecisionTreeClassifier has a tree with a node that its children do not follow", lambda m: tree_state(m.tree_, left_child=10**6)),
    "a child before the nodes": ("tree", "DecisionTreeClassifier has a tree with a node that its children do not follow", lambda m: tree_state(m.tree_, right_child=-5)),
    "a circle": ("tree", "DecisionTreeClassifier has a tree with a node that its children do not follow", lambda m: tree_state(m.tree_, left_child=0)),
    "a feature that there is not": ("tree", "DecisionTreeClassifier has a tree that asks for a feature that there is not", lambda m: tree_state(m.tree_, feature=3)),
    "a negative feature": ("tree", "DecisionTreeClassifier has a tree that asks for a feature that there is not", lambda m: tree_state(m.tree_, feature=-1)),
    "an owner with fewer features": ("tree", "DecisionTreeClassifier has a tree of another number of features", lambda m: setattr(m, "n_features_in_", 2)),
    "a forest with fewer features": ("forest", "RandomForestClassifier has trees of another number of features", lambda m: setattr(m, "n_features_in_", 2)),
    "boosting with fewer features": ("boosting", "GradientBoostingClassifier has trees of another number of features", lambda m: setattr(m, "n_features_in_", 2)),
    "a part that is not a tree": ("boosting", "GradientBoostingClassifier has a part that is not a tree", lambda m: m.estimators_.__setitem__((0, 0), KNeighborsClassifier())),
    "a tree within bagging": ("bagging", "BaggingClassifier has trees of another number of features", lambda m: setattr(m.estimators_[1], "n_features_in_", 9)),
    "an attribute for a method": ("forest", "RandomForestClassifier has an attribute in place of its method '_validate_X_predict'", lambda m: setattr(m, "_validate_X_predict", "x")),
    "a histogram's child": ("histogram", "HistGradientBoostingClassifier has a tree with a node that its children do not follow", node(left=10**6)),
    "a histogram's circle": ("histogram", "HistGradientBoostingClassifier has a tree with a node that its children do not follow", node(right=0)),
    "a histogram's feature": ("histogram", "HistGradientBoostingClassifier has a tree that asks for a feature that there is not", node(feature_idx=3)),
    "a category of a number": ("histogram", "HistGradientBoostingClassifier has a tree that asks for categories that there are not", node(is_categorical=1)),
    "a training without end": ("histogram", "HistGradientBoostingClassifier has no end of its training", lambda m: setattr(m, "_in_fit", True)),
    "a preprocessor": ("histogram", "HistGradientBoostingClassifier has a preprocessor that scikit-learn does not make", lambda m: setattr(m, "_preprocessor", SplineTransformer())),
    "bins of other features": ("histogram", "HistGradientBoostingClassifier has bins for another number of features", lambda m: setattr(m, "n_features_in_", 9)),
    "a neighbour that there is not": ("kd", "KDTree has points that there are not", neighbour_state(1, first_value(None, 60))),
    "a node of more points": ("kd", "KDTree has nodes with points that there are not", neighbour_state(2, first_value("idx_end", 61))),
    "no leaves": ("kd", "KDTree has a node without its children", neighbour_state(2, all_values("is_leaf", 0))),
    "fewer bounds": ("kd", "KDTree has bounds that do not fit its points", neighbour_state(3, lambda bounds: bounds[:, :-1].copy())),
    "fewer sides": ("ball", "BallTree has bounds that do not fit its points", neighbour_state(3, lambda bounds: bounds[:0].copy())),
    "another number of nodes": ("ball", "BallTree has another number of nodes than it states", neighbour_state(6, lambda count: count + 1)),
    "weights of other points": ("ball", "BallTree has weights for other points", neighbour_state(12, lambda _: np.ones(2))),
    "a metric of other points": ("ball", "MinkowskiDistance64 has weights for other points", lambda m: neighbour_state(11, lambda metric: metric.__setstate__((3.0, np.ones(1), np.zeros((1, 1)))) or metric)(m)),
    "knots out of order": ("spline", "BSpline has knots out of order", lambda m: m[0].bsplines_[0].t.__setitem__(0, 99.0)),
    "too few coefficients": ("spline", "BSpline has too few coefficients", lambda m: setattr(m[0].bsplines_[0], "c", m[0].bsplines_[0].c[:1])),
}  # fmt: skip


@pytest.mark.parametrize("name", SPOILED)
def test_an_index_out_of_its_array_is_refused(name: str, fitted: dict[str, Any]) -> None:
    kind, problem, spoil = SPOILED[name]
    model = copy.deepcopy(fitted[kind])
    require_sound_indices({"model": [model]})
    spoil(model)
    with pytest.raises(ValueError, match=f"^{re.escape(problem)}$"):
        require_sound_indices({"model": [model]})


def test_a_spoiled_file_is_unreadable(fitted: dict[str, Any], tmp_path: Path) -> None:
    model = copy.deepcopy(fitted["forest"])
    tree_state(model.estimators_[2].tree_, feature=10**9)
    write_skops_file(model, tmp_path / "m.skops")
    with pytest.raises(Findings, match="has a tree that asks for a feature that there is not"):
        load_model_file(tmp_path / "m.skops", REVIEWED_TYPES)


def test_a_sparse_matrix_with_columns_that_there_are_not_is_unreadable(tmp_path: Path) -> None:
    from scipy.sparse import csr_matrix

    model = KNeighborsClassifier().fit(csr_matrix(X), Y)
    model._fit_X.indices[0] = 10**6
    write_skops_file(model, tmp_path / "m.skops")
    with pytest.raises(Findings, match="cannot be loaded"):
        load_model_file(tmp_path / "m.skops", REVIEWED_TYPES)


def test_a_reviewed_type_is_created_in_the_reviewed_way_only(fitted: dict[str, Any], tmp_path: Path) -> None:
    """Given a file that calls a reviewed class with arguments, when it is looked at or loaded, then it is refused."""
    text = skops.io.dumps(fitted["kd"])
    with zipfile.ZipFile(io.BytesIO(text)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    at = parts["schema.json"].index(b'"__module__": "sklearn.neighbors._kd_tree"')
    before, after = parts["schema.json"][:at], parts["schema.json"][at:]
    parts["schema.json"] = before + after.replace(b"ObjectNode", b"ConstructorFromReduceNode", 1)
    with zipfile.ZipFile(tmp_path / "m.skops", "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    with pytest.raises(Findings, match=r"creates sklearn\.neighbors\._kd_tree\.KDTree by a ConstructorFromReduceNode"):
        load_model_file(tmp_path / "m.skops", REVIEWED_TYPES)
