"""Runs the tests of a module against each of its mutants, in forks of a process that has imported what is slow to import."""

from __future__ import annotations

import importlib
import importlib.abc
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType

from tests.mutation.mutants import Mutant

WARM = (
    "duckdb",
    "hypothesis",
    "numpy",
    "pandas",
    "pyarrow",
    "pytest",
    "scipy.stats",
    "sklearn.metrics",
    "statsmodels.api",
)
WORKERS = 2


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the mutant where its module is asked for."""

    def __init__(self, mutant: Mutant, path: Path) -> None:
        self.mutant, self.path = mutant, path

    def find_spec(self, fullname: str, path: object, target: ModuleType | None = None) -> ModuleSpec | None:
        del path, target
        if fullname != self.mutant.module:
            return None
        return spec_from_file_location(fullname, self.path, loader=_Loader(self.mutant, str(self.path)))


class _Loader(SourceFileLoader):
    """Gives the mutant's code instead of the file's."""

    def __init__(self, mutant: Mutant, path: str) -> None:
        super().__init__(mutant.module, path)
        self.mutant = mutant

    def get_code(self, fullname: str) -> CodeType:
        del fullname
        return compile(self.mutant.source, self.path, "exec")


def survivors(mutants: Iterable[tuple[Mutant, Sequence[str]]], limits: dict[tuple[str, ...], int]) -> Iterator[Mutant]:
    """Yield the mutants that their tests (paths) pass with; `limits` are seconds after which a run of these tests counts as failed."""
    running: dict[int, Mutant] = {}
    for mutant, tests in mutants:
        if len(running) == WORKERS:
            yield from _wait(running)
        running[_fork(tests, limits[tuple(tests)], mutant)] = mutant
    while running:
        yield from _wait(running)


def seconds_without_a_fault(tests: Sequence[str]) -> float:
    """Run tests on the module as it is; raises RuntimeError when they fail, since then every mutant would seem to be found."""
    start = time.monotonic()
    _, status = os.waitpid(_fork(tests, 600, None), 0)
    if status:
        raise RuntimeError(f"without any fault these fail already: {' '.join(tests)}")
    return time.monotonic() - start


def warm_up() -> None:
    """Import what tests need beside this project's own modules."""
    for name in WARM:
        importlib.import_module(name)
    assert not any(name == "mlops_ci" or name.startswith("mlops_ci.") for name in sys.modules)


def _wait(running: dict[int, Mutant]) -> Iterator[Mutant]:
    pid, status = os.waitpid(-1, 0)
    mutant = running.pop(pid)
    if status == 0:
        yield mutant


def _fork(tests: Sequence[str], limit: int, mutant: Mutant | None) -> int:
    if pid := os.fork():
        return pid
    code = 1
    try:
        signal.alarm(limit)  # which ends the process, whatever the mutant does
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        if mutant is not None:
            path = Path(*mutant.module.split(".")).with_suffix(".py")
            sys.meta_path.insert(0, _Finder(mutant, path.absolute()))
        import pytest

        code = pytest.main(["-x", "-q", "--assert=plain", "-p", "no:cacheprovider", "-m", "not slow", *tests])
    finally:
        os._exit(code)
