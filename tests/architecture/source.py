"""The package's own source, parsed once for the tests of its structure."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import mlops_ci

PACKAGE = Path(mlops_ci.__file__).parent
ROOT = PACKAGE.parent


class Module(NamedTuple):
    """A module of the package: its dotted name, its file, its syntax tree."""

    name: str
    path: Path
    tree: ast.Module


class Function(NamedTuple):
    """A function or method of the package, by its full name."""

    name: str
    node: ast.FunctionDef

    @property
    def own_name(self) -> str:
        """The last part of the name, without leading underscores."""
        return self.node.name.lstrip("_")


@cache
def modules() -> tuple[Module, ...]:
    """Return every module but the files of templates, which are a consumer's."""
    return tuple(_modules())


def _modules() -> Iterator[Module]:
    for path in sorted(PACKAGE.rglob("*.py")):
        if "templates" not in path.parts:
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            yield Module(name, path, ast.parse(path.read_text(encoding="utf-8")))


def functions() -> Iterator[Function]:
    """Yield every function and method, private ones too, without those inside of functions."""
    for module in modules():
        for node in module.tree.body:
            if isinstance(node, ast.FunctionDef):
                yield Function(f"{module.name}.{node.name}", node)
            elif isinstance(node, ast.ClassDef):
                for inner in node.body:
                    if isinstance(inner, ast.FunctionDef):
                        yield Function(f"{module.name}.{node.name}.{inner.name}", inner)


def public_names(module: Module) -> Iterator[str]:
    """Yield the public functions, classes and constants that a module defines."""
    for node in module.tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found = [one for target in targets for one in (target.elts if isinstance(target, ast.Tuple) else [target])]
            names = [one.id for one in found if isinstance(one, ast.Name)]
        else:
            names = []
        yield from (name for name in names if not name.startswith("_"))
