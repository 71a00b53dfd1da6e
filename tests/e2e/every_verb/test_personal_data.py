"""Values that are planted in columns tagged `pii` are, after every verb, in no git object, no cache and no output."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.support.clinic import people, shown_markers
from tests.support.consumer import Consumer, edit
from tests.support.personal import find_markers, stored_markers

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


def test_the_sweep_sees_what_is_there(clinic: Consumer) -> None:
    """Given a table without tags, then the same verbs show and store values: the markers would be found."""
    edit(clinic, "people.yaml", ", tags: [pii], severity: warn, values", ", severity: warn, values")
    assert set(shown_markers(clinic, ("check",))) == {"check --format text", "check --format json"}
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
