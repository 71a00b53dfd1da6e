"""Did-you-mean: the one place that decides when two names are close enough to offer."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_MOST = 60  # a longer text is no misspelt name, and difflib's work grows with its square
_LISTED = 12
_PREFIX = 4


def nearest(word: str, options: Iterable[str]) -> str | None:
    """Return the option that the word most likely stands for, or None; case does not count."""
    if len(word) > _MOST:
        return None
    folded = {option.casefold(): option for option in options}
    begins = [option for option in folded if min(len(word), len(option)) >= _PREFIX and _begin(option, word.casefold())]
    if len(begins) == 1:
        return folded[begins[0]]
    matches = get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return folded[matches[0]] if matches else None


def _begin(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def suggest(word: str, options: Iterable[str], *, otherwise: str = "one of") -> str | None:
    """Return help for a wrong name: the nearest option, else all of them (None when there are none)."""
    known = list(options)
    if match := nearest(word, known):
        return f"did you mean '{match}'?"
    if not known:
        return None
    more = f", and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
    return f"{otherwise}: {', '.join(known[:_LISTED])}{more}"


def quote(text: str) -> str:
    """Return a name from a file in quotes, cut to a readable length; control characters are escaped."""
    shown = text if len(text) <= _MOST else text[: _MOST - 1] + "…"
    return "'" + "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in shown) + "'"
