"""Names of Python code in specs, resolved by reading files: nothing of the repository, and no library, is imported."""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from mlops_ci.diagnostics import Diagnostic, Location
from mlops_ci.spec.kinds import Task
from mlops_ci.spec.nearest import nearest, quote

MAX_BYTES = 1_000_000
_KINDS = {"Classifier": ("binary-classification", "multiclass-classification"), "Regressor": ("regression",)}


@dataclass(frozen=True)
class Names:
    """What a module has at its top level; `open` when reading cannot tell all (star imports, extensions)."""

    names: frozenset[str]
    open: bool = False


def estimator(path: str, task: Task, where: Location) -> Iterator[Diagnostic]:
    """Yield what is wrong with an estimator's path: package not installed, no such module or class, wrong task."""
    package, *inner, name = path.split(".")
    folder = _package(package)
    if folder is None:
        yield from _no_package(path, package, where)
        return
    known = _module(folder, inner)
    if known is None or not (known.open or name in known.names):
        yield Diagnostic(
            "estimator-unknown", f"there is no {quote(path)}", where, _instead(package, folder, inner, name, known)
        )
        return
    for suffix, tasks in _KINDS.items():
        if name.endswith(suffix) and task not in tasks:
            other = name.removesuffix(suffix) + ("Regressor" if suffix == "Classifier" else "Classifier")
            meant = f"did you mean '{'.'.join((package, *inner, other))}'?"
            help = meant if other in known.names else "choose another estimator, or correct the task"
            yield Diagnostic("estimator-task", f"{quote(name)} does not fit the task {task}", where, help)


def _no_package(path: str, package: str, where: Location) -> Iterator[Diagnostic]:
    if package in sys.stdlib_module_names:
        yield Diagnostic(
            "estimator-unknown", f"{quote(path)} is no estimator: '{package}' is part of Python itself", where, _EXAMPLE
        )
        return
    match = nearest(package, ("sklearn", "lightgbm", "xgboost", "catboost"))
    meant = (
        f"did you mean 'sklearn{path[len(package) :]}'?\n" if match == "sklearn" or package == "scikit_learn" else ""
    )
    yield Diagnostic(
        "estimator-package-missing",
        f"the package {quote(package)} is not installed here",
        where,
        f"{meant}install it in the environment that runs mlops-ci, and list it in your requirements;\n"
        "for code of this repository use `entrypoint: path/to/file.py:function`",
    )


_EXAMPLE = "an estimator is a class with fit and predict, such as sklearn.linear_model.LogisticRegression"


def _package(name: str) -> Path | None:
    """Return an installed package's folder, None when there is none."""
    if name in sys.stdlib_module_names:
        return None
    try:
        spec = find_spec(name)  # of a top-level name, which imports nothing
    except (ImportError, ValueError):
        return None
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def _module(folder: Path, inner: Sequence[str]) -> Names | None:
    """Return what a module of an installed package names; None when there is no such module."""
    here = folder.joinpath(*inner)
    if (here / "__init__.py").is_file():
        names = _read(here / "__init__.py")
        return Names(names.names, names.open and bool(inner))
    if inner and here.with_name(f"{here.name}.py").is_file():
        return _read(here.with_name(f"{here.name}.py"))
    if here.is_dir() or any(here.parent.glob(f"{here.name}.*.so")) or any(here.parent.glob(f"{here.name}.*.pyd")):
        return Names(frozenset(), open=True)
    return None


def _instead(package: str, folder: Path, inner: Sequence[str], name: str, known: Names | None) -> str:
    """Offer the path that was probably meant: another name of the module, or the same name in another module."""
    public = {}
    for path in sorted(folder.iterdir()):
        module = path.stem if path.suffix == ".py" else path.name
        if not module.startswith("_") and (path.suffix == ".py" or (path / "__init__.py").is_file()):
            public[module] = path / "__init__.py" if path.is_dir() else path
    if known is not None and inner and (match := nearest(name, [word for word in known.names if word[:1].isupper()])):
        return f"did you mean '{'.'.join((package, *inner, match))}'?"
    for module, path in public.items():
        if module not in ("tests", "utils", "conftest") and name in _read(path).names:
            return f"did you mean '{package}.{module}.{name}'?"
    if known is None and inner and (match := nearest(inner[0], public)):
        return f"did you mean the module '{package}.{match}'?"
    return _EXAMPLE


