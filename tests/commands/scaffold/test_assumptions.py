"""What `init --from` assumes about labels, keys and times, and how it says so."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mlops_ci.commands import scaffold
from mlops_ci.core.errors import Findings, ToolError, UsageProblem
from mlops_ci.spec.load import load_specs
from mlops_ci.spec.spec_types import DatasetSpec, ModelSpec

ROWS = 400
DAYS = [(date(2024, 1, 1) + timedelta(days=number)).isoformat() for number in range(ROWS)]


def make_table(folder: Path, labels: list[Any], **columns: list[Any]) -> Path:
    path = folder / "t.csv"
    pd.DataFrame({"x": [number * 7 % 13 for number in range(ROWS)], **columns, "y": (labels * ROWS)[:ROWS]}).to_csv(
        path, index=False
    )
    return path


def make_specs(
    table: Path, key: str | None = None, time: str | None = None
) -> tuple[DatasetSpec, ModelSpec, str, list[str]]:
    """Return the specs, the model's text, and the messages of the notes."""
    made = scaffold.specs_from_table(table, table.name, "y", key=key, time=time)
    for path, content in made.files.items():
        (table.parent / path).parent.mkdir(parents=True, exist_ok=True)
        (table.parent / path).write_bytes(content)
    specs, findings = load_specs(table.parent)
    assert specs is not None
    assert findings == ()
    (dataset,), (model,) = specs.datasets.values(), specs.models.values()
    text = (table.parent / model.path).read_text(encoding="utf-8")
    for note in made.notes:
        assert (note.id, note.severity) == ("init-positive", "note")
        assert note.location is not None
        assert note.location.text == text.splitlines()[(note.location.line or 0) - 1]
    return dataset.spec, model.spec, text, [note.message for note in made.notes]


@pytest.mark.parametrize(
    ("labels", "positive", "message"),
    [
        (["legit", "legit", "legit", "fraud"], "fraud", "'fraud' (100 of 400 rows): the rarer label"),
        (["b", "a"], "b", "'b' (200 of 400 rows): both labels have as many rows, and it sorts last"),
        ([1, 1, 1, 1, 2], 2, "2 (80 of 400 rows): the rarer label"),
        (["it's: bad", "good", "good", "good"], "it's: bad", "'it's: bad' (100 of 400 rows): the rarer label"),
        (["on", "off", "off", "off"], "on", "'on' (100 of 400 rows): the rarer label"),
    ],
)
def test_the_rarer_label_is_proposed_as_positive_and_both_spec_and_output_say_so(
    labels: list[Any], positive: str | int, message: str, tmp_path: Path
) -> None:
    _, model, text, notes = make_specs(make_table(tmp_path, labels))

    assert model.positive == positive
    assert "  # assumption: " in text.partition("  positive:")[0].splitlines()[-1]
    assert notes == [f"the positive class of 'y' is taken to be {message}"]


@pytest.mark.parametrize(
    "labels", [[0, 1, 1, 1], ["yes", "yes", "no"], [True, False, True], ["a", "b", "c"], [0.5, 2.5]]
)
def test_no_positive_class_is_proposed_where_the_labels_say_it_or_there_are_not_two(
    labels: list[Any], tmp_path: Path
) -> None:
    _, model, text, notes = make_specs(make_table(tmp_path, labels))

    assert model.positive is None
    assert "positive" not in text
    assert notes == []


def test_dates_are_features_and_a_comment_says_what_a_random_holdout_does_not_show(tmp_path: Path) -> None:
    dataset, model, text, _ = make_specs(make_table(tmp_path, [0, 1, 1], day=DAYS))

    assert model.features == ("x", "day")
    assert (dataset.time, dataset.split.by) == (None, "key-hash")
    assert "# 'day': the holdout has rows of the same times as the training rows." in text


def test_the_time_of_the_split_is_no_feature_and_other_dates_are(tmp_path: Path) -> None:
    table = make_table(tmp_path, [0, 1, 1], day=DAYS, opened=DAYS[::-1])
    dataset, model, text, _ = make_specs(table, time="day")

    assert model.features == ("x", "opened")
    assert (dataset.time, dataset.split.by, dataset.split.holdout) == ("day", "time", 0.2)
    assert "# Left out of the features: 'day' is later in each row of the holdout than in all training rows." in text
    assert "same times as the training rows" not in text


def test_a_key_that_was_named_is_no_assumption(tmp_path: Path) -> None:
    """Given a column that init would not take for a key, since it is a text that comes second, when it is named."""
    customers = [f"customer {number}" for number in range(ROWS)]
    dataset, model, _, _ = make_specs(make_table(tmp_path, [0, 1, 1], customer=customers), key="customer")

    assert dataset.key == ("customer",)
    assert model.features == ("x",)
    assert "assumption" not in (tmp_path / "specs/t.dataset.yaml").read_text()


@pytest.mark.parametrize(
    ("names", "kind", "id", "message"),
    [
        ({"key": "X"}, UsageProblem, "init-column-unknown", "has no column 'X'"),
        ({"time": "dya"}, UsageProblem, "init-column-unknown", "has no column 'dya'"),
        ({"key": "y"}, UsageProblem, "init-options", "'y' is the target"),
        ({"key": "x"}, Findings, "init-key", "has values that occur twice or more (13 different values in 400 rows)"),
        ({"key": "gaps"}, Findings, "init-key", "has no value in 1 row"),
        ({"time": "x"}, Findings, "init-time", "is of type integer"),
        ({"time": "gaps"}, Findings, "init-time", "is missing in 1 row"),
        ({"time": "same"}, Findings, "init-time", "has only one value"),
    ],
)
def test_a_column_that_cannot_be_key_or_time_is_refused(
    names: dict[str, str], kind: type[ToolError], id: str, message: str, tmp_path: Path
) -> None:
    table = make_table(tmp_path, [0, 1, 1], day=DAYS, gaps=[*DAYS[1:], None], same=DAYS[:1] * ROWS)

    with pytest.raises(kind) as caught:
        scaffold.specs_from_table(table, table.name, "y", **names)

    assert caught.value.diagnostics[0].id == id
    assert message in caught.value.diagnostics[0].message
