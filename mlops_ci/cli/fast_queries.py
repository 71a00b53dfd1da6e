"""Answers plain `show` and `history` commands without the command-line parser, whose import takes longer than the query.

Git lists the refs while this module is imported, so the module must not import anything slow.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from mlops_ci.cli import terminal
from mlops_ci.core.results.registry import ShowReport
from mlops_ci.registry import views
from mlops_ci.registry.state import fold_refs
from mlops_ci.reports.registry import history_lines, show_lines
from mlops_ci.repository.refs import MissingObject, parse_refs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_ci.repository.ref_listing import Listing

_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9/_=-]*")
_FORMATS = (["--format", "text"], ["--format", "json"])


def try_fast_query(argv: Sequence[str], begun: Listing | None) -> int | None:
    """Print the report of `VERB [MODEL] [--format text|json]`, given the listing of the registry, and return exit code 0.

    Return None, and print nothing, for other arguments, and when there is more to report than the query's result: no
    repository, an unknown model, or a clone that lacks part of the registry. The full command line handles these.
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
        or (model not in registry.models if model else not registry.models)
    ):
        return None
    try:
        if rest[-2:] == _FORMATS[1]:
            from mlops_ci.core.plan import Outcome

            view = views.show_view if verb == "show" else views.history_view
            terminal.print_outcome(verb, Outcome(view(registry, model)), "json")
        else:
            report = (views.show_view if verb == "show" else views.history_view)(registry, model)
            lines = show_lines(report) if isinstance(report, ShowReport) else history_lines(report)
            terminal.print_report(lines)
            if sys.stdout.isatty():
                terminal.print_next_step(report)
    except BrokenPipeError:
        return 0
    except OSError:  # for example a full disk: the full command line reports it
        return None
    return 0
