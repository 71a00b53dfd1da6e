"""A project about people: every value of the columns tagged `pii` is a marker that occurs nowhere else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.support.consumer import Consumer
from tests.support.git_calls import git_in
from tests.support.personal import find_markers

DATASET = """apiVersion: mlops-ci/v1
kind: Dataset
metadata: {name: people}
spec:
  source: {type: csv, path: people.csv}
  key: [id]
  group: family
  columns:
    id: {type: string, tags: [pii], severity: warn, pattern: "x.*"}
    city: {type: string, tags: [pii], severity: warn, values: [a], length: {max: 2}}
    ssn: {type: integer, tags: [pii], severity: warn, max: 5}
    note: {type: string, tags: [pii], severity: warn, unique: true, pattern: "x"}
    family: {type: string, tags: [pii], severity: warn, unique: true}
    y: {type: string}
  checks:
    - {type: custom-sql, name: notes, sql: "note like 'z%'", severity: warn}
    - {type: custom-sql, name: casts, sql: "cast(note as integer) > 0", severity: warn}
    - {type: custom-sql, name: numbers, sql: "ssn < 5", severity: warn}
    - {type: unique, columns: [city], severity: warn}
"""
MODEL = """apiVersion: mlops-ci/v1
kind: Model
metadata: {name: risk}
spec:
  task: binary-classification
  dataset: people
  target: y
  positive: "yes"
  features: [x, z, ssn]
  train: {estimator: sklearn.linear_model.LogisticRegression}
  evaluate:
    metrics: [auc, accuracy]
    slices: [city]
  gate:
    requirements:
      - {metric: auc, min: 0.5}
      - {metric: demographic-parity-difference, by: city, max: 0.99}
"""


def people(rows: int) -> pd.DataFrame:
    """A table in which every personal value is a marker that occurs nowhere else."""
    random = np.random.default_rng(5)
    x = random.normal(size=rows)
    return pd.DataFrame(
        {
            "id": [f"MARKKEY{at:05d}" for at in range(rows)],
            "x": x.round(4),
            "z": random.normal(size=rows).round(4),
            "city": random.choice(["MARKCITYnorth", "MARKCITYsouth", "MARKCITYeast"], rows),
            "ssn": [7_310_000_000 + 137 * at for at in range(rows)],
            "note": [f"MARKNOTE{at:05d} lives" for at in range(rows)],
            "family": [f"MARKGRP{at % 300:05d}" for at in range(rows)],
            "y": np.where(x + 0.5 * random.logistic(size=rows) > 0, "yes", "no"),
        }
    )


@pytest.fixture
def clinic(tmp_path: Path) -> Consumer:
    root = tmp_path / "clinic"
    root.mkdir()
    git_in(root)("init", "--quiet", "--initial-branch=main")
    people(1500).to_csv(root / "people.csv", index=False)
    (root / "mlops.yaml").write_text("apiVersion: mlops-ci/v1\nkind: Project\nmetadata: {name: clinic}\nspec: {}\n")
    (root / "people.yaml").write_text(DATASET)
    (root / "risk.yaml").write_text(MODEL)
    made = Consumer(root, root)
    made.commit("start")
    return made


def find_shown_markers(consumer: Consumer, command: tuple[str, ...]) -> dict[str, set[str]]:
    """Run a command, and return the planted values that it printed, by its words."""
    done = consumer.run(*command)
    assert done.returncode in (0, 1), f"{command}: {done.stdout}{done.stderr}"
    markers = find_markers((done.stdout + done.stderr).encode())
    return {" ".join(command): markers} if markers else {}


def shown_markers(consumer: Consumer, *verbs: tuple[str, ...]) -> dict[str, set[str]]:
    """Run the verbs as text and as JSON, and return the planted values that each of them printed."""
    found: dict[str, set[str]] = {}
    for verb in verbs:
        for format in ("text", "json"):
            found |= find_shown_markers(consumer, (*verb, "--format", format))
    return found
