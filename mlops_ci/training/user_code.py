"""The repository's own code: loaded from an entrypoint, called, and its errors told by its own lines."""

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
CALL_HELP = "Run the function yourself with the spec's params, and fix what it raises."


def entrypoint_folders(entrypoint: str | None, root: Path) -> tuple[str, ...]:
    """Return the folders that an entrypoint's code may import from: its own and the repository's; none without one."""
    if entrypoint is None:
        return ()
    own = (root / entrypoint.rpartition(":")[0]).resolve().parent
    return tuple(dict.fromkeys((str(own), str(root.resolve()))))


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


def locate_user_error(error: BaseException, root: Path) -> tuple[Location | None, str]:
    """Return the deepest line of the repository's own code in a traceback, and the traceback without our frames."""
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
    call_user_code(lambda: loader.exec_module(module), "entrypoint-failed", f"importing {file} failed", CALL_HELP, root)
    return module
