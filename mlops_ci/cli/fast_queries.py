"""Answers `show` and `history` in their plain forms without a parser of command lines, whose import takes longer than they do.

Git lists while this is imported, so nothing here may need what takes long to import: it would be waited for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mlops_ci.cli import terminal
from mlops_ci.registry import views
from mlops_ci.registry.state import fold_refs
from mlops_ci.reports.formatting import escape_log_lines
from mlops_ci.reports.registry import history_lines, show_lines
from mlops_ci.repository.refs import MissingObject, parse_refs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_ci.repository.ref_listing import Listing

_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9/_=-]*")
_FORMATS = (["--format", "text"], ["--format", "json"])


def try_fast_query(argv: Sequence[str], begun: Listing | None) -> int | None:
    """Print the answer to `VERB [MODEL] [--format text|json]`, given the listing of the registry, and return the exit code, 0.

    None, with nothing printed, for any other form and wherever there is more to say than the answer (no repository, an
    unknown model, a clone that lacks part of the registry): the whole command line does that.
    """
    verb, *rest = argv
    asked = rest[:-2] if rest[-2:] in _FORMATS else rest
    plain = len(asked) <= 1 and all(_MODEL.fullmatch(name) for name in asked)
    model = asked[0] if asked else None
    if begun is None:
        return None
    try:
        registry = fold_refs(parse_refs(begun.chunks()) if plain else ())
    except MissingObject:
        plain = False
    if (
        not begun.end()
        or not plain
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
            lines = (
                show_lines(views.show_view(registry, model))
                if verb == "show"
                else history_lines(views.history_view(registry, model))
            )
            terminal.print_line(escape_log_lines("\n".join(lines)))
    except BrokenPipeError:
        return 0
    except OSError:  # a full disk: the whole command line says so
        return None
    return 0
