"""The name of a repository in its URL: owner and name, the last two parts on every git host, whatever the protocol."""

from __future__ import annotations

import re

_HOSTED = re.compile(r"(?!file:)[a-z][a-z0-9+.-]+://|[^/:\\]{2,}:(?!//)", re.IGNORECASE)  # not C:\\models


def parse_repository_name(url: str) -> str | None:
    """Return owner and name of a URL at a host, or the name of a repository at a path, without `.git`; None where there is neither."""
    plain = re.sub(r"^[a-z][a-z0-9+.-]*://[^/]*", "", url, flags=re.IGNORECASE).partition("?")[0].replace("\\", "/")
    plain = re.sub(r"/(\.git)?/*$", "", plain)
    if _HOSTED.match(url) and "://" not in url:
        plain = plain.partition(":")[2]
    parts = [part for part in plain.split("/") if part not in ("", ".", "..")]
    return "/".join(parts[-2 if _HOSTED.match(url) else -1 :]).removesuffix(".git").lower() or None


def is_same_repository(one: str | None, other: str | None) -> bool:
    """Tell whether two names may be of one repository: they are equal, or one has no owner and the rest is equal."""
    if one is None or other is None:
        return one == other
    is_complete = "/" in one and "/" in other
    return one == other if is_complete else one.rpartition("/")[2] == other.rpartition("/")[2]
