"""GTO and DVC from PyPI, in an environment of their own that is made once and kept."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.consumer import Consumer

PINS = ("dvc==3.67.1", "gto==1.10.1")
INSIDE = str(Path(__file__).with_name("peers_inside.py"))


@dataclass(frozen=True)
class View:
    """A registry as a tool sees it: the highest version and the stages of each model, and the events, newest first."""

    models: dict[str, tuple[str | None, dict[str, str]]]
    events: list[tuple[str, str, str | None, str | None, str]]

    def of(self, model: str) -> list[tuple[str, str, str | None, str | None, str]]:
        """One model's events."""
        return [event for event in self.events if event[0] == model]


@dataclass(frozen=True)
class Peers:
    """The Python of their environment."""

    python: Path

    def ask(
        self, root: Path, gto: Sequence[Sequence[str]] = (), artifacts: Sequence[dict[str, str]] = ()
    ) -> tuple[list[tuple[int, str]], View, list[dict[str, str]]]:
        """Run gto commands in a repository, then `gto show` and `gto history`, then `dvc.api.artifacts_show`.

        Give exit code and output of each command, what gto shows in the end, and what DVC answers to each call. One
        process does all of it: each start costs seconds.
        """
        answers = self._ask(root, [*gto, ("show", "--json"), ("history", "--json")], artifacts)
        *said, (code, shown), (other, told) = answers["gto"]
        assert (code, other) == (0, 0), shown + told
        return said, _view(json.loads(shown), json.loads(told)), answers["artifacts"]

    def _ask(self, root: Path, gto: Any, artifacts: Any) -> dict[str, Any]:
        request = json.dumps({"gto": gto, "artifacts": artifacts})
        # uv compiles nothing: where no byte code may be written, each start compiles their packages again
        env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        done = subprocess.run(
            [self.python, INSIDE], cwd=root, env=env, input=request, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        answers: dict[str, Any] = json.loads(done.stdout)
        return answers


def _view(shown: dict[str, Any], told: list[dict[str, Any]]) -> View:
    """Return what `gto show --json` and `gto history --json` say."""
    models = {
        name: (
            _bare(model["version"]),
            {stage: v for stage, given in model["stage"].items() if (v := _bare(given))},
        )
        for name, model in shown.items()
    }
    events = [
        (event["artifact"], event["event"], _bare(event["version"]), event["stage"], event["ref"]) for event in told
    ]
    return View(models, events)


def ours(consumer: Consumer) -> View:
    """What `mlops-ci show` and `mlops-ci history` say, in GTO's words."""
    words = {
        "release": "registration",
        "deploy": "assignment",
        "rollback": "assignment",
        "undeploy": "unassignment",
        "retire": "deregistration",
        "deprecate": "deprecation",
    }
    models = consumer.answer("show")["record"]["models"]
    events = consumer.answer("history")["record"]["events"]
    return View(
        {row["model"]: (row.get("latest"), row["environments"]) for row in models},
        [
            (
                event["model"],
                words.get(event["event"], event["event"]),
                event["version"] or None,
                event.get("environment"),
                event["tag"],
            )
            for event in events
        ],
    )


@pytest.fixture(scope="session")
def peers() -> Peers:
    """Their environment."""
    return installed()


def installed() -> Peers:
    """Return their environment, kept below `.nox` under a name that depends on the pins; only the first run installs it."""
    key = hashlib.sha256(repr((PINS, sys.version_info[:2])).encode()).hexdigest()[:12]
    folder = Path(__file__).parents[2] / ".nox" / f"peers-{key}"
    folder.parent.mkdir(exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another worker may be installing it right now
        if not (folder / "complete").is_file():
            shutil.rmtree(folder, ignore_errors=True)
            _install(folder)
            (folder / "complete").touch()
    return Peers(folder / "bin" / "python")


def _install(folder: Path) -> None:
    python = str(folder / "bin" / "python")
    if uv := shutil.which("uv"):
        commands = [[uv, "venv", "--quiet", "--python", sys.executable, str(folder)]]
        commands += [[uv, "pip", "install", "--quiet", "--python", python, *PINS]]
    else:
        commands = [[sys.executable, "-m", "venv", str(folder)]]
        commands += [[python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PINS]]
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def _bare(version: str | None) -> str | None:
    return version.removeprefix("v") if version else None
