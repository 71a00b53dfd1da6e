"""Each recipe of docs/machines.md gives what stands below it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.consumer import Consumer, edit
from tests.support.toolkit import ROOT

PAGE = (ROOT / "docs" / "machines.md").read_text(encoding="utf-8")
RECIPES = re.findall(r"^```shell\n(.*?)^```\n\n```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def told(gated: Consumer) -> Consumer:
    """Given the registry that the page describes."""
    gated.ok("release")
    gated.ok("deploy", "diagnosis", "--env", "staging")
    gated.ok("deploy", "diagnosis", "--env", "prod")
    gated.git("pull", "--quiet", "--rebase")
    edit(gated, "models/diagnosis.yaml", "max_iter: 1000", "max_iter: 1000, C: 0.5")
    gated.commit("Regularise more")
    gated.git("push", "--quiet")
    gated.ok("gate")
    gated.ok("release")
    gated.ok("deploy", "diagnosis", "--env", "staging")
    gated.ok("rollback", "diagnosis", "--env", "staging", "--reason", "more alarms than before")
    gated.git("pull", "--quiet", "--rebase")
    return gated


def test_the_recipes_give_what_stands_below_them(told: Consumer, tmp_path: Path) -> None:
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, module in (("mlops-ci", "mlops_ci"), ("jq", "tests.support.jq")):
        script = commands / name
        script.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m {module} "$@"\n')
        script.chmod(0o755)
    env = {**os.environ, "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}"}
    assert len(RECIPES) == PAGE.count("```shell\n")
    found = [
        subprocess.run(["sh", "-c", command], cwd=told.root, env=env, capture_output=True, text=True, check=False)
        for command, _ in RECIPES
    ]
    assert [(done.stdout, done.stderr) for done in found] == [(expected, "") for _, expected in RECIPES]
