"""The name of a new project: that of its folder, so that two projects from one template do not pass for one."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

_LONGEST = 63  # characters of a DNS label
_NAME_FIELD = re.compile(rb"^metadata: \{name: [^},]+", re.MULTILINE)
_PLAIN = re.compile(
    r"(?!(?:true|false|null|yes|no|on|off|y|n)$)[a-z][a-z-]*"
)  # YAML readers take nothing else than text for it


def project_name(root: Path, taken: Collection[str]) -> str | None:
    """Return the name of a folder as a DNS label, with those of the folders above it as long as it is one of `taken`.

    None if no folder's name has a letter or digit.
    """
    parts: list[str] = []
    for folder in (root, *root.parents):
        label = re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-")
        if not label:
            continue
        parts.insert(0, label)
        name = "-".join(parts)[-_LONGEST:].strip("-")
        if name not in taken:
            return name
    return None


def name_project(content: bytes, name: str | None) -> bytes:
    """Return a template's mlops.yaml with another name; None leaves the template's."""
    if name is None:
        return content
    text = name if _PLAIN.fullmatch(name) else f'"{name}"'
    return _NAME_FIELD.sub(f"metadata: {{name: {text}".encode(), content, count=1)
