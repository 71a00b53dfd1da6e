"""Workflows and Actions as data, for what is to be said of all of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.support.toolkit import ROOT

WORKFLOWS = {path.name: path for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))}
ACTIONS = {path.parent.name: path for path in sorted((ROOT / "actions").glob("*/action.yml"))}


class Loader(yaml.SafeLoader):
    """YAML 1.2 as GitHub reads it: `on` is a text."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"true|false"), list("tf"))


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader)  # noqa: S506 - a subclass of SafeLoader
    return found


def jobs(path: Path) -> Mapping[str, Any]:
    found: Mapping[str, Any] = read(path)["jobs"]
    return found


def steps(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield every step of a workflow or an Action."""
    document = read(path)
    if "runs" in document:
        yield from document["runs"]["steps"]
    for job in document.get("jobs", {}).values():
        yield from job.get("steps", ())


def used(path: Path) -> Iterator[str]:
    """Yield what a workflow's steps and jobs use."""
    yield from (step["uses"] for step in steps(path) if "uses" in step)
    yield from (job["uses"] for job in read(path).get("jobs", {}).values() if "uses" in job)
