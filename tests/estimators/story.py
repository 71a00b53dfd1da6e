"""Takes models from a table to predictions in a fresh environment, with the commands that a user types."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from tests.estimators.catalogue import Attempt

COMPOSITIONS = Path(__file__).with_name("compositions.py")
ROWS = 600
IDENTITY = ("-c", "user.name=t", "-c", "user.email=t@example.org")

# runs in the fresh environment: each model by its own lines, in a process of its own
LOAD = """
import json, os, sys
import pandas, skops.io
stories = json.load(open(sys.argv[1]))
for name, lines in stories.items():
    sys.stdout.flush()
    if os.fork() == 0:
        try:
            null = open(os.devnull, "w")
            shown, sys.stdout = sys.stdout, null
            exec("\\n".join(lines), {"__name__": "__main__"})
            sys.stdout = shown
            print(json.dumps([name, ""]), flush=True)
        except BaseException as error:
            print(json.dumps([name, f"{type(error).__name__}: {error}"]), file=shown, flush=True)
        os._exit(0)
    os.wait()
"""


@dataclass(frozen=True)
class Story:
    """How far a model came: the gate's verdict, and the reason why it stopped, or empty text."""

    attempt: Attempt
    verdict: str
    reason: str = ""
    predicted: bool = False


def make_table(task: str, path: Path) -> None:
    """Write a table with a signal, text and missing values."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(5)
    frame = pd.DataFrame(rng.normal(size=(ROWS, 3)), columns=["a", "b", "c"])
    frame.insert(0, "id", range(ROWS))
    frame["shop"] = rng.choice(["north", "south", "east"], ROWS)
    score = frame["a"] * 2 + frame["b"] + (frame["shop"] == "north") + rng.logistic(size=ROWS) * 0.5
    labels = np.array(["low", "middle", "high"])[np.digitize(score, [-1, 1])]
    frame["y"] = {"regression": score + 9, "binary-classification": score > 0}.get(task, labels)
    frame.loc[rng.choice(ROWS, 30, replace=False), "b"] = np.nan
    frame.to_csv(path, index=False)


def tell_stories(
    task: str,
    attempts: Sequence[Attempt],
    folder: Path,
    python: str | None = None,
    files: Mapping[str, str] | None = None,
) -> list[Story]:
    """Take each model from the table to predictions in `python`, or in a fresh environment made from their requirements.

    `files` are files of the repository with code, by their paths; without them, it has the compositions.
    """
    folder.mkdir(parents=True)
    make_table(task, folder / "table.csv")
    run_command(folder, "init", "project", "--from", "table.csv", "--target", "y")
    root = folder / "project"
    _write_specs(root, attempts, files or {"models/compositions.py": COMPOSITIONS.read_text()})
    _git(root, "add", "--all")
    _git(root, *IDENTITY, "commit", "-qm", "start")
    gate = json.loads(run_command(root, "gate", "--format", "json", codes=(0, 1, 2, 3)).stdout)
    assert "record" in gate, gate["diagnostics"]
    verdicts = {one["model"]: one["verdict"] for one in gate["record"]["models"]}
    stories = {one.name: Story(one, verdicts[one.name], find_reason(one.name, gate["diagnostics"])) for one in attempts}
    passed = [name for name, story in stories.items() if story.verdict == "pass"]
    if not passed:
        return list(stories.values())
    run_command(root, "release", *passed)
    fetched, lines = folder / "fetched", {}
    fetched.mkdir()
    done = run_commands(root, [["fetch", name, str(fetched / name), "--format", "json"] for name in passed])
    for name, one in zip(passed, done, strict=True):
        if one.returncode:
            stories[name] = replace(stories[name], reason=f"fetch: {one.stderr}")
        else:
            lines[name] = json.loads(one.stdout)["record"]["lines"]
    problems = {name: f"predict: {why}" for name, why in _predict(root, folder, list(lines)).items()}
    python = python or _fresh_environment(folder, [fetched / name / "requirements.txt" for name in lines])
    (folder / "lines.json").write_text(json.dumps(lines))
    loaded = subprocess.run(
        [python, "-c", LOAD, str(folder / "lines.json")], capture_output=True, text=True, check=False, cwd=folder
    )
    for name, problem in map(json.loads, loaded.stdout.splitlines()):
        reason = problem or problems.get(name, "")
        stories[name] = replace(stories[name], reason=reason, predicted=not reason)
    return list(stories.values())


def run_command(folder: Path, *arguments: str, codes: Sequence[int] = (0,)) -> subprocess.CompletedProcess[str]:
    """Run mlops-ci in a folder; raises AssertionError when its exit code is not among `codes`."""
    command = [sys.executable, "-m", "mlops_ci", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode in codes, f"mlops-ci {' '.join(arguments)}: {done.stdout}{done.stderr}"
    return done


def run_commands(folder: Path, commands: Sequence[Sequence[str]]) -> list[subprocess.CompletedProcess[str]]:
    """Run commands of mlops-ci one after another in one process, which imports everything once."""
    script = [sys.executable, str(Path(__file__).with_name("commands.py")), json.dumps(commands)]
    done = subprocess.run(script, cwd=folder, capture_output=True, text=True, check=True)
    answers = map(json.loads, done.stdout.splitlines())
    return [subprocess.CompletedProcess(list(one), *answer) for one, answer in zip(commands, answers, strict=True)]


def find_reason(name: str, diagnostics: Sequence[Mapping[str, Any]]) -> str:
    """Return what the gate says about a model that does not pass, or empty text."""
    messages = (str(one["message"]) for one in diagnostics)
    return next((text.removeprefix(f"{name}: ") for text in messages if text.startswith(f"{name}: ")), "")


def _predict(root: Path, folder: Path, names: Sequence[str]) -> dict[str, str]:
    """Let each released model predict the whole table by the verb; return what failed, by the model's name."""
    made = {name: folder / f"{name}.csv" for name in names}
    done = run_commands(root, [["predict", name, "../table.csv", "--out", str(made[name])] for name in names])
    failed = {name: one.stderr for name, one in zip(names, done, strict=True) if one.returncode}
    rows = {name: len(made[name].read_text().splitlines()) - 1 for name in names if name not in failed}
    return failed | {name: f"{count} of {ROWS} rows" for name, count in rows.items() if count != ROWS}


