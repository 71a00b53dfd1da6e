from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mlops_ci.commands import scaffold
from mlops_ci.core.errors import Findings, ToolError, UsageProblem
from mlops_ci.data.engines.duckdb import open_table
from mlops_ci.data.sources.table import open_source
from mlops_ci.data.split import count_holdout_rows
from mlops_ci.spec.load import load_specs
from mlops_ci.spec.spec_types import DatasetSpec, ModelSpec, SourceSpec, SplitSpec

ROWS = 120
Columns = dict[str, Sequence[Any]]
CHANCE = random.Random(7)  # noqa: S311  test data, no secrets
NOISE = [round(CHANCE.random(), 3) for _ in range(ROWS)]


def csv(folder: Path, columns: Columns, name: str = "table.csv", separator: str = ",") -> Path:
    path = folder / name
    pd.DataFrame(columns).to_csv(path, index=False, sep=separator)
    return path


def infer(root: Path, table: Path, target: str) -> tuple[DatasetSpec, ModelSpec, str]:
    """Write the specs for a table, and return them as the tool reads them, with the model's text."""
    files = scaffold.specs_from_table(table, table.relative_to(root).as_posix(), target).files
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    specs, diagnostics = load_specs(root)
    assert specs is not None, diagnostics
    assert diagnostics == ()
    (dataset,), (model,) = specs.datasets.values(), specs.models.values()
    with open_table(root, open_source(dataset.spec.source).resolve(root), dataset.spec) as opened:
        assert opened.type_mismatches == {}  # the data are what the spec says
    return dataset.spec, model.spec, (root / model.path).read_text(encoding="utf-8")


def labels(*values: Any) -> list[Any]:
    return [values[index % len(values)] for index in range(ROWS)]


def test_two_integers_are_a_binary_target_and_the_unique_id_is_the_key(tmp_path: Path) -> None:
    table = csv(
        tmp_path, {"customer_id": range(ROWS), "age": labels(20, 30, 45), "score": NOISE, "churned": labels(0, 1)}
    )

    dataset, model, _ = infer(tmp_path, table, "churned")

    assert (model.task, model.target, model.features) == ("binary-classification", "churned", ("age", "score"))
    assert model.train.estimator == "sklearn.linear_model.LogisticRegression"
    assert dataset.key == ("customer_id",)
    assert dataset.columns["customer_id"].unique
    assert {name: column.type for name, column in dataset.columns.items()} == {
        "customer_id": "integer",
        "age": "integer",
        "score": "number",
        "churned": "integer",
    }
    assert all(column.min is None and column.max is None for column in dataset.columns.values())


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (labels("yes", "no"), "binary-classification"),
        (labels("True", "False"), "binary-classification"),
        (labels("a", "b", "c"), "multiclass-classification"),
        (labels(1, 2, 3, 4, 5), "multiclass-classification"),
        (labels(*range(11)), "regression"),
        (NOISE, "regression"),
        (labels(0.5, 1.5), "regression"),
        (labels(0.0, 1.0), "binary-classification"),
        (labels(0.0, 2.0), "regression"),
    ],
)
def test_the_target_decides_the_task(values: Sequence[Any], task: str, tmp_path: Path) -> None:
    _, model, text = infer(tmp_path, csv(tmp_path, {"x": NOISE, "y": values}), "y")

    assert model.task == task
    linear = "Ridge" if task == "regression" else "LogisticRegression"  # the table is small
    assert model.train.estimator == f"sklearn.linear_model.{linear}"
    assert f"# Task assumed from the {len(set(values))} distinct values of the target: {task}." in text


def test_columns_that_tell_nothing_are_left_out_with_the_reason(tmp_path: Path) -> None:
    columns: Columns = {
        "x": NOISE,
        "order_id": range(ROWS),
        "other_id": [f"o{n}" for n in range(ROWS)],
        "country": labels("NO", "FR"),
        "constant": labels("same"),
        "empty": labels(None),
        "day": labels("2013-01-01", "2013-02-01"),
        "at": labels("2013-01-01T10:00:00", "2013-02-01T11:00:00"),
        "comment": labels("word " * 20, "other " * 20),
        "name": [f"n{n}" for n in range(ROWS - 1)] + ["n0"],
        "y": labels(0, 1),
    }

    dataset, model, text = infer(tmp_path, csv(tmp_path, columns), "y")

    assert model.features == ("x", "country", "day", "at")
    assert dataset.key == ("order_id",)
    assert [line for line in text.splitlines() if line.startswith("# Left out")] == [
        "# Left out of the features: 'order_id' identifies the row.",
        "# Left out of the features: 'other_id' identifies the row.",
        "# Left out of the features: 'constant' has the same value in every row.",
        "# Left out of the features: 'empty' has the same value in every row.",
        "# Left out of the features: 'comment' is free text: to use its words, add it to `features` and to `train.text`.",
        "# Left out of the features: 'name' has too many values.",
    ]
    assert (dataset.columns["day"].type, dataset.columns["at"].type) == ("date", "timestamp")


