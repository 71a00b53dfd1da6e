"""The rows of the table of situations, and how the modules of this package are found."""

from __future__ import annotations

import importlib
import pkgutil
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.consumer import Consumer, copy_of
from tests.support.git_calls import git_in

DEPLOY = "deploy diagnosis@1.0.0 --env prod"


@dataclass
class Stage:
    """What a situation is brought about with: a folder of its own, and what ends with the test.

    `stack` closes servers, `monkeypatch` sets variables of the environment, and `request` gives any fixture of the tests.
    """

    folder: Path
    stack: ExitStack
    monkeypatch: pytest.MonkeyPatch
    request: pytest.FixtureRequest
    notes: dict[str, Any] = field(default_factory=dict)  # from the arrangement, for what must hold afterwards

    def running(self) -> Consumer:
        """Return a copy of a project with a version in staging and another candidate that has passed the gate."""
        return copy_of(self.request.getfixturevalue("world_of_running"), self.folder)

    def signed(self) -> Consumer:
        """Return a copy of such a project whose events are signed, as is its deployment to prod."""
        return copy_of(self.request.getfixturevalue("world_of_signed"), self.folder)

    def clone(self, of: Consumer, *options: str, url: str | None = None) -> Consumer:
        """Return another clone of a project's origin, made with options of `git clone`."""
        root = self.folder / "clone"
        git_in(self.folder)("clone", "--quiet", *options, url or f"file://{of.origin}", str(root))
        return Consumer(root, of.origin)

    def hook(self, consumer: Consumer, name: str, script: str) -> None:
        """Write a hook of the origin."""
        path = consumer.origin / "hooks" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def configured(self, key: str, value: str) -> Consumer:
        """Return such a project whose origin has a setting more."""
        running = self.running()
        git_in(running.origin)("config", "--add", key, value)
        return running


@dataclass(frozen=True)
class Said:
    """What a command says: its exit code, the id of the finding that it gives first ("": none), and words of that finding.

    `writes`: it changes the origin though it ends with 1 or 3. `pushes` is how often it may push. `does` says on the page what a
    command does that gives no finding.
    """

    command: str
    exit: int
    id: str = ""
    words: str = ""
    writes: bool = False
    pushes: int = 1
    does: str = "nothing: it does what it is for"


Arrange = Callable[[Stage], Consumer]
Check = Callable[[Stage, Consumer], None]


@dataclass(frozen=True, init=False)
class Situation:
    """One situation: what brings it about, what each command says in it, and what must hold afterwards."""

    title: str
    arrange: Arrange
    said: tuple[Said, ...]
    then: Check | None
    slow: bool

    def __init__(
        self, title: str, arrange: Arrange, *said: Said, then: Check | None = None, slow: bool = False
    ) -> None:
        for name, value in {"title": title, "arrange": arrange, "said": said, "then": then, "slow": slow}.items():
            object.__setattr__(self, name, value)

    @property
    def slug(self) -> str:
        """The name of its test."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


class Kind(NamedTuple):
    """What situations of a module have in common."""

    order: int
    title: str
    about: str


def kinds() -> Iterator[tuple[Kind, tuple[Situation, ...]]]:
    """Yield each kind of situations, in the order of the page."""
    package = importlib.import_module("tests.situations")
    modules = [
        importlib.import_module(f"{package.__name__}.{one.name}") for one in pkgutil.iter_modules(package.__path__)
    ]
    found = [module for module in modules if hasattr(module, "SITUATIONS")]
    for module in sorted(found, key=lambda module: module.KIND.order):
        yield module.KIND, module.SITUATIONS


def origin_refs(consumer: Consumer) -> dict[str, str]:
    """Return every ref of the origin, hidden ones too."""
    listing = subprocess.run(
        ["git", "for-each-ref", "--format=%(refname) %(objectname)"],
        cwd=consumer.origin, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    return dict(line.split() for line in listing.splitlines())


def require_whole(stage: Stage, consumer: Consumer) -> None:
    """Require that the origin has the run, the log and the tag of each event."""
    mirror = stage.folder / "mirror"
    git_in(stage.folder)("clone", "--quiet", "--mirror", str(consumer.origin), str(mirror))
    assert "refs/mlops/log/diagnosis" in origin_refs(consumer)
    Consumer(mirror, consumer.origin).ok("audit")