def _write_specs(root: Path, attempts: Sequence[Attempt], files: Mapping[str, str]) -> None:
    """Replace the model spec that `init` wrote by one for each model that is tried; none of them is deployed."""
    for deployment in root.glob("specs/*.deployment.yaml"):
        deployment.unlink()
    (spec,) = root.glob("specs/*.model.yaml")
    document: dict[str, Any] = yaml.safe_load(spec.read_text())
    spec.unlink()
    (root / "models").mkdir(exist_ok=True)
    for path, text in files.items():
        (root / path).write_text(text)
    for one in attempts:
        document["metadata"]["name"] = one.name
        document["spec"]["train"] = one.train
        spec.with_name(f"{one.name}.model.yaml").write_text(yaml.safe_dump(document, sort_keys=False))


def _fresh_environment(folder: Path, requirements: Sequence[Path]) -> str:
    """Return the Python of a new environment with the union of the requirements."""
    wanted = sorted({line for path in requirements for line in path.read_text().splitlines() if line.strip()})
    (folder / "requirements.txt").write_text("\n".join(wanted) + "\n")
    subprocess.run(["uv", "venv", "-q", "--python", sys.executable, str(folder / "fresh")], check=True)
    python = str(folder / "fresh/bin/python")
    subprocess.run(
        ["uv", "pip", "install", "-q", "--python", python, "-r", str(folder / "requirements.txt")], check=True
    )
    return python


def _git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True)
