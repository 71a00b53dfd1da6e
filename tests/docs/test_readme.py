"""The README runs: its shell blocks in one scratch folder, its YAML through `validate`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

from mlops_ci.cli.verbs import COMMANDS
from mlops_ci.spec.load import load_specs
from tests.support.git_calls import git_in

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_the_shell_blocks_run(tmp_path: Path) -> None:
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "mlops-ci").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mlops_ci "$@"\n')
    (commands / "mlops-ci").chmod(0o755)
    env = {**os.environ, "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}"}
    script = "set -e\n" + "\n".join(blocks("shell"))
    done = subprocess.run(["sh"], input=script, cwd=tmp_path, env=env, text=True, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert git_in(tmp_path / "demo")("tag").split() == ["diagnosis#staging#1", "diagnosis@v1.0.0"]


def test_the_smallest_model_is_valid(tmp_path: Path) -> None:
    (yaml,) = blocks("yaml")
    (tmp_path / "model.yaml").write_text(yaml)
    header = "apiVersion: mlops-ci/v1\n"
    (tmp_path / "mlops.yaml").write_text(f"{header}kind: Project\nmetadata: {{name: p}}\nspec: {{}}\n")
    source = "spec: {source: {type: csv, path: flights.csv}}\n"
    (tmp_path / "data.yaml").write_text(f"{header}kind: Dataset\nmetadata: {{name: flights}}\n{source}")
    specs, found = load_specs(tmp_path)
    assert specs is not None, found
    assert len(yaml.splitlines()) == 10


def test_the_workflow_is_what_init_writes_without_what_can_be_left_out() -> None:
    from mlops_ci.commands import scaffold

    (block,) = blocks("yml")
    template = Path(scaffold.__file__).parent / "templates" / "github" / "dot-github" / "workflows" / "mlops-gate.yml"
    texts = (block, template.read_text(encoding="utf-8"))
    shown, written = (yaml.load(text, yaml.BaseLoader) for text in texts)  # noqa: S506  it makes text alone, of `on`, too
    job, full = shown["jobs"]["gate"], written["jobs"]["gate"]
    assert (job["uses"], job["permissions"]) == (full["uses"], full["permissions"])
    assert set(shown["on"]) <= set(written["on"])


def test_the_two_commands_and_the_verbs_are_there() -> None:
    for session in ("demo", "tests"):
        assert f"python3 -m venv .venv && .venv/bin/pip install nox && .venv/bin/nox -s {session}\n" in README
    rows = re.findall(r"^\| (`.*?) \|", README, re.MULTILINE)
    assert [name for row in rows for name in re.findall(r"`((?:ci )?[a-z]+)", row)] == list(COMMANDS)
