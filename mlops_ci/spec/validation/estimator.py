"""A model's code in specs, resolved by reading files: nothing of the repository, and no library, is imported."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from mlops_ci.core.diagnostics import Diagnostic, Location
from mlops_ci.core.suggestions import find_nearest, quote, suggest
from mlops_ci.spec.estimator_class import (
    ClassDefinition,
    PredictionKind,
    constructor_parameters,
    find_class,
    keyword_parameters,
    prediction_kind,
)
from mlops_ci.spec.located_spec import LocatedSpec
from mlops_ci.spec.python_source import (
    ModuleNames,
    installed_names,
    module_names,
    package_folder,
    parse_python,
    top_level_names,
    top_level_statements,
)
from mlops_ci.spec.spec_types import ModelSpec, Task

_TASKS: dict[PredictionKind, tuple[Task, ...]] = {
    "Classifier": ("binary-classification", "multiclass-classification"),
    "Regressor": ("regression",),
}
# How the names of two estimators of one family end: for numbers, for classes.
_NAME_PAIRS = (
    ("Regressor", "Classifier"),
    ("SVR", "SVC"),
    ("LinearRegression", "LogisticRegression"),
    ("", "Classifier"),
)
_ESTIMATOR_HELP = "an estimator is a class with fit and predict, such as sklearn.linear_model.LogisticRegression"


def training_code_findings(root: Path, model: LocatedSpec[ModelSpec]) -> Iterator[Diagnostic]:
    """Yield what is wrong with what a model is trained by: its estimator or entrypoint, and the parameters of that."""
    train = model.spec.train
    if train.estimator is not None:
        yield from _estimator_findings(model, train.estimator)
    if train.entrypoint is not None:
        yield from entrypoint_findings(root, model.locate("spec", "train", "entrypoint"), train.entrypoint, model)


def _estimator_findings(model: LocatedSpec[ModelSpec], path: str) -> Iterator[Diagnostic]:
    """Yield a finding for a package not installed, no such module or class, another task, unknown parameters."""
    where = model.locate("spec", "train", "estimator")
    package, *inner, name = path.split(".")
    folder = package_folder(package)
    if folder is None:
        yield from _missing_package_findings(path, package, where)
        return
    known = module_names(folder, inner)
    if known is None or not (known.is_open or name in known.names):
        yield Diagnostic(
            "estimator-unknown",
            f"there is no {quote(path)}",
            where,
            _suggest_estimator(package, folder, inner, name, known),
        )
        return
    told = next((suffix for suffix in _TASKS if name.endswith(suffix)), None)
    # a library's module is only read when its name leaves something open
    kind = find_class(folder, inner, name) if told is None or model.spec.train.params else None
    told = told or (prediction_kind(kind) if kind else None)
    if told is not None and model.spec.task not in _TASKS[told]:
        match = next((other for other in _counterpart_names(name, told) if other in known.names), None)
        help = f"did you mean '{'.'.join((package, *inner, match))}'?" if match else None
        message = f"{quote(name)} is a {told.lower()} and does not fit the task {model.spec.task}"
        yield Diagnostic("estimator-task", message, where, help or "choose another estimator, or correct the task")
    yield from _parameter_findings(
        model, quote(name), constructor_parameters(kind) if isinstance(kind, ClassDefinition) else None
    )


def _counterpart_names(name: str, kind: PredictionKind) -> Iterator[str]:
    """Yield what the estimator of the same family for the other kind of task may be called."""
    for pair in _NAME_PAIRS:
        mine, other = pair if kind == "Regressor" else pair[::-1]
        if name.endswith(mine):
            yield name.removesuffix(mine) + other


def _parameter_findings(model: LocatedSpec[ModelSpec], what: str, known: Sequence[str] | None) -> Iterator[Diagnostic]:
    for name in model.spec.train.params if known is not None else ():
        if known is not None and name not in known:
            where = model.locate("spec", "train", "params", name, key=True)
            help = suggest(name, known, otherwise="its parameters are") or "it has none: delete the line"
            yield Diagnostic("estimator-param-unknown", f"{what} has no parameter {quote(name)}", where, help)


def _missing_package_findings(path: str, package: str, where: Location) -> Iterator[Diagnostic]:
    if package in sys.stdlib_module_names:
        yield Diagnostic(
            "estimator-unknown",
            f"{quote(path)} is no estimator: '{package}' is part of Python itself",
            where,
            _ESTIMATOR_HELP,
        )
        return
    match = find_nearest(package, ("sklearn", "lightgbm", "xgboost", "catboost"))
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


def _suggest_estimator(package: str, folder: Path, inner: Sequence[str], name: str, known: ModuleNames | None) -> str:
    """Offer the path that was probably meant: another name of the module, or the same name in another module."""
    public = {}
    for path in sorted(folder.iterdir()):
        module = path.stem if path.suffix == ".py" else path.name
        if not module.startswith("_") and (path.suffix == ".py" or (path / "__init__.py").is_file()):
            public[module] = path / "__init__.py" if path.is_dir() else path
    if (
        known is not None
        and inner
        and (match := find_nearest(name, [word for word in known.names if word[:1].isupper()]))
    ):
        return f"did you mean '{'.'.join((package, *inner, match))}'?"
    for module, path in public.items():
        if module not in ("tests", "utils", "conftest") and name in installed_names(path).names:
            return f"did you mean '{package}.{module}.{name}'?"
    if known is None and inner and (match := find_nearest(inner[0], public)):
        return f"did you mean the module '{package}.{match}'?"
    return _ESTIMATOR_HELP


def entrypoint_findings(
    root: Path, where: Location, text: str, trained: LocatedSpec[ModelSpec] | None = None
) -> Iterator[Diagnostic]:
    """Yield what is wrong with `path/to/file.py:function`: outside, missing, not Python, no such function.

    `trained` is the model whose parameters the function is called with, if it is.
    """
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
        yield Diagnostic("entrypoint-file-missing", f"there is no file {quote(name)}", where, _suggest_file(root, name))
        return
    try:
        module = parse_python(file)
    except SyntaxError as error:
        yield _syntax_finding(name, error)
        return
    except (ValueError, OSError) as error:
        yield Diagnostic(
            "entrypoint-syntax", f"{quote(name)} cannot be read as Python: {error}", where, "is it a Python file?"
        )
        return
    known = top_level_names(module)
    if function not in known.names and not known.is_open:
        own = sorted(node.name for node in module.body if isinstance(node, ast.FunctionDef))
        match = find_nearest(function, own)
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
    defined = [statement for statement in top_level_statements(module) if getattr(statement, "name", None) == function]
    if trained is not None and len(defined) == 1 and isinstance(defined[0], ast.FunctionDef):
        yield from _parameter_findings(trained, quote(text), keyword_parameters(defined[0]))


def _syntax_finding(name: str, error: SyntaxError) -> Diagnostic:
    text = (error.text or "").rstrip("\n")
    where = Location(name, error.lineno or 1, error.offset or 1, 1, text) if error.lineno else Location(name)
    return Diagnostic(
        "entrypoint-syntax",
        f"not valid Python: {error.msg}",
        where,
        "correct it; a model's entrypoint stands in this file",
    )


def _suggest_file(root: Path, name: str) -> str:
    """Offer a file of the same folder, or say where paths start."""
    folder = (root / name).parent
    if folder.is_dir():
        others = [path.name for path in folder.glob("*.py")]
        if match := find_nearest(Path(name).name, others):
            return f"did you mean '{(Path(name).parent / match).as_posix()}'?"
    return "paths start at the folder of mlops.yaml"
