"""Which files of the repository an entrypoint is made of: found by reading its imports, never by running it."""

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

    Modules are looked for where training finds them: in the entrypoint's folder and in the root. Imports that are made
    at run time (importlib, __import__) are not seen. A file that is not Python counts by its bytes alone.
    """
    if entrypoint is None:
        return ()
    root = root.resolve()
    found, _ = _import_closure(root, entrypoint)
    files = (
        FileDigest(path.relative_to(root).as_posix(), digest_bytes(data), len(data)) for path, data in found.items()
    )
    return tuple(sorted(files, key=lambda file: file.path))


def possible_code_paths(root: Path, entrypoint: str) -> frozenset[Path]:
    """Return every path below the root that an entrypoint's code is read from, or would be if there were a file."""
    root = root.resolve()
    found, looked_for = _import_closure(root, entrypoint)
    return frozenset(found) | looked_for


def _import_closure(root: Path, entrypoint: str) -> tuple[dict[Path, bytes], frozenset[Path]]:
    """Return the files that an entrypoint is made of with their contents, and each place where there was none."""
    first = (root / entrypoint.partition(":")[0]).resolve()
    waiting, found = [first], {}
    nothing: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path in found or path in nothing or not path.is_relative_to(root):
            continue
        if not path.is_file():
            nothing.add(path)
            continue
        found[path] = content = path.read_bytes()
        waiting.extend(_import_candidates(content, path, (first.parent, root)))
    return found, frozenset(nothing)


def imported_packages(root: Path, entrypoint: str | None) -> tuple[str, ...]:
    """Return the installed packages (top-level modules) that an entrypoint's files import, and that are not the repository's."""
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
    """Yield every file that importing a.b.c could read: each package's __init__ on the way, and the module itself."""
    for place in places:
        for depth in range(1, len(parts) + 1):
            stem = place.joinpath(*parts[:depth])
            yield stem.with_name(f"{stem.name}.py")
            yield stem / "__init__.py"
