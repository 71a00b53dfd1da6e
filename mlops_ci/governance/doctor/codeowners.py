"""CODEOWNERS: the owners that GitHub asks to review a change of a path. The last matching line counts, also without owners.

https://docs.github.com/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from mlops_ci.governance.doctor.globs import match_lengths

CODEOWNERS_PATHS = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")  # GitHub reads the first existing one
MAX_CODEOWNERS_BYTES = 3_000_000  # GitHub ignores a larger file
_OWNER = re.compile(r"@[A-Za-z0-9](?:[A-Za-z0-9-]*)(?:_[A-Za-z0-9]+)?(?:/[A-Za-z0-9._-]+)?|[^@\s]+@[^@\s]+\.[^@\s]+")
_WORDS = re.compile(r"(?:\\.|[^\s\\])+")


@dataclass(frozen=True)
class CodeownersLine:
    """One line: a pattern and its owners. An empty `owners` removes the owners that earlier lines give to a path.

    `is_folder`: the pattern matches the files in a folder, not a file of that name. `number` is the line's in its file.
    """

    pattern: tuple[str, ...]
    is_folder: bool
    owners: tuple[str, ...]
    number: int = 0

    def is_for(self, folder: str) -> bool:
        """Return whether the line is about a folder of the repository, and not about more than this folder."""
        parts = tuple(folder.split("/"))
        return self.pattern[: len(parts)] == parts

    def matches(self, path: str) -> bool:
        """Return whether the line matches a path: as in .gitignore, but a final `*` matches one level only."""
        names = path.split("/")
        ends = match_lengths(self.pattern, names)
        if self.is_folder:
            return any(end < len(names) for end in ends)
        return len(names) in ends if self.pattern[-1] == "*" else bool(ends)


def parse_codeowners(text: str) -> tuple[CodeownersLine, ...]:
    """Return the lines of a CODEOWNERS file, without the lines that GitHub skips because of their syntax."""
    found = (_parse_line(line, number) for number, line in enumerate(text.splitlines(), 1))
    return tuple(line for line in found if line is not None)


def find_owners(lines: Iterable[CodeownersLine], path: str) -> tuple[str, ...]:
    """Return the owners of a path of the repository."""
    line = find_line(lines, path)
    return line.owners if line else ()


def find_line(lines: Iterable[CodeownersLine], path: str) -> CodeownersLine | None:
    """Return the line that counts for a path of the repository: the last one that matches."""
    found = None
    for line in lines:
        if line.matches(path):
            found = line
    return found


def _parse_line(text: str, number: int) -> CodeownersLine | None:
    words = _WORDS.findall(re.split(r"(?:^|\s)#", text, maxsplit=1)[0])
    if not words:
        return None
    pattern, *owners = words
    if pattern.startswith(("!", "\\#")) or "[" in pattern or not all(map(_OWNER.fullmatch, owners)):
        return None
    pattern = re.sub(r"\\(.)", r"\1", pattern)
    anywhere = () if "/" in pattern.rstrip("/") else ("**",)
    return CodeownersLine((*anywhere, *pattern.strip("/").split("/")), pattern.endswith("/"), tuple(owners), number)