def test_missing_values_get_some_slack_and_complete_columns_none(tmp_path: Path) -> None:
    table = csv(
        tmp_path, {"x": NOISE, "gap": labels(1, None, 3, 4), "most": labels(None, None, None, 2.5), "y": labels(0, 1)}
    )

    dataset, _, _ = infer(tmp_path, table, "y")

    assert {name: column.nulls and column.nulls.max for name, column in dataset.columns.items()} == {
        "x": 0.0,
        "gap": 0.39,
        "most": 1.0,
        "y": 0.0,
    }


def test_a_unique_quantity_is_no_key(tmp_path: Path) -> None:
    dataset, model, _ = infer(tmp_path, csv(tmp_path, {"x": NOISE, "income": range(ROWS), "y": labels(0, 1)}), "y")

    assert dataset.key == ()
    assert model.features == ("x", "income")


ODD = [
    "with space",
    "größe",
    "日本",
    'quo"te',
    "it's",
    "a, b",
    "{a: b}",
    "# hash",
    "yes",
    "1.5",
    "null",
    "- x",
    "a: b",
    "*star",
    "&and",
    "%pc",
    "emoji 🛩",
]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_odd_names_of_columns_stay_what_they_are(separator: str, tmp_path: Path) -> None:
    columns: Columns = {
        **{name: [value + index for value in NOISE] for index, name in enumerate(ODD)},
        "the: target": labels("on", "off"),
    }

    dataset, model, _ = infer(tmp_path, csv(tmp_path, columns, "Kunden Daten (1).csv", separator), "the: target")

    assert model.features == tuple(ODD)
    assert model.target == "the: target"
    assert list(dataset.columns) == [*ODD, "the: target"]
    assert model.dataset == "kunden-daten-1"
    assert getattr(dataset.source, "delimiter", None) == separator


def test_a_parquet_file_in_a_folder_is_referred_to_where_it_is(tmp_path: Path) -> None:
    table = tmp_path / "in" / "my data.parquet"
    table.parent.mkdir()
    pd.DataFrame({"x": NOISE, "flag": labels(True, False), "nested": [[1, 2]] * ROWS, "2y": labels(0, 1)}).to_parquet(
        table
    )

    dataset, model, _ = infer(tmp_path, table, "2y")

    assert dataset.source == SourceSpec("parquet", "in/my data.parquet")
    assert model.features == ("x", "flag")
    assert dataset.columns["nested"].type is None


SENTENCES = [f"The customer of order {n} was not satisfied" for n in range(ROWS)]


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ([f"A{n:03}" for n in range(ROWS)], ("ref",)),
        (SENTENCES, ()),
        ([f"{n:04}" + "x" * 80 for n in range(ROWS)], ()),
    ],
)
def test_a_first_column_of_short_words_without_spaces_names_the_row_and_text_does_not(
    values: list[str], key: tuple[str, ...], tmp_path: Path
) -> None:
    dataset, model, _ = infer(tmp_path, csv(tmp_path, {"ref": values, "x": NOISE, "y": labels(0, 1)}), "y")

    assert dataset.key == key
    assert model.features == ("x",)


def test_long_text_is_no_key_whatever_it_is_called(tmp_path: Path) -> None:
    columns: Columns = {"x": NOISE, "text_id": [f"{n}" + "x" * 80 for n in range(ROWS)], "y": labels(0, 1)}

    assert infer(tmp_path, csv(tmp_path, columns), "y")[0].key == ()


def test_without_a_key_the_spec_says_what_to_do(tmp_path: Path) -> None:
    infer(tmp_path, csv(tmp_path, {"x": NOISE, "y": labels(0, 1)}), "y")

    assert "  # key: [...]\n" in (tmp_path / "specs/table.dataset.yaml").read_text()


def test_the_index_that_pandas_adds_is_neither_key_nor_feature(tmp_path: Path) -> None:
    dataset, model, text = infer(
        tmp_path, csv(tmp_path, {"Unnamed: 0": range(ROWS), "x": NOISE, "y": labels(0, 1)}), "y"
    )

    assert (dataset.key, model.features) == ((), ("x",))
    assert "'Unnamed: 0' is the index of a pandas table: write the table with to_csv(index=False)." in text


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        (["NA", "NA", "closed"], "would contain only numbers without 1 value such as 'closed'"),
        (["n/a"], None),
        (["1,5", "-2.000,25"], "would contain only numbers if 2 values such as '-2.000,25' had no comma"),
        (["007"], None),
        ([], None),
    ],
)
def test_text_that_is_almost_numbers_is_told_with_what_is_in_the_way(
    odd: list[str], why: str | None, tmp_path: Path
) -> None:
    values = [*odd, *(f"{n}.25" for n in range(ROWS - len(odd)))]

    _, model, text = infer(
        tmp_path, csv(tmp_path, {"x": NOISE, "amount": values, "y": labels(0, 1)}, "t.csv", ";"), "y"
    )

    spec = (tmp_path / "specs/t.dataset.yaml").read_text(encoding="utf-8")
    line = next(line for line in spec.splitlines() if line.startswith("    amount:"))
    assert line.partition("  # ")[2] == (why or "")
    if why:
        assert f"# Left out of the features: 'amount' {why}." in text
    assert ("amount" in model.features) == (odd in ([], ["n/a"]))


