"""Loads and calls the repository's own code, and reports its errors at the lines of that code."""

from __future__ import annotations

import importlib.util
import linecache
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import mlops_ci
from mlops_ci.core.diagnostics import Diagnostic, Location
from mlops_ci.core.errors import Findings, ToolError, UsageProblem, error_headline

T = TypeVar("T")
CALL_HELP = "Run the function locally with the spec's params, and fix the error."


def entrypoint_folders(entrypoint: str | None, root: Path) -> tuple[str, ...]:
    """Return the folders that an entrypoint's code may import from: its own folder and the repository's root.

    Returns no folders without an entrypoint.
    """
    if entrypoint is None:
        return ()
    own = (root / entrypoint.rpartition(":")[0]).resolve().parent
    return tuple(dict.fromkeys((str(own), str(root.resolve()))))


def load_entrypoint(entrypoint: str, root: Path) -> Callable[..., Any]:
    """Return the function `path/to/file.py:function` of the repository; raises UsageProblem when it does not exist."""
    file, _, name = entrypoint.rpartition(":")
    path = (root / file).resolve()
    if not path.is_relative_to(root.resolve()) or not path.is_file():
        raise UsageProblem.of(
            "entrypoint-missing",
            f"the file '{file}' does not exist in the repository",
            help="Correct the entrypoint: write it as path/to/file.py:function.",
        )
    function = getattr(_load_module(path, file, root), name, None)
    if not callable(function):
        raise UsageProblem.of(
            "entrypoint-missing",
            f"'{file}' has no function '{name}'",
            location=Location(file),
            help="Correct the entrypoint: write it as path/to/file.py:function.",
        )
    entry: Callable[..., Any] = function
    return entry


def call_user_code(call: Callable[[], T], id: str, what: str, help: str, root: Path) -> T:
    """Call the candidate's code and return its result; raises Findings at the line of that code when it raises.

    The traceback, without the frames of this package, goes to this process's log.
    """
    try:
        return call()
    except ToolError:
        raise
    except (Exception, SystemExit) as error:
        location, shown = locate_user_error(error, root)
        sys.stderr.write(shown)
        raise Findings([Diagnostic(id, f"{what}: {error_headline(error)}", location, help)]) from error


def locate_user_error(error: BaseException, root: Path) -> tuple[Location | None, str]:
    """Return the deepest line of the repository's code in a traceback, and the traceback without this package's frames."""
    ours = Path(mlops_ci.__file__).resolve().parent
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


def _relative_path(path: str, root: Path) -> str:
    return Path(path).resolve().relative_to(root).as_posix()


def _load_module(path: Path, file: str, root: Path) -> Any:
    loaded = sys.modules.get(path.stem)
    if loaded is not None and getattr(loaded, "__file__", None) == str(path):
        return loaded  # another function of this file was loaded before
    if path.stem in sys.modules or path.stem in sys.stdlib_module_names:
        raise UsageProblem.of(
            "entrypoint-name-taken",
            f"'{file}' cannot be imported as '{path.stem}': another module has this name",
            location=Location(file),
            help="Rename the file.",
        )
    # at the end of the path, so that no file of the repository replaces an installed module
    sys.path += [folder for folder in entrypoint_folders(f"{file}:", root) if folder not in sys.path]
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise UsageProblem.of("entrypoint-missing", f"'{file}' is not a Python file", help="Its name must end in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # the name under which the scoring process will import it
    loader = spec.loader
    call_user_code(lambda: loader.exec_module(module), "entrypoint-failed", f"importing {file} failed", CALL_HELP, root)
    return module
