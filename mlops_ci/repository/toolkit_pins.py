"""Which mlops-ci a text asks for: a workflow by `uses: OWNER/mlops-ci/...@REF`, any other text as a Python requirement."""

from __future__ import annotations

import re
from dataclasses import dataclass

# lengths are bounded: a text that nearly matches everywhere takes no longer than others
_ACTION = re.compile(
    r"(?<![A-Za-z0-9_.-])([A-Za-z0-9_.-]{1,100}/mlops-ci(?:/[^\s@\"'#]{0,200})?)@([^\s\"'#,}\]]{1,200})", re.IGNORECASE
)
_REQUIREMENT = re.compile(
    r"\bmlops[-_.]ci(?:\s*\[[^\]\n]*\])?\s*(?:@|[=~<>!]=?=?)\s*[^\s\"',;#)]+(?:\s*,\s*[=~<>!]=?=?\s*[^\s\"',;#)]+)*",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class ToolkitPin:
    """A use of the toolkit in a workflow: `action` is OWNER/mlops-ci and a path in it, `line` counts from 1."""

    action: str
    ref: str
    line: int

    @property
    def is_immutable(self) -> bool:
        """Whether the ref is a commit, which nobody can move."""
        return re.fullmatch(r"[0-9a-f]{40}([0-9a-f]{24})?", self.ref) is not None


def find_toolkit_pins(text: str) -> tuple[ToolkitPin, ...]:
    """Return every use of the toolkit as an Action or a reusable workflow, outside of comments."""
    lines = enumerate((_strip_comment(line) for line in text.splitlines()), 1)
    return tuple(ToolkitPin(found[1], found[2], number) for number, line in lines for found in _ACTION.finditer(line))


def find_toolkit_versions(text: str) -> frozenset[str]:
    """Return what the text says of the toolkit's version: refs of Actions, and requirements such as `mlops-ci==1.2`."""
    bare = "\n".join(_strip_comment(line) for line in text.splitlines())
    asked = ("".join(found[0].split()).lower() for found in _REQUIREMENT.finditer(bare))
    return frozenset({pin.ref for pin in find_toolkit_pins(text)} | set(asked))


def _strip_comment(line: str) -> str:
    """Return the line without its comment: a `#` after a space, or at its start."""
    return re.split(r"(?:^|\s)#", line, maxsplit=1)[0]
