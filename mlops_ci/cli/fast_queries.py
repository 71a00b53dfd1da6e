"""Answers plain `show` and `history` commands without the command-line parser, whose import takes longer than the query.

Git lists the refs while this module is imported, so the module must not import anything slow.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

from mlops_ci.cli import terminal
from mlops_ci.core.results.registry import HistoryReport, ShowReport
from mlops_ci.registry import views
from mlops_ci.registry.state import fold_refs
from mlops_ci.reports.registry import history_lines, show_lines
from mlops_ci.repository.refs import MissingObject, parse_refs
from mlops_ci.spec.environment_order import read_environments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_ci.registry.state import RegistryState
    from mlops_ci.repository.ref_listing import Listing

_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9/_=-]*")
_FORMATS = (["--format", "text"], ["--format", "json"])


def try_fast_query(argv: Sequence[str], begun: Listing | None) -> int | None:
    """Print the report of `VERB [MODEL] [--format text|json]`, given the listing of the registry, and return exit code 0.

    Return None, and print nothing, for other arguments, and when there is more to report than the query's result: no
    repository, an unknown model, a clone that lacks part of the registry, or models of several projects. The full command line
    handles these.
    """
    verb, *rest = argv
    names = rest[:-2] if rest[-2:] in _FORMATS else rest
    is_plain = len(names) <= 1 and all(_MODEL.fullmatch(name) for name in names)
    model = names[0] if names else None
    if begun is None:
        return None
    try:
        registry = fold_refs(parse_refs(begun.chunks()) if is_plain else ())
    except MissingObject:
        is_plain = False
    if (
        not begun.end()
        or not is_plain
        or registry.gap_warnings
        or not _is_about_one_project(registry)
        or (model not in registry.models if model else not registry.models)
    ):
        return None
    try:
        if rest[-2:] == _FORMATS[1]:
            from mlops_ci.core.plan import Outcome

            terminal.print_outcome(verb, Outcome(_view(verb, registry, model)), "json")
        else:
            report = _view(verb, registry, model)
            lines = show_lines(report) if isinstance(report, ShowReport) else history_lines(report)
            terminal.print_report(lines)
            if sys.stdout.isatty():
                terminal.print_next_step(report)
    except BrokenPipeError:
        return 0
    except OSError:  # for example a full disk: the full command line reports it
        return None
    return 0


def _is_about_one_project(registry: RegistryState) -> bool:
    """Return whether all models belong to one project, and the current folder is in that project, or in none.

    The project's file is searched for the name, because a YAML parser takes longer to import than the query takes.
    """
    owners = {owner for state in registry.models.values() if (owner := state.project)}
    if not owners:
        return True
    try:
        project, top = _find_folders()
        if len(owners) > 1 or project is None:
            return len(owners) == 1
        ((name, path),) = owners
        named = rb"name:[ \t]*[\"']?" + re.escape(name.encode()) + rb"[\"']?[ \t]*(?:[,}#\r\n]|$)"
        with open(f"{project}/mlops.yaml", "rb") as file:  # noqa: PTH123 pathlib takes longer to import than a query
            return path == os.path.relpath(project, top) and bool(re.search(named, file.read()))
    except OSError:  # the full command line reports it
        return False


def _find_folders() -> tuple[str | None, str]:
    """Return the folder of the project that the current folder is in, and the top of the repository."""
    folder = os.getcwd()  # noqa: PTH109 pathlib takes longer to import than a query
    project = None
    while True:
        if project is None and os.path.isfile(f"{folder}/mlops.yaml"):  # noqa: PTH113 the same
            project = folder
        above = os.path.dirname(folder)  # noqa: PTH120 the same
        if os.path.exists(f"{folder}/.git") or folder == above:  # noqa: PTH110 the same
            return project, folder
        folder = above


def _view(verb: str, registry: RegistryState, model: str | None) -> ShowReport | HistoryReport:
    if verb != "show":
        return views.history_view(registry, model)
    project = _find_folders()[0]
    if project is None:
        return views.show_view(registry, model)
    with open(f"{project}/mlops.yaml", "rb") as file:  # noqa: PTH123 as above
        return views.show_view(registry, model, order=read_environments(file.read()))
