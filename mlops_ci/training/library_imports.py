"""Imports scikit-learn and what belongs to it in a third less time than plain import statements need."""

from __future__ import annotations

import gc
import importlib
import inspect
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import cast

# when skops is imported, it searches all modules for each function of NumPy and SciPy, in the order in which they were
# imported: this takes 0.2 s of CPU with SciPy first, and 0.9 s with pandas first
MODEL_FILE_LIBRARIES = ("scipy.special", "skops.io")
LIBRARIES = ("scipy.special", "pandas", "pyarrow.parquet", "pyarrow.dataset", "skops.io", "threadpoolctl")

# when skops is imported, scikit-learn lists its estimators, for which it imports all its packages. These adapters import
# the library that they are named after: torch, if it is installed, in each process that reads a model file
_ARRAY_LIBRARY_ADAPTERS = tuple(
    f"sklearn.externals.array_api_compat.{library}" for library in ("cupy", "dask", "jax", "torch")
)


def import_libraries(names: Sequence[str]) -> None:
    """Import modules in this order. A module that is missing or broken is left out; code that needs it raises the error.

    Imported modules never become garbage. So the garbage collector is off during the imports, and ignores the modules
    afterwards.
    """
    if all(name in sys.modules for name in names):
        return
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        with _plain_scipy_docstrings(), _without_array_libraries():
            for name in names:
                with suppress(Exception):
                    importlib.import_module(name)
        gc.freeze()
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def _plain_scipy_docstrings() -> Iterator[None]:
    """Let SciPy find no docstrings: SciPy 1.17 parses and rewrites those of 600 functions in 0.5 s of CPU.

    This is what it finds under `python -OO`, so SciPy's functions have little documentation in a worker. A SciPy without
    this module, or with another one, is imported as always.
    """
    docscrape = None
    with suppress(Exception):
        docscrape = importlib.import_module("scipy._lib._docscrape")
    if getattr(docscrape, "inspect", None) is not inspect:
        yield
        return
    vars(docscrape)["inspect"] = _NoDocstrings()
    try:
        yield
    finally:
        vars(docscrape)["inspect"] = inspect


@contextmanager
def _without_array_libraries() -> Iterator[None]:
    """Let scikit-learn find none of its adapters of other array libraries, unless they are imported already."""
    hidden = [name for name in _ARRAY_LIBRARY_ADAPTERS if name not in sys.modules]
    # None in this table: an import raises ModuleNotFoundError
    sys.modules.update(cast("dict[str, ModuleType]", dict.fromkeys(hidden)))
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


class _NoDocstrings:
    """The module `inspect` for which nothing has a docstring."""

    def __getattr__(self, name: str) -> object:
        return getattr(inspect, name)

    def getdoc(self, _: object) -> str:
        return ""
