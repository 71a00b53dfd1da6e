"""The structural digest: equal for equal models, whatever process, thread count or file they came from."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import skops.io
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler

from mlops_ci.training.packaging.structural_digest import OpaqueObjectError, structural_digest
from tests.support.places import ROOT


def models(n_jobs: int | None = None) -> dict[str, Any]:
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    prepare = make_column_transformer((numbers, ["a", "b"]), (OneHotEncoder(), ["city"]))
    codes = make_column_transformer(("passthrough", ["a", "b"]), (OrdinalEncoder(), ["city"]))
    return {
        "logistic": make_pipeline(make_column_transformer((SimpleImputer(), ["a", "b"])), LogisticRegression()),
        "pca": make_pipeline(prepare, PCA(2, random_state=0), LogisticRegression()),
        "forest": make_pipeline(prepare, RandomForestClassifier(15, random_state=0, n_jobs=n_jobs)),
        "boosting": make_pipeline(
            codes, HistGradientBoostingClassifier(max_iter=8, random_state=0, categorical_features=[2])
        ),
        "mlp": make_pipeline(prepare, MLPClassifier((6,), max_iter=20, random_state=0, tol=10, n_iter_no_change=20)),
    }


def data() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    x = pd.DataFrame({"a": rng.normal(size=300), "b": rng.normal(size=300), "city": rng.choice(["x", "y", "z"], 300)})
    x.loc[3, "a"] = np.nan
    return x, (x["b"] + rng.normal(size=300) > 0).to_numpy()


def fitted(n_jobs: int | None = None) -> dict[str, Any]:
    x, y = data()
    return {name: model.fit(x, y) for name, model in models(n_jobs).items()}


def digests(n_jobs: int | None = None) -> dict[str, str]:
    return {name: structural_digest(model) for name, model in fitted(n_jobs).items()}


@pytest.fixture(scope="module")
def here() -> dict[str, Any]:
    return fitted()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.slow
def test_threads_and_processes_do_not_count(here: dict[str, Any]) -> None:
    expected = {name: structural_digest(model) for name, model in here.items()}
    code = (
        "import sys, warnings; warnings.simplefilter('ignore'); sys.path[:0] = sys.argv[2:]; import test_structural_digest; "
        "print(test_structural_digest.digests(int(sys.argv[1])))"
    )
    paths = [str(Path(__file__).parent), str(ROOT)]
    for threads in ("1", "2", "4"):
        limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), threads)
        done = subprocess.run(
            [sys.executable, "-c", code, threads, *paths],
            env={**os.environ, **limits},
            check=True,
            capture_output=True,
            text=True,
        )
        assert done.stdout.strip() == str(expected)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["logistic", "pca", "forest", "boosting", "mlp"])
def test_a_model_is_the_same_after_its_file(name: str, here: dict[str, Any], tmp_path: Path) -> None:
    skops.io.dump(here[name], tmp_path / "m.skops")
    back = skops.io.load(tmp_path / "m.skops", trusted=skops.io.get_untrusted_types(file=tmp_path / "m.skops"))
    assert structural_digest(back) == structural_digest(here[name])


def test_another_parameter_or_another_row_is_another_model() -> None:
    x, y = data()
    x = x[["b"]]
    base = structural_digest(LogisticRegression().fit(x, y))
    assert structural_digest(LogisticRegression(C=0.5).fit(x, y)) != base
    assert structural_digest(LogisticRegression().fit(x[1:], y[1:])) != base
    assert structural_digest(LogisticRegression(verbose=0, n_jobs=None).fit(x, y)) == base


class Holder:
    """An object with attributes, which may be anything."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


DIFFERENT = [
    1, 1.0, True, None, "1", b"1", (1,), [1], {1}, {1: 1}, np.array([1]), np.array([1.0]), np.array([[1]]), np.float32(1),
    np.array([1], dtype=object), np.dtype("f8"), np.random.RandomState(1), np.random.default_rng(1), pd.Index([1]),
    pd.Series([1]), pd.Series([1], name="a"), pd.DataFrame({"a": [1]}), scipy.sparse.csr_array([[1]]), scipy.sparse.csc_array([[1]]),
    int, len, np.log, np.mean, partial(int, base=2), partial(int, base=3), slice(1), Holder(), Holder(a=1), Holder(b=1), -0.0, 0.0, "",
]  # fmt: skip