def test_a_target_that_is_almost_numbers_is_refused_with_what_is_in_the_way(tmp_path: Path) -> None:
    table = csv(tmp_path, {"x": NOISE, "y": ["closed", *(f"{n}.5" for n in range(ROWS - 1))]})

    with pytest.raises(Findings) as caught:
        scaffold.specs_from_table(table, table.name, "y")

    assert caught.value.diagnostics[0].help == (
        "the target would contain only numbers without 1 value such as 'closed': correct such values, or remove their rows"
    )


@pytest.mark.parametrize(
    ("rows", "holdout", "comment"),
    [
        (1000, 0.2, ""),
        (180, 0.25, "0.2 would leave fewer than 50 rows in the holdout"),
        (
            40,
            0.5,
            "Only {judged} rows in the holdout; with fewer than 50 the gate is always inconclusive: add rows.",
        ),
    ],
)
def test_the_holdout_is_large_enough_to_judge_by_where_the_table_is(
    rows: int, holdout: float, comment: str, tmp_path: Path
) -> None:
    table = csv(tmp_path, {"id": range(rows), "x": range(rows), "y": [n % 2 for n in range(rows)]})

    dataset, _, _ = infer(tmp_path, table, "y")

    with open_table(tmp_path, open_source(dataset.source).resolve(tmp_path), dataset) as opened:
        judged = count_holdout_rows(opened, dataset)
        smaller = count_holdout_rows(opened, replace(dataset, split=SplitSpec(holdout=holdout - 0.05)))
    assert dataset.split.holdout == holdout
    assert (judged >= 50) == (rows > 40)
    assert smaller < 50 or holdout == 0.2
    text = (tmp_path / "specs/table.dataset.yaml").read_text()
    assert (f"  # {comment.format(judged=judged)}\n" in text) if comment else ("split" not in text)


Make = Callable[[Path], Path]


@pytest.mark.parametrize(
    ("make", "kind", "id"),
    [
        (lambda folder: csv(folder, {"x": NOISE, "Y": labels(0, 1)}), UsageProblem, "init-column-unknown"),
        (lambda folder: csv(folder, {"x": NOISE, "y": labels(0, 1)}, "t.xlsx"), UsageProblem, "init-table-type"),
        (lambda folder: csv(folder, {"x": NOISE, "y": labels(0, 1, None)}), Findings, "init-target-nulls"),
        (lambda folder: csv(folder, {"x": NOISE, "y": labels(1)}), Findings, "init-target-constant"),
        (
            lambda folder: csv(folder, {"x": NOISE, "y": [f"v{n}" for n in range(ROWS)]}),
            Findings,
            "init-target-classes",
        ),
        (
            lambda folder: csv(folder, {"x": NOISE, "y": labels("2013-01-01", "2013-01-02")}),
            Findings,
            "init-target-classes",
        ),
        (lambda folder: csv(folder, {"x": labels(1), "y": labels(0, 1)}), Findings, "init-no-features"),
        (lambda folder: csv(folder, {"x": [], "y": []}), Findings, "data-empty"),
    ],
)
def test_a_table_that_no_model_can_learn_from_is_refused(
    make: Make, kind: type[ToolError], id: str, tmp_path: Path
) -> None:
    table = make(tmp_path)

    with pytest.raises(kind) as caught:
        scaffold.specs_from_table(table, table.name, "y")

    assert caught.value.diagnostics[0].id == id
    assert caught.value.diagnostics[0].help


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["a", "b"] * (ROWS // 2), "has values that occur twice or more (2 different values in 120 rows)"),
        ([None, *range(1, ROWS)], "has no value in 1 row (119 different values in 120 rows)"),
    ],
)
def test_a_key_that_does_not_identify_rows_is_refused_before_anything_is_written(
    values: Sequence[Any], message: str, tmp_path: Path
) -> None:
    table = csv(tmp_path, {"k": values, "x": NOISE, "y": [0, 1] * (ROWS // 2)})
    with pytest.raises(Findings) as caught:
        scaffold.specs_from_table(table, table.name, "y", key="k")
    (found,) = caught.value.diagnostics
    assert (found.id, found.message) == ("init-key", f"the key column 'k' of 'table.csv' {message}")


@pytest.mark.parametrize(
    ("target", "name"),
    [("Verspätet", "verspatet"), ("GRÖSSE (ß)", "grosse-ss"), ("年", "model"), ("naïve café", "naive-cafe")],
)
def test_a_model_is_named_by_the_letters_of_its_target(target: str, name: str, tmp_path: Path) -> None:
    table = csv(tmp_path, {"x": NOISE, target: [0, 1] * (ROWS // 2)})
    assert f"specs/{name}.model.yaml" in scaffold.specs_from_table(table, table.name, target).files
