"""Reads the names that a Python module defines from its source file. Nothing is imported: no library, no user code."""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

MAX_SOURCE_BYTES = 1_000_000


@dataclass(frozen=True)
class ModuleNames:
    """A module's top-level names. `is_open`: there may be more (star imports, extension modules)."""

    names: frozenset[str]
    is_open: bool = False


def package_folder(name: str) -> Path | None:
    """Return the folder of an installed package, or None when it is not installed."""
    if name in sys.stdlib_module_names:
        return None
    try:
        spec = find_spec(name)  # imports nothing for a top-level name
    except (ImportError, ValueError):
        return None
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def module_file(folder: Path, inner: Sequence[str]) -> Path | None:
    """Return the source file of a package's module; None for a module without one (an extension, a plain folder)."""
    here = folder.joinpath(*inner)
    if (here / "__init__.py").is_file():
        return here / "__init__.py"
    file = here.with_name(f"{here.name}.py")
    return file if inner and file.is_file() else None


def module_names(folder: Path, inner: Sequence[str]) -> ModuleNames | None:
    """Return the names of a module of an installed package, or None when the module does not exist."""
    if file := module_file(folder, inner):
        module = installed_names(file)
        return ModuleNames(module.names, module.is_open and bool(inner))
    here = folder.joinpath(*inner)
    if here.is_dir() or any(here.parent.glob(f"{here.name}.*.so")) or any(here.parent.glob(f"{here.name}.*.pyd")):
        return ModuleNames(frozenset(), is_open=True)
    return None


def parse_python(path: Path) -> ast.Module:
    """Parse a Python file of at most 1 MB; raises SyntaxError, ValueError (too large, not text) or OSError."""
    if path.stat().st_size > MAX_SOURCE_BYTES:
        raise ValueError(f"the file has more than {MAX_SOURCE_BYTES:,} bytes")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python reports invalid escapes when the code runs
        try:
            return ast.parse(path.read_bytes())
        except (RecursionError, MemoryError):
            raise ValueError("the code is nested too deeply to be parsed") from None


@lru_cache(maxsize=64)  # a project's models often share a library, and its files do not change during a run
def parse_installed_file(path: Path) -> ast.Module | None:
    """Return the parsed file of an installed package, or None when it cannot be read."""
    try:
        return parse_python(path)
    except (SyntaxError, ValueError, OSError):
        return None


@lru_cache(maxsize=64)  # for the same reason
def installed_names(path: Path) -> ModuleNames:
    """Return the names of an installed module; the result is open when the module cannot be read."""
    module = parse_installed_file(path)
    return ModuleNames(frozenset(), is_open=True) if module is None else top_level_names(module)


def top_level_statements(module: ast.Module) -> Iterator[ast.stmt]:
    """Yield a module's top-level statements, including those inside `if` and `try`."""
    todo: list[ast.stmt] = list(module.body)
    while todo:
        statement = todo.pop()
        yield statement
        match statement:
            case ast.If(body=body, orelse=other):
                todo += [*body, *other]
            case ast.Try(body=body, handlers=handlers, orelse=other):
                todo += [*body, *other, *(inner for handler in handlers for inner in handler.body)]


def top_level_names(module: ast.Module) -> ModuleNames:
    """Return the names that a module's top-level statements bind."""
    names: set[str] = set()
    is_open = False
    for statement in top_level_statements(module):
        bound = set(bound_names(statement))
        names |= bound - {"*"}
        is_open |= "*" in bound or (isinstance(statement, ast.FunctionDef) and statement.name == "__getattr__")
    return ModuleNames(frozenset(names), is_open)


def bound_names(statement: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement binds; `*` for a star import."""
    match statement:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.AsyncFunctionDef(name=name):
            yield name
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in aliases)
        case ast.Assign(targets=targets):
            yield from (target.id for target in targets if isinstance(target, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name