def _parse(path: Path) -> ast.Module:
    """Parse a Python file of at most 1 MB; raises SyntaxError, ValueError (too large, not text) or OSError."""
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"the file has more than {MAX_BYTES:,} bytes")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of no concern here: a user's invalid escape is reported when their code runs
        try:
            return ast.parse(path.read_bytes())
        except (RecursionError, MemoryError):
            raise ValueError("the code is nested too deeply to be read") from None


def _read(path: Path) -> Names:
    """Return what an installed module names; one that cannot be read may name anything."""
    try:
        return _names(_parse(path))
    except (SyntaxError, ValueError, OSError):
        return Names(frozenset(), open=True)


def _names(module: ast.Module) -> Names:
    names: set[str] = set()
    is_open = False
    todo: list[ast.stmt] = list(module.body)
    while todo:
        match todo.pop():
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.add(name)
                is_open |= name == "__getattr__"
            case ast.Import(names=found) | ast.ImportFrom(names=found):
                names.update(alias.asname or alias.name.partition(".")[0] for alias in found)
                is_open |= any(alias.name == "*" for alias in found)
            case ast.Assign(targets=targets):
                names.update(target.id for target in targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case ast.If(body=body, orelse=other):
                todo += [*body, *other]
            case ast.Try(body=body, handlers=handlers, orelse=other):
                todo += [*body, *other, *(statement for handler in handlers for statement in handler.body)]
    return Names(frozenset(names), is_open)


def entrypoint(root: Path, text: str, where: Location) -> Iterator[Diagnostic]:
    """Yield what is wrong with `path/to/file.py:function`: outside, missing, not Python, no such function."""
    name, _, function = text.partition(":")
    file = root / name
    try:
        inside = ".." not in Path(name).parts and file.resolve().is_relative_to(root.resolve())
        exists = file.is_file()
    except (OSError, RuntimeError):  # a name that is too long, or a circle of links
        inside, exists = True, False
    if not inside:
        yield Diagnostic(
            "entrypoint-outside",
            f"{quote(name)} leads out of the repository",
            where,
            "give a path below the folder of mlops.yaml",
        )
        return
    if not exists:
        yield Diagnostic("entrypoint-file-missing", f"there is no file {quote(name)}", where, _near(root, name))
        return
    try:
        module = _parse(file)
    except SyntaxError as error:
        yield _syntax(name, error)
        return
    except (ValueError, OSError) as error:
        yield Diagnostic(
            "entrypoint-syntax", f"{quote(name)} cannot be read as Python: {error}", where, "is it a Python file?"
        )
        return
    known = _names(module)
    if function not in known.names and not known.open:
        own = sorted(node.name for node in module.body if isinstance(node, ast.FunctionDef))
        match = nearest(function, own)
        help = (
            f"did you mean '{name}:{match}'?"
            if match
            else f"its functions are: {', '.join(own)}"
            if own
            else "it defines no function"
        )
        yield Diagnostic(
            "entrypoint-function-missing",
            f"{quote(name)} has no function {quote(function)} at its top level",
            where,
            help,
        )


def _syntax(name: str, error: SyntaxError) -> Diagnostic:
    text = (error.text or "").rstrip("\n")
    where = Location(name, error.lineno or 1, error.offset or 1, 1, text) if error.lineno else Location(name)
    return Diagnostic(
        "entrypoint-syntax",
        f"not valid Python: {error.msg}",
        where,
        "correct it; a model's entrypoint stands in this file",
    )


def _near(root: Path, name: str) -> str:
    """Offer a file of the same folder, or say where paths start."""
    folder = (root / name).parent
    if folder.is_dir():
        others = [path.name for path in folder.glob("*.py")]
        if match := nearest(Path(name).name, others):
            return f"did you mean '{(Path(name).parent / match).as_posix()}'?"
    return "paths start at the folder of mlops.yaml"
