"""A class of an installed package, by its source: what its constructor takes, and whether it predicts classes or numbers.

What reading cannot settle (code that runs at import, extensions, ambiguous inheritance) is None: silence, never a guess.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from mlops_ci.spec.python_source import bindings, module_file, parse_installed, statements

Prediction = Literal["Classifier", "Regressor"]
_MIXINS: dict[str, Prediction] = {"ClassifierMixin": "Classifier", "RegressorMixin": "Regressor"}
_MOST = 20  # imports followed to a class, and classes above it


@dataclass(frozen=True, eq=False)
class Class:
    """A class statement; `module` and `name` say where it stands below the package's folder."""

    folder: Path
    module: tuple[str, ...]
    node: ast.ClassDef


class _Unknown(Exception):
    """Reading cannot tell."""


def find(folder: Path, inner: Sequence[str], name: str) -> Class | None:
    """Return the class that `name` means in a package's module, through imports from the same package."""
    return _found(folder, tuple(inner), name)


@lru_cache(maxsize=256)  # many models share a class, whose files do not change meanwhile
def _found(folder: Path, module: tuple[str, ...], name: str) -> Class | None:
    for _ in range(_MOST):
        file = module_file(folder, module)
        tree = parse_installed(file) if file else None
        if file is None or tree is None:
            return None
        match [statement for statement in statements(tree) if name in bindings(statement)]:
            case [ast.ClassDef() as node]:
                return Class(folder, module, node)
            case [ast.ImportFrom() as imported]:
                target = _target(folder.name, file, module, imported)
                if target is None:
                    return None
                name = next(alias.name for alias in imported.names if name == (alias.asname or alias.name))
                module = target
            case _:
                return None
    return None


def _target(package: str, file: Path, module: tuple[str, ...], imported: ast.ImportFrom) -> tuple[str, ...] | None:
    """Return the module that is imported from, below the package; None when it is another package's."""
    path = tuple(imported.module.split(".")) if imported.module else ()
    if not imported.level:
        return path[1:] if path[:1] == (package,) else None
    kept = len(module) - imported.level + (file.name == "__init__.py")
    return (*module[:kept], *path) if kept >= 0 else None


def parameters(kind: Class) -> tuple[str, ...] | None:
    """Return the names that a class's constructor takes as keywords; None when it takes any, or that cannot be known."""
    try:
        init = _constructor(kind, _MOST)
    except _Unknown:
        return None
    return None if init is None else keywords(init, method=True)


def keywords(function: ast.FunctionDef, *, method: bool = False) -> tuple[str, ...] | None:
    """Return the names that a function takes as keywords; None for `**any`, or when a decorator may change them."""
    given = function.args
    if given.kwarg is not None or function.decorator_list:
        return None
    positional = [argument.arg for argument in given.args]
    if method and not given.posonlyargs:
        positional = positional[1:]
    return (*positional, *(argument.arg for argument in given.kwonlyargs))


def _constructor(kind: Class, deeper: int) -> ast.FunctionDef | None:
    """Return the `__init__` that a class has or inherits, None when no class above it has one; raises _Unknown."""
    own = [statement for statement in kind.node.body if "__init__" in bindings(statement)]
    if own:
        (*_, last) = own
        if len(own) > 1 or not isinstance(last, ast.FunctionDef):
            raise _Unknown
        return last
    if kind.node.decorator_list or not deeper:  # a decorator such as @dataclass may write a constructor
        raise _Unknown
    inherited = {init for base in kind.node.bases if (init := _constructor(_base(kind, base), deeper - 1)) is not None}
    if len(inherited) > 1:
        raise _Unknown
    return next(iter(inherited), None)


def _base(kind: Class, base: ast.expr) -> Class:
    found = find(kind.folder, kind.module, base.id) if isinstance(base, ast.Name) else None
    if found is None:
        raise _Unknown
    return found


def prediction(kind: Class) -> Prediction | None:
    """Return what a class predicts, by scikit-learn's mixins among its bases; None when neither or both are there."""
    level = [kind]
    for _ in range(_MOST):
        bases = [(above, base) for above in level for base in above.node.bases if isinstance(base, ast.Name)]
        found = {means for _, base in bases for name, means in _MIXINS.items() if base.id.endswith(name)}
        if found:
            return found.pop() if len(found) == 1 else None
        level = [known for above, base in bases if (known := find(above.folder, above.module, base.id))]
        if not level or len(level) > _MOST:
            return None
    return None
