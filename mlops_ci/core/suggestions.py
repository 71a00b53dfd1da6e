"""Did-you-mean: the one place that decides when two names are close enough to offer."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_MAX_LENGTH = 60  # a longer text is no misspelt name, and difflib's work grows with its square
_MAX_LISTED = 12
_MIN_PREFIX = 4


def find_nearest(word: str, options: Iterable[str]) -> str | None:
    """Return the option that the word most likely stands for, or None; case does not count."""
    if len(word) > _MAX_LENGTH:
        return None
    folded = {option.casefold(): option for option in options}
    begins = [
        option
        for option in folded
        if min(len(word), len(option)) >= _MIN_PREFIX and _is_prefix_of_other(option, word.casefold())
    ]
    if len(begins) == 1:
        return folded[begins[0]]
    matches = get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return folded[matches[0]] if matches else None


def _is_prefix_of_other(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def suggest(word: str, options: Iterable[str], *, otherwise: str = "one of") -> str | None:
    """Return help for a wrong name: the nearest option, else all of them (None when there are none)."""
    known = list(options)
    if match := find_nearest(word, known):
        return f"did you mean '{match}'?"
    if not known:
        return None
    more = f", and {len(known) - _MAX_LISTED} more" if len(known) > _MAX_LISTED else ""
    return f"{otherwise}: {', '.join(known[:_MAX_LISTED])}{more}"


def quote(text: str) -> str:
    """Return a name from a file in quotes, cut to a readable length; control characters are escaped."""
    shown = text if len(text) <= _MAX_LENGTH else text[: _MAX_LENGTH - 1] + "…"
    return "'" + "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in shown) + "'"
