"""The options of a source as the YAML that a user would write."""

from __future__ import annotations

import json
from dataclasses import fields

import yaml

from mlops_ci.core.codec import to_camel_case
from mlops_ci.spec.source_types import SourceSpec


def yaml_options(source: SourceSpec, than: SourceSpec | None = None) -> str:
    """Return the options that differ from those of another source, or from the defaults: `decimal: ",", skipRows: 3`."""
    base = than or SourceSpec(source.type, source.path)
    return ", ".join(
        f"{to_camel_case(field.name)}: {_flow_value(getattr(source, field.name))}"
        for field in fields(source)
        if getattr(source, field.name) != getattr(base, field.name)
    )


def yaml_scalar(text: str) -> str:
    """Return text as a YAML scalar that is valid inside brackets."""
    if not text.isprintable() or (text != text.strip()) or "\u00a0" in text:
        return json.dumps(text)  # JSON's escapes are those of YAML
    dumped: str = yaml.safe_dump([text], default_flow_style=True, allow_unicode=True, width=1 << 20)
    return dumped.strip()[1:-1]


def _flow_value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_flow_value, value))}]"
    return yaml_scalar(value) if isinstance(value, str) else "null" if value is None else str(value)
