"""Finds the repository's files that an entrypoint consists of, by reading its imports. No code runs."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

from mlops_ci.core.digest import digest_bytes
from mlops_ci.core.records.base import FileDigest


def code_files(root: Path, entrypoint: str | None) -> tuple[FileDigest, ...]:
    """Return the entrypoint's file (`path.py:function`) and every file of the repository that it imports, by path.

    Modules are searched where training finds them: in the entrypoint's folder and in the root. Imports at run time
    (importlib, __import__) are not found. A file that is not valid Python is included without its imports.
    """
    if entrypoint is None:
        return ()
    root = root.resolve()
    contents, _ = _import_closure(root, entrypoint)
    files = (
        FileDigest(path.relative_to(root).as_posix(), digest_bytes(data), len(data)) for path, data in contents.items()
    )
    return tuple(sorted(files, key=lambda file: file.path))


def possible_code_paths(root: Path, entrypoint: str) -> frozenset[Path]:
    """Return every path below the root that an entrypoint's code is read from, or would be read from if it existed."""
    root = root.resolve()
    contents, missing = _import_closure(root, entrypoint)
    return frozenset(contents) | missing


def _import_closure(root: Path, entrypoint: str) -> tuple[dict[Path, bytes], frozenset[Path]]:
    """Return the contents of an entrypoint's files by path, and the searched paths that do not exist."""
    first = (root / entrypoint.partition(":")[0]).resolve()
    waiting, contents = [first], {}
    missing: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path in contents or path in missing or not path.is_relative_to(root):
            continue
        if not path.is_file():
            missing.add(path)
            continue
        contents[path] = content = path.read_bytes()
        waiting.extend(_import_candidates(content, path, (first.parent, root)))
    return contents, frozenset(missing)


def imported_packages(root: Path, entrypoint: str | None) -> tuple[str, ...]:
    """Return the installed packages (top-level modules) that an entrypoint's files import from outside the repository."""
    names: set[str] = set()
    for file in code_files(root, entrypoint):
        path = root / file.path
        for node in _import_statements(path.read_bytes()):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif node.module and not node.level:
                names.add(node.module.partition(".")[0])
    own = {Path(file.path).stem for file in code_files(root, entrypoint)}
    outside = names - own - set(sys.stdlib_module_names)
    return tuple(sorted(name for name in outside if not (root / name).exists() and importlib.util.find_spec(name)))


def _import_statements(content: bytes) -> Iterator[ast.Import | ast.ImportFrom]:
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError):
        return
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom))


def _import_candidates(content: bytes, path: Path, places: tuple[Path, ...]) -> Iterator[Path]:
    for node in _import_statements(content):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield from _module_file_candidates(alias.name.split("."), places)
            case ast.ImportFrom(module=module, names=names, level=level):
                parts = module.split(".") if module else []
                here = (path.parents[level - 1],) if level and level <= len(path.parents) else places
                for alias in names:
                    yield from _module_file_candidates([*parts, alias.name], here)


def _module_file_candidates(parts: list[str], places: tuple[Path, ...]) -> Iterator[Path]:
    """Yield every file that importing a.b.c can read: the __init__ of each package on the path, and the module."""
    for place in places:
        for depth in range(1, len(parts) + 1):
            stem = place.joinpath(*parts[:depth])
            yield stem.with_name(f"{stem.name}.py")
            yield stem / "__init__.py"
