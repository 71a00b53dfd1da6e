"""Values that are planted in columns tagged `pii` are, after every verb, in no git object, no cache and no output."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.support.consumer import Consumer, edit
from tests.support.git_calls import git_in
from tests.support.personal import find_markers, stored_markers

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
OWN = """from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder


class Loud(LogisticRegression):
    def fit(self, X, y):
        print(X.to_string())
        raise ValueError(f"cannot use {X.iloc[0].to_dict()}")


def build():
    return make_pipeline(make_column_transformer((OneHotEncoder(), ["city"])), LogisticRegression())


def loud():
    return Loud()
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


def shown_markers(consumer: Consumer, *verbs: tuple[str, ...]) -> dict[str, set[str]]:
    """Run the verbs as text and as JSON, and return the planted values that each of them printed."""
    found: dict[str, set[str]] = {}
    for verb in verbs:
        for format in ("text", "json"):
            done = consumer.run(*verb, "--format", format)
            assert done.returncode in (0, 1), done.stdout + done.stderr
            if markers := find_markers((done.stdout + done.stderr).encode()):
                found[" ".join((*verb, format))] = markers
    return found


def test_the_sweep_sees_what_is_there(clinic: Consumer) -> None:
    """Given a table without tags, then the same verbs show and store values: the markers would be found."""
    edit(clinic, "people.yaml", ", tags: [pii], severity: warn, values", ", severity: warn, values")
    assert set(shown_markers(clinic, ("check",))) == {"check text", "check json"}
    assert stored_markers(clinic.root)


def test_no_planted_value_leaves_the_table(clinic: Consumer, tmp_path: Path) -> None:
    assert shown_markers(clinic, ("validate",), ("check",), ("gate",)) == {}
    edit(clinic, "risk.yaml", "      - {metric: demographic-parity-difference, by: city, max: 0.99}\n", "")
    clinic.commit()
    asked = str(tmp_path / "asked.csv")
    verbs: list[tuple[str, ...]] = [("gate",), ("release",), ("show",), ("show", "--runs"), ("history",), ("audit",)]
    verbs += [("fetch", "risk", "out"), ("predict", "risk", "people.csv", "--out", asked, "--replace")]
    assert shown_markers(clinic, *verbs) == {}
    assert stored_markers(clinic.root) == {}
    assert [path for path in (clinic.root / "out").iterdir() if find_markers(path.read_bytes())] == []
    assert "MARKKEY00000" in Path(asked).read_text()  # what somebody asked for, where they asked for it


def test_rows_that_cannot_be_read_or_are_split_wrongly_are_told_without_their_values(clinic: Consumer) -> None:
    table = clinic.root / "people.csv"
    rows = people(1500)
    rows.loc[3, "ssn"] = -1
    rows["ssn"] = rows["ssn"].astype(object)
    rows.loc[4, "ssn"] = "MARKNOTE12345"
    pd.concat([rows, rows.head(5)]).to_csv(table, index=False)  # keys on both sides, and a word for a number
    assert shown_markers(clinic, ("check",), ("gate",)) == {}
    table.write_text(table.read_text() + "MARKKEY99999,1,2\n")  # a row that is too short
    assert shown_markers(clinic, ("check",), ("gate",)) == {}
    assert stored_markers(clinic.root) == {}


def test_a_personal_text_is_no_class_unless_the_spec_allows_it(clinic: Consumer) -> None:
    edit(clinic, "people.yaml", "y: {type: string}", "y: {type: string, tags: [pii]}")
    rows = people(1500)
    rows["y"] = rows["y"].map({"yes": "MARKTARGETyes", "no": "MARKTARGETno"})
    rows.to_csv(clinic.root / "people.csv", index=False)
    edit(clinic, "risk.yaml", 'positive: "yes"', "positive: other")
    assert shown_markers(clinic, ("gate",)) == {}
    (error,) = [one for one in clinic.answer("gate", code=1)["diagnostics"] if one["severity"] == "error"]
    assert (error["id"], "personal: [y]" in error["help"]) == ("personal-in-model", True)
    assert stored_markers(clinic.root) == {}


def test_a_long_personal_number_is_no_label(clinic: Consumer) -> None:
    """Given two account numbers as the target, then a wrong `positive` names neither, and no cache has them."""
    edit(clinic, "people.yaml", "y: {type: string}", "y: {type: integer, tags: [pii]}")
    rows = people(1500)
    rows["y"] = rows["y"].map({"yes": 7_310_000_001, "no": 7_310_000_139})
    rows.to_csv(clinic.root / "people.csv", index=False)
    edit(clinic, "risk.yaml", 'positive: "yes"', "positive: 5")
    assert shown_markers(clinic, ("gate",)) == {}
    assert stored_markers(clinic.root) == {}


def test_a_split_by_a_personal_time_is_refused_before_its_cutoff_is_kept(clinic: Consumer) -> None:
    edit(clinic, "people.yaml", "    y: {type: string}", "    y: {type: string}\n    born: {type: date, tags: [pii]}")
    edit(clinic, "people.yaml", "  group: family\n", "  time: born\n  split: {by: time, holdout: 0.2}\n")
    rows = people(1500)
    rows["born"] = [f"{1931 + at // 300}-02-{1 + at % 28:02d}" for at in range(1500)]
    rows.to_csv(clinic.root / "people.csv", index=False)
    for verb, code in (("validate", 2), ("gate", 2)):
        (error,) = [one for one in clinic.answer(verb, code=code)["diagnostics"] if one["severity"] == "error"]
        assert (error["id"], error["location"]["path"]) == ("personal-split-time", "risk.yaml")
    edit(clinic, "risk.yaml", "  train: {", "  release: {personal: [born]}\n  train: {")
    assert clinic.answer("validate")["diagnostics"] == []


@pytest.mark.slow
@pytest.mark.parametrize("function", ["build", "loud"])
def test_own_code_keeps_no_category_and_its_output_is_withheld(clinic: Consumer, function: str) -> None:
    (clinic.root / "own.py").write_text(OWN)
    edit(clinic, "risk.yaml", "estimator: sklearn.linear_model.LogisticRegression", f"entrypoint: own.py:{function}")
    edit(clinic, "risk.yaml", "[x, z, ssn]", "[x, z, city]")
    assert shown_markers(clinic, ("train",), ("gate",)) == {}
    assert stored_markers(clinic.root) == {}
    wanted = {"build": "personal-in-model", "loud": "train-failed"}[function]
    assert wanted in [one["id"] for one in clinic.answer("gate", code=1)["diagnostics"]]
    if function == "build":  # allowed by name, in a change that people review
        edit(clinic, "risk.yaml", "  train: {", "  release: {personal: [city]}\n  train: {")
        ids = [one["id"] for one in clinic.answer("gate", code=0)["diagnostics"]]
        assert "personal-in-model" not in ids
        assert stored_markers(clinic.root)
