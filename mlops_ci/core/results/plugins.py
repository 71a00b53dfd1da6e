"""What plugins there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class PluginItem:
    """A type that specs can name. `built-in`: part of the toolkit; `shadowed`: never used, since a built-in has its name.

    `ambiguous`: several distributions offer it, so that none is used.
    """

    group: str
    name: str
    distribution: str
    version: str
    state: Literal["built-in", "installed", "shadowed", "ambiguous"]
    value: str | None = None  # the entry point's object


@dataclass(frozen=True)
class PluginsReport:
    """Every plugin, by group and name. Nothing of a package was imported to list it."""

    plugins: tuple[PluginItem, ...]
