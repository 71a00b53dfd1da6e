"""Path patterns, matched part by part in bounded time for every pattern."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase


def match_lengths(pattern: Sequence[str], names: Sequence[str]) -> frozenset[int]:
    """Return every length n for which the pattern matches the first n names of a path.

    `**` matches any number of names, and at least one at the pattern's end. `*` and `?` match within one name. Brackets
    have the meaning of fnmatch; a caller with other rules for brackets must reject such patterns first.
    """
    states, found = {0}, set()
    for count, name in enumerate(names, 1):
        after: set[int] = set()
        for at in _skip_wildcards(pattern, states):
            if pattern[at] == "**":
                after |= {at, at + 1}
            elif fnmatchcase(name, pattern[at]):
                after.add(at + 1)
        if len(pattern) in after:
            found.add(count)
        states = after
    return frozenset(found)


def _skip_wildcards(pattern: Sequence[str], states: set[int]) -> set[int]:
    """Return the states reachable without consuming a name, except the end state, which cannot consume one."""
    found = set(states)
    for at in sorted(states):
        here = at
        while here < len(pattern) and pattern[here] == "**":
            here += 1
            found.add(here)
    return {at for at in found if at < len(pattern)}
