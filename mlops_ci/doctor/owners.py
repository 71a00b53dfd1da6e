"""CODEOWNERS: whom GitHub asks to review a change of a path. The last line that matches a path counts, also one without owners.

https://docs.github.com/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

PLACES = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")  # GitHub reads the first that is there
LIMIT = 3_000_000  # bytes; GitHub reads no larger one
_OWNER = re.compile(r"@[A-Za-z0-9](?:[A-Za-z0-9-]*)(?:_[A-Za-z0-9]+)?(?:/[A-Za-z0-9._-]+)?|[^@\s]+@[^@\s]+\.[^@\s]+")
_WORDS = re.compile(r"(?:\\.|[^\s\\])+")


@dataclass(frozen=True)
class Line:
    """A line that says who owns what; `owners` are none where it takes paths away from those that lines before it name."""

    pattern: re.Pattern[str]
    owners: tuple[str, ...]


def parse(text: str) -> tuple[Line, ...]:
    """Return the lines of a CODEOWNERS file; those that GitHub skips, for a form it does not know, are left out."""
    found = (_line(line) for line in text.splitlines())
    return tuple(line for line in found if line is not None)


def owners_of(lines: Iterable[Line], path: str) -> tuple[str, ...]:
    """Return who owns a path of the repository."""
    owners: tuple[str, ...] = ()
    for line in lines:
        if line.pattern.fullmatch(path):
            owners = line.owners
    return owners


def _line(text: str) -> Line | None:
    words = _WORDS.findall(re.split(r"(?:^|\s)#", text, maxsplit=1)[0])
    if not words:
        return None
    pattern, *owners = words
    if pattern.startswith(("!", "\\#")) or "[" in pattern or not all(map(_OWNER.fullmatch, owners)):
        return None
    return Line(_compiled(re.sub(r"\\(.)", r"\1", pattern)), tuple(owners))


def _compiled(pattern: str) -> re.Pattern[str]:
    """Return the expression for a pattern: as in .gitignore, but a last `*` stands for one level only."""
    anchored = "/" in pattern.rstrip("/")
    folder = pattern.endswith("/")
    parts = pattern.strip("/").split("/")
    said = "" if anchored else "(?:.*/)?"
    for at, part in enumerate(parts):
        last = at == len(parts) - 1
        if part == "**":
            said += ".*" if last else "(?:.*/)?"
        else:
            said += re.escape(part).replace(r"\*\*", "[^/]*").replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
            said += "" if last else "/"
    end = "/.*" if folder else "" if parts[-1] in ("*", "**") else "(?:/.*)?"
    return re.compile(said + end, re.DOTALL)
