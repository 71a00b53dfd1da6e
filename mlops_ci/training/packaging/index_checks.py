"""Checks the indices in a loaded model that scikit-learn's compiled code follows without a look at the array's length.

A model file can be made by hand. skops creates such an object from any numbers, and the first prediction then reads memory
that it must not read, or never ends. The types: trees of forests and of boosting, trees of neighbours, splines, sparse
matrices.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_LEAF = -1  # scikit-learn's value for a child that does not exist
_PLAIN = (str, bytes, bytearray, int, float, complex, type, types.FunctionType, types.ModuleType, type(None))


def require_sound_indices(model: Any) -> None:
    """Raise ValueError when an object in a loaded model holds an index that leads out of an array, or in a circle."""
    checks = _checks_by_class()
    for value in _walk_objects(model):
        for kind, check in checks:
            if isinstance(value, kind):
                _require_own_methods(value)
                check(value)


def _checks_by_class() -> tuple[tuple[Any, Callable[[Any], None]], ...]:
    from scipy.interpolate import BSpline
    from scipy.sparse import csc_array, csc_matrix, csr_array, csr_matrix
    from sklearn.ensemble._bagging import BaseBagging
    from sklearn.ensemble._forest import BaseForest
    from sklearn.ensemble._gb import BaseGradientBoosting
    from sklearn.ensemble._hist_gradient_boosting.gradient_boosting import BaseHistGradientBoosting
    from sklearn.neighbors import BallTree, KDTree
    from sklearn.tree._classes import BaseDecisionTree

    return (
        (BaseDecisionTree, _check_decision_tree),
        (BaseForest, _check_ensemble_of_trees),
        (BaseGradientBoosting, _check_ensemble_of_trees),
        (BaseBagging, _check_bagging),
        (BaseHistGradientBoosting, _check_histogram_boosting),
        (KDTree, _check_neighbour_tree),
        (BallTree, _check_neighbour_tree),
        (BSpline, _check_spline),
        ((csc_matrix, csr_matrix, csc_array, csr_array), _check_sparse_matrix),
    )


def _walk_objects(model: Any) -> Iterator[Any]:
    """Yield each object of a model once: what its attributes, its containers and its arrays of objects hold."""
    import numpy as np

    waiting, seen = [model], set()
    while waiting:
        value = waiting.pop()
        if isinstance(value, _PLAIN) or id(value) in seen:
            continue
        seen.add(id(value))
        yield value
        if isinstance(value, Mapping):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple | set | frozenset):
            waiting += value
        elif isinstance(value, np.ndarray) and value.dtype.kind == "O":
            waiting += value.ravel().tolist()
        waiting += vars(value).values() if hasattr(value, "__dict__") else ()


def _require_own_methods(owner: Any) -> None:
    """Raise ValueError when an attribute stands in for a method, such as the one that checks the number of features."""
    for name in vars(owner) if hasattr(owner, "__dict__") else ():
        method = isinstance(getattr(type(owner), name, None), types.FunctionType | property)
        _require(not method, owner, f"an attribute in place of its method '{name}'")


def _require(sound: Any, owner: Any, what: str) -> None:
    if not bool(sound):
        raise ValueError(f"{type(owner).__name__} has {what}")


def _check_decision_tree(owner: Any) -> None:
    tree = getattr(owner, "tree_", None)
    if tree is None:
        return
    _require(tree.n_features == owner.n_features_in_, owner, "a tree of another number of features")
    _require(0 < tree.node_count == tree.capacity and tree.n_outputs > 0, owner, "a tree without nodes or outputs")
    children = (tree.children_left, tree.children_right)
    _check_nodes(owner, children, tree.feature, tree.children_left == _LEAF, tree.n_features)


def _check_nodes(owner: Any, children: tuple[Any, Any], features: Any, leaf: Any, count: int) -> None:
    """Check the nodes of a tree: a child comes after its parent, so that a walk ends; `count` is the number of features."""
    import numpy as np

    nodes = len(leaf)
    at = np.arange(nodes)[~leaf]
    for side in children:
        child = side[~leaf].astype(np.int64)
        _require(((child > at) & (child < nodes)).all(), owner, "a tree with a node that its children do not follow")
    inner = features[~leaf]
    _require(((inner >= 0) & (inner < count)).all(), owner, "a tree that asks for a feature that there is not")


def _check_ensemble_of_trees(owner: Any) -> None:
    import numpy as np
    from sklearn.tree._classes import BaseDecisionTree

    # these pass their rows to each tree without another check of the number of features
    for tree in np.ravel(getattr(owner, "estimators_", ())):
        _require(isinstance(tree, BaseDecisionTree), owner, "a part that is not a tree")
        _require(tree.n_features_in_ == owner.n_features_in_, owner, "trees of another number of features")


def _check_bagging(owner: Any) -> None:
    from sklearn.tree._classes import BaseDecisionTree

    parts = getattr(owner, "estimators_", ())
    for tree, features in zip(parts, getattr(owner, "estimators_features_", ()), strict=True):
        if isinstance(tree, BaseDecisionTree):
            _require(tree.n_features_in_ == len(features), owner, "trees of another number of features")


def _check_histogram_boosting(owner: Any) -> None:
    import functools

    import numpy as np

    made = getattr(owner, "_predictors", ())
    if not made:
        return
    _require(not getattr(owner, "_in_fit", False), owner, "no end of its training")
    preprocessor = getattr(owner, "_preprocessor", None)
    # scikit-learn's own has a partial, which each spec must trust by name; without one, anybody's could drop columns
    own = preprocessor is None or any(isinstance(part, functools.partial) for part in _walk_objects(preprocessor))
    _require(own, owner, "a preprocessor that scikit-learn does not make")
    categorical = np.asarray(owner._bin_mapper.is_categorical_, dtype=bool)
    count = int(owner.n_features_in_)
    _require(categorical.shape == (count,), owner, "bins for another number of features")
    for predictor in (one for several in made for one in several):
        nodes, bits = predictor.nodes, predictor.raw_left_cat_bitsets
        leaf = nodes["is_leaf"].astype(bool)
        _require(len(nodes) > 0, owner, "a tree without nodes")
        _check_nodes(owner, (nodes["left"], nodes["right"]), nodes["feature_idx"], leaf, count)
        coded = nodes[~leaf & nodes["is_categorical"].astype(bool)]
        sound = categorical[coded["feature_idx"]] & (coded["bitset_idx"] < len(bits))
        _require(sound.all(), owner, "a tree that asks for categories that there are not")


def _check_neighbour_tree(tree: Any) -> None:
    import numpy as np

    data, order, nodes, bounds, *rest = tree.__getstate__()
    points, width = data.shape
    sides = 2 if "KDTree" in type(tree).__name__ else 1
    _require(len(nodes) > 0 and rest[2] == len(nodes), tree, "another number of nodes than it states")
    _require(bounds.shape == (sides, len(nodes), width), tree, "bounds that do not fit its points")
    _require(order.shape == (points,) and ((order >= 0) & (order < points)).all(), tree, "points that there are not")
    start, end = nodes["idx_start"], nodes["idx_end"]
    _require(((start >= 0) & (start <= end) & (end <= points)).all(), tree, "nodes with points that there are not")
    last = 2 * np.arange(len(nodes)) + 2 >= len(nodes)
    _require(nodes["is_leaf"][last].all(), tree, "a node without its children")
    metric, weights = rest[-2:]
    _require(weights is None or len(weights) == points, tree, "weights for other points")
    _check_metric(metric, width)


def _check_metric(metric: Any, width: int) -> None:
    """Check the parameters of a distance between points with `width` coordinates."""
    name, (_, vector, matrix, *_) = type(metric).__name__, metric.__getstate__()
    if name.startswith("Minkowski"):
        _require(len(vector) in (0, width), metric, "weights for other points")
    elif name.startswith("SEuclidean"):
        _require(len(vector) == width, metric, "variances of other points")
    elif name.startswith("Mahalanobis"):
        _require(matrix.shape == (width, width), metric, "a matrix for other points")
    elif name.startswith("Haversine"):
        _require(width == 2, metric, "points that are not on a sphere")


def _check_sparse_matrix(matrix: Any) -> None:
    matrix.check_format(full_check=True)


def _check_spline(spline: Any) -> None:
    import numpy as np

    knots, degree = spline.t, int(spline.k)
    count = len(knots) - degree - 1
    _require(knots.ndim == 1 and degree >= 0 and count > degree, spline, "too few knots")
    _require((np.diff(knots) >= 0).all() and np.isfinite(knots).all(), spline, "knots out of order")
    _require(spline.c.shape[spline.axis] >= count, spline, "too few coefficients")
