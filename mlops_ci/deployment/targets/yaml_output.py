"""Writes manifests as YAML that every YAML parser reads alike; the same document gives the same bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml


class _Dumper(yaml.SafeDumper):
    """Writes multi-line text as block scalars, no aliases, and quotes text that a parser could read as another type."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  the name and parameters are PyYAML's
        return True


# PyYAML quotes less than Kubernetes' parser needs: 1e10 and y are text only for PyYAML
_AMBIGUOUS = re.compile(r"[-+.0-9].*|y|n|Y|N", re.DOTALL)
_ESCAPED = re.compile(
    "[^\\n -~\u00a0-\u2027\u202a-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)  # control characters and unusual line breaks


def _represent_text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = '"' if _ESCAPED.search(value) else "|" if "\n" in value else "'" if _AMBIGUOUS.fullmatch(value) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _represent_text)


def dump_manifest(document: Mapping[str, Any]) -> str:
    """Return a document as YAML text, with its fields in the given order."""
    return yaml.dump(dict(document), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000)
