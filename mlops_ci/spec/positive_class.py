"""The positive class of a binary task: the one that the spec names, else the label that sorts last."""

from __future__ import annotations

import json
from collections.abc import Sequence

from mlops_ci.core.suggestions import quote
from mlops_ci.spec.yaml.compose import parse_plain_scalar

_USUAL_NAMES = {("0", "1"), ("f", "t"), ("false", "true"), ("n", "y"), ("no", "yes")}


def positive_class(labels: Sequence[str | int | bool], named: str | int | bool | None) -> str | int | bool | None:
    """Return the positive label of a binary task; None when no label equals `named`.

    Without `named`, it is the label that sorts last, as in scikit-learn: numbers by size, texts by code point.
    """
    if named is not None:
        return next((label for label in labels if label == named), None)
    return max(labels, key=str if len({type(label) for label in labels}) > 1 else None, default=None)


def is_usual_pair(labels: Sequence[str | int | bool]) -> bool:
    """Tell whether two labels say themselves which of them is positive: false/true, 0/1, no/yes, as texts in any case."""
    return (
        tuple(sorted(str(label if isinstance(label, str) else int(label)).lower() for label in labels)) in _USUAL_NAMES
    )


def format_label(label: str | int | bool) -> str:
    """Return a label for a message: a text in quotes and cut to a readable length, else as YAML writes it."""
    return quote(label) if isinstance(label, str) else json.dumps(label)


def format_label_in_spec(label: str | int | bool) -> str:
    """Return a label as a spec writes it: in quotes where YAML would read another value."""
    is_plain = isinstance(label, str) and label.isidentifier() and parse_plain_scalar(label) == label
    return str(label) if is_plain else json.dumps(label, ensure_ascii=False)
