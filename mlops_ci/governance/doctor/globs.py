"""Patterns of paths, matched part by part: whatever a pattern holds, the time it takes is bounded."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase


def match_lengths(pattern: Sequence[str], names: Sequence[str]) -> frozenset[int]:
    """Return how many names from the first on a pattern's parts can stand for: `**` is any number of them, at its end at least one.

    `*` and `?` are in one name. Brackets mean what fnmatch has them mean: whoever has other rules for them keeps them out.
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
    """Add where each state can be without a name, and leave out the end, which takes none."""
    found = set(states)
    for at in sorted(states):
        here = at
        while here < len(pattern) and pattern[here] == "**":
            here += 1
            found.add(here)
    return {at for at in found if at < len(pattern)}
