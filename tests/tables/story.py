"""Takes real tables from a file to predictions, with the commands that a user types, and nothing written by hand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.estimators.story import IDENTITY, _git, find_reason, run_command
from tests.tables.catalogue import RealTable


@dataclass(frozen=True)
class TableStory:
    """How far a table came: the source that `init` wrote, the gate's verdict, and the reason why it was not released."""

    table: RealTable
    options: str = ""
    rows: int = 0
    estimator: str = ""
    verdict: str = ""
    reason: str = ""
    predicted: bool = False


def tell_table_story(table: RealTable, folder: Path, *, whole: bool = True) -> TableStory:
    """Take a table through init, validate, check and gate; `whole`: also release, fetch and predict, if the gate passes."""
    folder.mkdir(parents=True)
    (folder / table.name).write_bytes(table.content())
    made = run_command(folder, "init", "project", "--from", table.name, "--target", table.target, codes=(0, 1, 2))
    if made.returncode:
        return TableStory(table, reason=_first_message(made.stderr or made.stdout))
    root = folder / "project"
    _git(root, "add", "--all")
    _git(root, *IDENTITY, "commit", "-qm", "start")
    run_command(root, "validate")
    checked = json.loads(run_command(root, "check", "--format", "json").stdout)
    source, estimator = _spec(root, "dataset")["source"], _spec(root, "model")["train"]["estimator"]
    options = ", ".join(
        f"{name}: {json.dumps(value, ensure_ascii=False)}"
        for name, value in source.items()
        if name not in ("type", "path")
    )
    gate = json.loads(run_command(root, "gate", "--format", "json", codes=(0, 1)).stdout)
    (answer,) = gate["record"]["models"]
    rows = checked["record"]["datasets"][0]["rows"]
    model = answer["model"]
    reason = find_reason(model, gate["diagnostics"])
    story = TableStory(table, options, rows, estimator.rpartition(".")[2], answer["verdict"], reason)
    if answer["verdict"] != "pass" or not whole:
        return story
    run_command(root, "release", model)
    run_command(root, "fetch", model, str(folder / "fetched"))
    run_command(root, "predict", model, str(folder / table.name), "--out", str(folder / "out.csv"))
    lines = len((folder / "out.csv").read_text(encoding="utf-8").splitlines()) - 1
    assert lines == rows, f"{lines} predictions for {rows} rows"
    return TableStory(table, options, rows, story.estimator, "pass", "", predicted=True)


def _spec(root: Path, kind: str) -> Any:
    (path,) = root.glob(f"specs/*.{kind}.yaml")
    return yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]


def _first_message(text: str) -> str:
    return next((line for line in text.splitlines() if line.startswith("error")), text[:200])
