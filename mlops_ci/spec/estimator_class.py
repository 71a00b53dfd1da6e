"""Reads a class of an installed package from its source: constructor parameters, and whether it predicts classes.

The source alone cannot answer everything (code that runs at import, extension modules, ambiguous inheritance). The
functions then return None, and never a guess.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from mlops_ci.spec.python_source import bound_names, module_file, parse_installed_file, top_level_statements

PredictionKind = Literal["Classifier", "Regressor"]
_MIXINS: dict[str, PredictionKind] = {"ClassifierMixin": "Classifier", "RegressorMixin": "Regressor"}
_MAX_STEPS = 20  # the most imports that are followed to a class, and the most levels of base classes


@dataclass(frozen=True, eq=False)
class ClassDefinition:
    """A class statement. `module` is the path of its module below the package's folder."""

    folder: Path
    module: tuple[str, ...]
    node: ast.ClassDef


class _UndecidableError(Exception):
    """The source alone cannot answer the question."""


def find_class(folder: Path, inner: Sequence[str], name: str) -> ClassDefinition | None:
    """Return the class that `name` refers to in a package's module, following imports from the same package.

    Returns None when the source does not determine the class.
    """
    return _find_class(folder, tuple(inner), name)


@lru_cache(maxsize=256)  # many models share a class, and its files do not change during a run
def _find_class(folder: Path, module: tuple[str, ...], name: str) -> ClassDefinition | None:
    for _ in range(_MAX_STEPS):
        file = module_file(folder, module)
        tree = parse_installed_file(file) if file else None
        if file is None or tree is None:
            return None
        match [statement for statement in top_level_statements(tree) if name in bound_names(statement)]:
            case [ast.ClassDef() as node]:
                return ClassDefinition(folder, module, node)
            case [ast.ImportFrom() as imported]:
                target = _import_target(folder.name, file, module, imported)
                if target is None:
                    return None
                name = next(alias.name for alias in imported.names if name == (alias.asname or alias.name))
                module = target
            case _:
                return None
    return None


def _import_target(
    package: str, file: Path, module: tuple[str, ...], imported: ast.ImportFrom
) -> tuple[str, ...] | None:
    """Return the path, below the package, of the module in an import; None for a module of another package."""
    path = tuple(imported.module.split(".")) if imported.module else ()
    if not imported.level:
        return path[1:] if path[:1] == (package,) else None
    kept = len(module) - imported.level + (file.name == "__init__.py")
    return (*module[:kept], *path) if kept >= 0 else None


def constructor_parameters(kind: ClassDefinition) -> tuple[str, ...] | None:
    """Return the keyword parameters of a class's constructor.

    Returns None when the constructor accepts any keyword, or when the source does not determine the parameters.
    """
    try:
        init = _find_constructor(kind, _MAX_STEPS)
    except _UndecidableError:
        return None
    return None if init is None else keyword_parameters(init, method=True)


def keyword_parameters(function: ast.FunctionDef, *, method: bool = False) -> tuple[str, ...] | None:
    """Return a function's keyword parameters; None for `**kwargs`, or when a decorator may change them."""
    given = function.args
    if given.kwarg is not None or function.decorator_list:
        return None
    positional = [argument.arg for argument in given.args]
    if method and not given.posonlyargs:
        positional = positional[1:]
    return (*positional, *(argument.arg for argument in given.kwonlyargs))


def _find_constructor(kind: ClassDefinition, deeper: int) -> ast.FunctionDef | None:
    """Return the `__init__` that a class defines or inherits, or None when there is none.

    Raises _UndecidableError when the source does not determine it.
    """
    own = [statement for statement in kind.node.body if "__init__" in bound_names(statement)]
    if own:
        (*_, last) = own
        if len(own) > 1 or not isinstance(last, ast.FunctionDef):
            raise _UndecidableError
        return last
    if kind.node.decorator_list or not deeper:  # a decorator such as @dataclass may write a constructor
        raise _UndecidableError
    inherited = {
        init
        for base in kind.node.bases
        if (init := _find_constructor(_find_base_class(kind, base), deeper - 1)) is not None
    }
    if len(inherited) > 1:
        raise _UndecidableError
    return next(iter(inherited), None)


def _find_base_class(kind: ClassDefinition, base: ast.expr) -> ClassDefinition:
    definition = find_class(kind.folder, kind.module, base.id) if isinstance(base, ast.Name) else None
    if definition is None:
        raise _UndecidableError
    return definition


def prediction_kind(kind: ClassDefinition) -> PredictionKind | None:
    """Return what a class predicts, from scikit-learn's mixins among its bases; None for no mixin or both."""
    level = [kind]
    for _ in range(_MAX_STEPS):
        bases = [(above, base) for above in level for base in above.node.bases if isinstance(base, ast.Name)]
        kinds = {means for _, base in bases for name, means in _MIXINS.items() if base.id.endswith(name)}
        if kinds:
            return kinds.pop() if len(kinds) == 1 else None
        level = [known for above, base in bases if (known := find_class(above.folder, above.module, base.id))]
        if not level or len(level) > _MAX_STEPS:
            return None
    return None
