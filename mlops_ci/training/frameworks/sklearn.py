"""The unfitted estimator that a spec asks for: by dotted path, or from a function of the repository's own code."""

from __future__ import annotations

import importlib
import importlib.util
import linecache
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from mlops_ci.core.diagnostics import Diagnostic, Location
from mlops_ci.core.errors import Findings, ToolError, UsageProblem
from mlops_ci.core.records import ModelField
from mlops_ci.core.suggestions import find_nearest
from mlops_ci.training.frameworks.preprocess import add_preprocessing

T = TypeVar("T")
_RUN_IT_HELP = "Run the function yourself with the spec's params, and fix what it raises."


def build_estimator(
    *,
    estimator: str | None,
    entrypoint: str | None,
    params: Mapping[str, Any],
    seed: int,
    inputs: Sequence[ModelField],
    root: Path,
) -> Any:
    """Return the unfitted estimator with default preprocessing where it has none of its own, and every seed set.

    Raises UsageProblem when the spec names what does not exist or gives parameters that do not fit, Findings when the
    repository's own function fails.
    """
    made = (
        _build_from_entrypoint(entrypoint, params, root)
        if entrypoint is not None
        else _build_from_path(estimator or "", params)
    )
    made = add_preprocessing(made, inputs, root)
    return set_seeds(made, seed)


def set_seeds(estimator: Any, seed: int) -> Any:
    """Set every `random_state` that is None, nested ones too, and return the estimator."""
    found = estimator.get_params(deep=True)
    unset = [name for name, value in found.items() if name.rpartition("__")[2] == "random_state" and value is None]
    return estimator.set_params(**dict.fromkeys(unset, seed)) if unset else estimator


def entrypoint_folders(entrypoint: str | None, root: Path) -> tuple[str, ...]:
    """Return the folders that an entrypoint's code may import from: its own and the repository's; none without one."""
    if entrypoint is None:
        return ()
    own = (root / entrypoint.rpartition(":")[0]).resolve().parent
    return tuple(dict.fromkeys((str(own), str(root.resolve()))))


def locate_user_error(error: BaseException, root: Path) -> tuple[Location | None, str]:
    """Return the deepest line of the repository's own code in a traceback, and the traceback without our frames."""
    ours = Path(__file__).resolve().parents[2]
    top = root.resolve()
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not Path(frame.filename).resolve().is_relative_to(ours) and not frame.filename.startswith("<")
    ]
    own = [
        frame
        for frame in frames
        if Path(frame.filename).resolve().is_relative_to(top) and "site-packages" not in frame.filename
    ]
    location = None
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).resolve().is_relative_to(top):
        location = Location(
            _relative_path(error.filename, top), error.lineno, error.offset, text=(error.text or "").rstrip("\n")
        )
    elif own:
        text = linecache.getline(own[-1].filename, own[-1].lineno or 0).rstrip("\n")
        column = len(text) - len(text.lstrip()) + 1
        location = Location(
            _relative_path(own[-1].filename, top), own[-1].lineno, column, max(len(text.strip()), 1), text
        )
    shown = [*traceback.format_list(traceback.StackSummary.from_list(frames)), *traceback.format_exception_only(error)]
    return location, "".join(shown)


def call_user_code(call: Callable[[], T], id: str, what: str, help: str, root: Path) -> T:
    """Return what a candidate's code returns; raises Findings with its own line when it raises, our frames left out.

    The traceback goes to this process's log.
    """
    try:
        return call()
    except ToolError:
        raise
    except (Exception, SystemExit) as error:
        location, shown = locate_user_error(error, root)
        sys.stderr.write(shown)
        raise Findings([Diagnostic(id, f"{what}: {error_headline(error)}", location, help)]) from error


def _relative_path(path: str, root: Path) -> str:
    return Path(path).resolve().relative_to(root).as_posix()


def error_headline(error: BaseException) -> str:
    """Return an exception's type and first line, as one line."""
    text = str(error).strip().split("\n")[0]
    return f"{type(error).__name__}: {text}"[:400] if text else type(error).__name__


