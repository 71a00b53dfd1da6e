"""Answers `show` and `history` in their plain forms without a parser of command lines, whose import takes longer than they do.

Git lists while this is imported, so nothing here may need what takes long to import: it would be waited for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mlops_ci.cli import terminal
from mlops_ci.registry import views as overview
from mlops_ci.registry.state import fold
from mlops_ci.reports.text import text
from mlops_ci.repository.refs import MissingObject, parsed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_ci.repository.ref_listing import Begun

_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9/_=-]*")
_FORMATS = (["--format", "text"], ["--format", "json"])


def answer(argv: Sequence[str], begun: Begun | None) -> int | None:
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
        registry = fold(parsed(begun.chunks()) if plain else ())
    except MissingObject:
        plain = False
    if (
        not begun.end()
        or not plain
        or registry.gaps
        or (model not in registry.models if model else not registry.models)
    ):
        return None
    record = overview.models(registry, model) if verb == "show" else overview.events(registry, model)
    try:
        if rest[-2:] == _FORMATS[1]:
            from mlops_ci.core.plan import Outcome

            terminal.report(verb, Outcome(record), "json")
        else:
            terminal.say(text(record))
    except BrokenPipeError:
        return 0
    except OSError:  # a full disk: the whole command line says so
        return None
    return 0