def test_different_things_have_different_digests() -> None:
    found = [structural_digest(value) for value in DIFFERENT]
    assert len(set(found)) == len(DIFFERENT)
    assert found == [structural_digest(value) for value in DIFFERENT]


nested = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=4), nested, max_size=5))
def test_the_order_in_which_things_were_made_does_not_count(values: dict[str, Any]) -> None:
    turned = sorted(values, reverse=True)
    assert structural_digest(Holder(a=values, b=set(values))) == structural_digest(Holder(b=set(turned), a=values))


def test_the_order_of_a_dict_counts_for_who_walks_it() -> None:
    one, other = (FunctionTransformer(kw_args=dict(items)) for items in ((("b", 1), ("a", 2)), (("a", 2), ("b", 1))))
    assert structural_digest(one) != structural_digest(other)
    assert structural_digest(skops.io.loads(skops.io.dumps(one))) == structural_digest(one)
    assert structural_digest(defaultdict(int)) != structural_digest(defaultdict(float))


def test_how_a_library_runs_does_not_count_but_our_own_names_are_ours() -> None:
    assert structural_digest(RandomForestClassifier(n_jobs=2, verbose=1)) == structural_digest(RandomForestClassifier())
    for name in ("n_jobs", "verbose", "n_threads"):
        assert structural_digest(Holder(**{name: 1})) != structural_digest(Holder(**{name: 2}))


def test_a_mask_counts_and_what_lies_under_it_does_not() -> None:
    data, mask = np.array([1.0, 2.0, 3.0]), [False, True, False]
    masked = structural_digest(np.ma.array(data, mask=mask))
    assert masked == structural_digest(np.ma.array([1.0, 9.0, 3.0], mask=mask))
    others = [
        data,
        np.ma.array(data),
        np.ma.array(data, mask=[True, False, False]),
        np.ma.array([1.0, 2.0, 4.0], mask=mask),
        np.ma.array(data, mask=mask, fill_value=0),
        data.view(np.recarray),
        np.array([data]),
    ]
    assert len({masked, *map(structural_digest, others)}) == len(others) + 1


def test_padding_memory_order_and_kinds_of_nan_do_not_count() -> None:
    kind = np.dtype([("a", "i1"), ("b", "f8")], align=True)
    one, other = (np.frombuffer(bytearray([fill]) * 32, dtype=kind) for fill in (0, 255))
    for array in (one, other):
        array["a"], array["b"] = 1, 2
    assert one.tobytes() != other.tobytes()
    assert structural_digest(one) == structural_digest(other)
    grid = np.arange(6.0).reshape(2, 3)
    assert (
        structural_digest(np.asfortranarray(grid)) == structural_digest(grid) == structural_digest(grid.astype(">f8"))
    )
    nans = np.array([0x7FF8000000000000, 0xFFF8000000000001], dtype="u8").view("f8")
    assert structural_digest(nans[:1]) == structural_digest(nans[1:])


def test_cycles_end() -> None:
    one, other = Holder(), Holder()
    one.me, other.me = one, other  # type: ignore[attr-defined]  # attributes of a free-form object
    assert structural_digest(one) == structural_digest(other)


def test_what_cannot_be_seen_is_refused_by_name() -> None:
    with pytest.raises(OpaqueObjectError, match="lambda"):
        structural_digest(Holder(f=lambda: 1))
    with pytest.raises(OpaqueObjectError, match=r"model\.stream: the state of a _io\.TextIOWrapper"):
        structural_digest(Holder(stream=sys.__stdout__))
    deep: Any = []
    for _ in range(1000):
        deep = [deep]
    with pytest.raises(OpaqueObjectError, match="deeper"):
        structural_digest(deep)