def _build_from_path(path: str, params: Mapping[str, Any]) -> Any:
    module_name, _, name = path.rpartition(".")
    try:
        module = importlib.import_module(module_name) if module_name else None
    except ImportError as error:
        raise UsageProblem.of(
            "estimator-unknown",
            f"cannot import '{module_name}' ({error_headline(error)})",
            help="Check the dotted path, and that its package is installed where this runs.",
        ) from error
    kind = getattr(module, name, None)
    if not isinstance(kind, type) or not all(hasattr(kind, method) for method in ("fit", "predict", "get_params")):
        match = find_nearest(name, dir(module) if module else ())
        raise UsageProblem.of(
            "estimator-unknown",
            f"'{path}' is not a scikit-learn estimator (a class with fit, predict and get_params)",
            help=f"Did you mean '{module_name}.{match}'?"
            if match
            else "Name an estimator's class, such as sklearn.linear_model.LogisticRegression.",
        )
    try:
        return kind(**params)
    except Exception as error:  # whatever a constructor raises is about its parameters
        known = sorted(getattr(kind, "_get_param_names", list)())
        strange = [name for name in params if known and name not in known]
        match = find_nearest(strange[0], known) if strange else None
        raise UsageProblem.of(
            "estimator-params-invalid",
            f"{name} does not take these parameters: {error_headline(error)}",
            help=f"Did you mean '{match}'?" if match else f"Its parameters are: {', '.join(known)}." if known else None,
        ) from error


def load_entrypoint(entrypoint: str, root: Path) -> Callable[..., Any]:
    """Return a function of the repository, `path/to/file.py:function`; raises UsageProblem when there is none."""
    file, _, name = entrypoint.rpartition(":")
    path = (root / file).resolve()
    if not path.is_relative_to(root.resolve()) or not path.is_file():
        raise UsageProblem.of(
            "entrypoint-missing",
            f"there is no file '{file}' in the repository",
            help="Write it as path/to/file.py:function.",
        )
    function = getattr(_load_module(path, file, root), name, None)
    if not callable(function):
        raise UsageProblem.of(
            "entrypoint-missing",
            f"'{file}' has no function '{name}'",
            location=Location(file),
            help="Write it as path/to/file.py:function.",
        )
    found: Callable[..., Any] = function
    return found


def _build_from_entrypoint(entrypoint: str, params: Mapping[str, Any], root: Path) -> Any:
    file, function = entrypoint.rpartition(":")[0], load_entrypoint(entrypoint, root)
    made = call_user_code(lambda: function(**params), "entrypoint-failed", f"{entrypoint} failed", _RUN_IT_HELP, root)
    if isinstance(made, type) or not all(hasattr(made, method) for method in ("fit", "predict", "get_params")):
        raise Findings.of(
            "entrypoint-failed",
            f"{entrypoint} returned a {type(made).__name__}, not an estimator",
            location=Location(file),
            help="Return an unfitted object with fit, predict and get_params (a sklearn.base.BaseEstimator).",
        )
    return made


def _load_module(path: Path, file: str, root: Path) -> Any:
    loaded = sys.modules.get(path.stem)
    if loaded is not None and getattr(loaded, "__file__", None) == str(path):
        return loaded  # another function of the same file
    if path.stem in sys.modules or path.stem in sys.stdlib_module_names:
        raise UsageProblem.of(
            "entrypoint-name-taken",
            f"'{file}' cannot be imported as '{path.stem}', which is another module's name",
            location=Location(file),
            help="Rename the file.",
        )
    # at the end: nothing in a repository may stand in for an installed module
    sys.path += [folder for folder in entrypoint_folders(f"{file}:", root) if folder not in sys.path]
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise UsageProblem.of("entrypoint-missing", f"'{file}' is not a Python file", help="Its name must end in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # by the name that the scorer will import it by
    loader = spec.loader
    call_user_code(
        lambda: loader.exec_module(module), "entrypoint-failed", f"importing {file} failed", _RUN_IT_HELP, root
    )
    return module
