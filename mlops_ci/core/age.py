"""How long ago something was, in words."""

from __future__ import annotations

_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"))


def describe_age(seconds: float) -> str:
    """Return an age in whole units of the largest that fits, such as `3 days ago`; a clock that was set back gives `just now`."""
    for length, name in _UNITS:
        if count := int(seconds // length) if seconds > 0 else 0:
            return f"{count:,} {name}{'' if count == 1 else 's'} ago"
    return "just now"
