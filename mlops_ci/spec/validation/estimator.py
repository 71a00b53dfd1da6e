"""Validation of the code that a model spec names, by reading source files. Neither user code nor a library is imported."""

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
# Endings of the regressor's and the classifier's name within one family of estimators.
_NAME_PAIRS = (
    ("Regressor", "Classifier"),
    ("SVR", "SVC"),
    ("LinearRegression", "LogisticRegression"),
    ("", "Classifier"),
)
# packages whose models are not made of Python data, and the class that docs/estimators.md writes for each
_NEED_WRAPPERS = {"catboost": "PackagedCatBoost", "torch": "PackagedNetwork"}
_ESTIMATOR_HELP = "an estimator is a class with fit and predict, such as sklearn.linear_model.LogisticRegression"


def training_code_findings(root: Path, model: LocatedSpec[ModelSpec]) -> Iterator[Diagnostic]:
    """Yield the findings about a model's estimator or entrypoint, and about its parameters."""
    train = model.spec.train
    for index, name in enumerate(train.text):
        if name not in model.spec.features or train.estimator is None or train.framework is not None:
            yield _text_finding(model, index, name)
    if train.estimator is not None:
        yield from _estimator_findings(model, train.estimator)
    if train.entrypoint is not None:
        yield from entrypoint_findings(root, model.locate("spec", "train", "entrypoint"), train.entrypoint, model)


def _text_finding(model: LocatedSpec[ModelSpec], index: int, name: str) -> Diagnostic:
    """Return the finding about an entry of `train.text` that nothing reads."""
    where = model.locate("spec", "train", "text", index)
    if name not in model.spec.features:
        help = suggest(name, model.spec.features, otherwise="the features are")
        return Diagnostic("train-text-unknown", f"{quote(name)} is not a feature of this model", where, help)
    return Diagnostic(
        "train-text-unread",
        "`text` is read by the preprocessing of an estimator of scikit-learn's interface only",
        where,
        "delete `text`, and put a TfidfVectorizer into the pipeline that your own code returns",
    )


def _estimator_findings(model: LocatedSpec[ModelSpec], path: str) -> Iterator[Diagnostic]:
    """Yield a finding for a missing package, module or class, for another task, and for unknown parameters."""
    where = model.locate("spec", "train", "estimator")
    package, *inner, name = path.split(".")
    if package in _NEED_WRAPPERS:
        yield Diagnostic(
            "estimator-needs-wrapper",
            f"a model of {quote(package)} cannot be packaged by the name of its class",
            where,
            "write an entrypoint with a class that keeps the model's bytes, as docs/estimators.md shows:\n"
            f"entrypoint: models/{package}_model.py:build\ntrusted: [{package}_model.{_NEED_WRAPPERS[package]}]",
        )
        return
    folder = package_folder(package)
    if folder is None:
        yield from _missing_package_findings(path, package, where)
        return
    known = module_names(folder, inner)
    if known is None or not (known.is_open or name in known.names):
        yield Diagnostic(
            "estimator-unknown",
            f"the installed package {quote(package)} does not define {quote(path)}",
            where,
            _suggest_estimator(package, folder, inner, name, known),
        )
        return
    predicts = next((suffix for suffix in _TASKS if name.endswith(suffix)), None)
    # the library's source is read only when the class name does not say enough
    definition = find_class(folder, inner, name) if predicts is None or model.spec.train.params else None
    predicts = predicts or (prediction_kind(definition) if definition else None)
    if predicts is not None and model.spec.task not in _TASKS[predicts]:
        match = next((other for other in _counterpart_names(name, predicts) if other in known.names), None)
        help = f"did you mean '{'.'.join((package, *inner, match))}'?" if match else None
        message = f"{quote(name)} is a {predicts.lower()}, so it cannot be used for the task {model.spec.task}"
        yield Diagnostic("estimator-task", message, where, help or "choose another estimator, or correct the task")
    yield from _parameter_findings(
        model, quote(name), constructor_parameters(definition) if isinstance(definition, ClassDefinition) else None
    )


def _counterpart_names(name: str, kind: PredictionKind) -> Iterator[str]:
    """Yield possible names of the same family's estimator for the other kind of task."""
    for pair in _NAME_PAIRS:
        mine, other = pair if kind == "Regressor" else pair[::-1]
        if name.endswith(mine):
            yield name.removesuffix(mine) + other


def _parameter_findings(model: LocatedSpec[ModelSpec], what: str, known: Sequence[str] | None) -> Iterator[Diagnostic]:
    for name in model.spec.train.params if known is not None else ():
        if known is not None and name not in known:
            where = model.locate("spec", "train", "params", name, key=True)
            help = suggest(name, known, otherwise="its parameters are") or "it has no parameters: delete the line"
            yield Diagnostic("estimator-param-unknown", f"{what} has no parameter {quote(name)}", where, help)


def _missing_package_findings(path: str, package: str, where: Location) -> Iterator[Diagnostic]:
    if package in sys.stdlib_module_names:
        yield Diagnostic(
            "estimator-unknown",
            f"{quote(path)} is not an estimator: '{package}' is part of Python's standard library",
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
        f"{meant}install it in the environment that runs mlops-ci, and add it to your requirements;\n"
        "for code of this repository, use `entrypoint: path/to/file.py:function`",
    )


def _suggest_estimator(package: str, folder: Path, inner: Sequence[str], name: str, known: ModuleNames | None) -> str:
    """Return a hint with the path that was probably meant: another name in the module, or another module."""
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
    """Yield the findings about an entrypoint `path/to/file.py:function`.

    The file must lie in the repository, exist, be valid Python and define the function. `trained` is the model whose
    `train.params` the function receives, or None for a function that receives none.
    """
    name, _, function = text.partition(":")
    file = root / name
    try:
        inside = ".." not in Path(name).parts and file.resolve().is_relative_to(root.resolve())
        exists = file.is_file()
    except (OSError, RuntimeError):  # the name is too long, or symbolic links form a loop
        inside, exists = True, False
    if not inside:
        yield Diagnostic(
            "entrypoint-outside",
            f"{quote(name)} points outside the repository",
            where,
            "write a path below the folder of mlops.yaml",
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
            "entrypoint-syntax",
            f"{quote(name)} cannot be read as Python: {error}",
            where,
            "check that the entrypoint names a Python file",
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
            else "the file defines no function"
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
        "correct the file: it contains an entrypoint of a spec",
    )


def _suggest_file(root: Path, name: str) -> str:
    """Return a hint with a similar file of the same folder, or one that says where paths start."""
    folder = (root / name).parent
    if folder.is_dir():
        others = [path.name for path in folder.glob("*.py")]
        if match := find_nearest(Path(name).name, others):
            return f"did you mean '{(Path(name).parent / match).as_posix()}'?"
    return "paths are relative to the folder of mlops.yaml"
