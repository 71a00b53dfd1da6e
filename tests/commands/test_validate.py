"""`validate` as a step: what it read, what is wrong, and the exit code."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlops_ci.commands.validate import validate
from mlops_ci.core.errors import Exit
from mlops_ci.core.records.base import Provenance
from mlops_ci.core.results.gate import ValidateReport
from mlops_ci.repository.context import Context
from tests.support.examples import cases, lay_out


def context(root: Path, cache: Path | None = None, said: list[str] | None = None) -> Context:
    return Context(
        root=root,
        start_folder=root,
        repo=None,
        scratch=root,
        cache=cache,
        clock=lambda: datetime(2026, 1, 1, tzinfo=UTC),
        provenance=Provenance("ada", "test"),
        offline=False,
        progress=said.append if said is not None else lambda _: None,
    )


def case(name: str, folder: Path) -> Path:
    (found,) = [case for kind in ("valid", "invalid") for case in cases(kind) if case.stem.partition("-")[2] == name]
    return lay_out(found, folder / "repo")


def test_valid_specs_are_counted_by_kind_and_listed_by_file(tmp_path: Path) -> None:
    outcome = validate(context(case("several-documents", tmp_path)))
    assert outcome.record == ValidateReport(
        ("demo.yaml", "flights.yaml", "mlops.yaml", "spec.yaml"),
        {"Project": 1, "Dataset": 1, "Model": 2, "Deployment": 2},
    )
    assert outcome.record.specs == 6
    assert outcome.final_exit_code == Exit.OK
    assert outcome.plan.writes == ()


@pytest.mark.parametrize(
    ("name", "id", "code"),
    [
        ("metric-unknown", "gate-metric-unknown", Exit.USAGE),
        ("project-missing", "project-not-found", Exit.USAGE),
        ("no-floor", "gate-no-floor", Exit.OK),
    ],
)
def test_an_error_is_one_of_usage_and_a_warning_is_none(name: str, id: str, code: Exit, tmp_path: Path) -> None:
    outcome = validate(context(case(name, tmp_path)))
    assert [item.id for item in outcome.diagnostics] == [id]
    assert outcome.final_exit_code == code


PROJECT = "apiVersion: mlops-ci/v1\nkind: Project\nmetadata: {name: p}\nspec: {}\n"
DATASET = """
apiVersion: mlops-ci/v1
kind: Dataset
metadata: {name: d}
spec:
  source: {type: csv, path: d.csv}
  columns: {a: {type: number}, b: {type: timestamp}, c: {type: string}, y: {type: boolean, nulls: {max: 0}}}
"""
MODEL = """
apiVersion: mlops-ci/v1
kind: Model
metadata: {name: NAME}
spec:
  task: binary-classification
  dataset: d
  target: y
  features: [a, b, c]
  train: {estimator: PATH}
  gate: {requirements: [{metric: auc, min: 0.5}]}
"""
PATHS = {
    "linear": "sklearn.linear_model.LogisticRegression",
    "same": "sklearn.linear_model.LogisticRegression",
    "many": "sklearn.neighbors.KNeighborsClassifier, params: {n_neighbors: 99}",
}


def test_an_estimator_is_tried_once_before_any_data_are_read(tmp_path: Path) -> None:
    """Given estimators, when specs are validated, then each is fitted on generated rows, equal ones and later ones not again."""
    root = tmp_path / "repo"
    root.mkdir()
    (root / "mlops.yaml").write_text(PROJECT)
    (root / "d.yaml").write_text(DATASET)
    for name, path in PATHS.items():
        (root / f"{name}.yaml").write_text(MODEL.replace("NAME", name).replace("PATH", path))
    said: list[str] = []
    first = validate(context(root, tmp_path / "cache", said))
    (found,) = [one for one in first.diagnostics if one.id == "estimator-trial-failed"]
    assert (found.severity, found.location and found.location.path) == ("warning", "many.yaml")
    assert "Expected n_neighbors <= n_samples_fit" in found.message
    assert first.final_exit_code == Exit.OK
    assert said == [f"trying the estimator of {name} on generated rows" for name in ("linear", "many")]
    again = validate(context(root, tmp_path / "cache", said))
    assert again.diagnostics == first.diagnostics
    assert len(said) == 2


def test_without_a_cache_nothing_is_tried(tmp_path: Path) -> None:
    said: list[str] = []
    validate(replace(context(case("several-documents", tmp_path)), progress=said.append))
    assert said == []


@pytest.mark.parametrize(
    ("package", "wrapper"),
    [
        ("catboost.CatBoostClassifier", "catboost_model.PackagedCatBoost"),
        ("torch.nn.Linear", "torch_model.PackagedNetwork"),
    ],
)
def test_an_estimator_that_needs_a_wrapper_is_told_of_it(package: str, wrapper: str, tmp_path: Path) -> None:
    (tmp_path / "mlops.yaml").write_text(PROJECT)
    (tmp_path / "d.yaml").write_text(DATASET)
    (tmp_path / "m.yaml").write_text(MODEL.replace("NAME", "m").replace("PATH", package))
    (found,) = [one for one in validate(context(tmp_path)).diagnostics if one.severity == "error"]
    assert found.id == "estimator-needs-wrapper"
    assert found.help is not None
    assert found.help.endswith(f"\ntrusted: [{wrapper}]")


@pytest.mark.parametrize(
    ("train", "id"),
    [
        ("{estimator: sklearn.linear_model.LogisticRegression, text: [c]}", None),
        ("{estimator: sklearn.linear_model.LogisticRegression, text: [cc]}", "train-text-unknown"),
        ("{entrypoint: own.py:build, text: [c]}", "train-text-unread"),
    ],
)
def test_text_is_read_from_features_of_an_estimator(train: str, id: str | None, tmp_path: Path) -> None:
    (tmp_path / "mlops.yaml").write_text(PROJECT)
    (tmp_path / "d.yaml").write_text(DATASET)
    (tmp_path / "own.py").write_text("def build():\n    pass\n")
    (tmp_path / "m.yaml").write_text(MODEL.replace("NAME", "m").replace("{estimator: PATH}", train))
    found = [one for one in validate(context(tmp_path)).diagnostics if one.severity == "error"]
    assert [(one.id, one.location and one.location.line) for one in found] == ([(id, 10)] if id else [])


@pytest.mark.parametrize(
    ("task", "train", "id"),
    [
        ("binary-classification", "sklearn.linear_model.LogisticRegression, weights: w", None),
        ("binary-classification", "sklearn.linear_model.LogisticRegression, weights: balanced", None),
        ("regression", "sklearn.linear_model.Ridge, weights: balanced", "train-weights-task"),
        ("binary-classification", "sklearn.linear_model.LogisticRegression, weights: a", "train-weights-column"),
        ("binary-classification", "sklearn.linear_model.LogisticRegression, weights: y", "train-weights-column"),
        ("binary-classification", "sklearn.linear_model.LogisticRegression, weights: word", "train-weights-column"),
        ("binary-classification", "sklearn.neighbors.KNeighborsClassifier, weights: w", "train-weights-unsupported"),
    ],
)
def test_weights_that_an_estimator_cannot_use_are_found_with_their_place(
    task: str, train: str, id: str | None, tmp_path: Path
) -> None:
    (tmp_path / "mlops.yaml").write_text(PROJECT)
    (tmp_path / "d.yaml").write_text(
        DATASET.replace("columns: {", "columns: {w: {type: number}, word: {type: string}, ")
    )
    text = MODEL.replace("NAME", "m").replace("PATH", train).replace("binary-classification", task)
    if task == "regression":
        text = text.replace("target: y", "target: w").replace("metric: auc, min: 0.5", "metric: rmse, max: 9")
    (tmp_path / "m.yaml").write_text(text)
    found = [one for one in validate(context(tmp_path, tmp_path / "cache")).diagnostics if one.severity == "error"]
    assert [one.id for one in found] == ([id] if id else [])
    column = text.splitlines()[9].index("weights: ") + len("weights: ") + 1
    assert all(one.location and (one.location.line, one.location.column) == (10, column) for one in found)


LOGISTIC = "sklearn.linear_model.LogisticRegression, fit: {params: {NAME: 1}}"


@pytest.mark.parametrize(
    ("train", "id", "place", "help"),
    [
        (LOGISTIC.replace("NAME", "X"), "train-fit-refused", "X: 1", "hands the rows to `fit`"),
        (LOGISTIC.replace("NAME", "callbacks"), "train-fit-refused", "callbacks: 1", "write an entrypoint"),
        (LOGISTIC.replace("NAME", "sample_weight"), "train-fit-refused", "sample_weight: 1", "`train.weights`"),
        (LOGISTIC.replace("NAME", "eval_set"), "train-fit-refused", "eval_set: 1", "use `earlyStopping`"),
        (LOGISTIC.replace("NAME", "a__b"), "train-fit-refused", "a__b: 1", "write `b`"),
        (LOGISTIC.replace("NAME", "check_inputs"), "train-fit-unsupported", "{params", "its parameters are"),
        (
            "sklearn.neural_network.MLPClassifier, fit: {earlyStopping: {}}",
            "train-fit-unsupported",
            "{earlyStopping",
            "stops by its own parameters",
        ),
        (
            "xgboost.XGBClassifier, params: {early_stopping_rounds: 9}",
            "train-fit-rounds",
            "early_stopping_rounds",
            "fit: {earlyStopping: {rounds: 9}}",
        ),
    ],
)
def test_a_fit_that_cannot_be_called_so_is_found_with_its_place_and_what_to_write(
    train: str, id: str, place: str, help: str, tmp_path: Path
) -> None:
    (tmp_path / "mlops.yaml").write_text(PROJECT)
    (tmp_path / "d.yaml").write_text(DATASET)
    text = MODEL.replace("NAME", "m").replace("PATH", train)
    (tmp_path / "m.yaml").write_text(text)
    errors = [one for one in validate(context(tmp_path, tmp_path / "cache")).diagnostics if one.severity == "error"]
    (found,) = [one for one in errors if one.id != "estimator-package-missing"]
    assert found.id == id
    assert found.location is not None
    assert (found.location.line, found.location.column) == (10, text.splitlines()[9].index(place) + 1)
    assert help in (found.help or "")


@pytest.mark.parametrize(
    ("columns", "id", "place"),
    [
        ("[w, a]", "train-columns-feature", "a]"),
        ("[y]", "train-columns-feature", "y]"),
        ("[w]", "train-columns-unread", "[w]"),
        ("[w, wrong]", "column-unknown", "wrong]"),
    ],
)
def test_columns_of_the_training_are_found_with_their_place(columns: str, id: str, place: str, tmp_path: Path) -> None:
    (tmp_path / "mlops.yaml").write_text(PROJECT)
    closed = DATASET.replace("columns: {", "columnsClosed: true\n  columns: {w: {type: number}, ")
    (tmp_path / "d.yaml").write_text(closed)
    train = f"sklearn.linear_model.LogisticRegression, columns: {columns}"
    text = MODEL.replace("NAME", "m").replace("PATH", train)
    (tmp_path / "m.yaml").write_text(text)
    found = [one for one in validate(context(tmp_path, tmp_path / "cache")).diagnostics if one.severity == "error"]
    where = {one.id: one.location for one in found}[id]
    assert where is not None
    assert (where.line, where.column) == (
        10,
        text.splitlines()[9].index(f"columns: {columns}") + 10 + columns.index(place),
    )


def test_balanced_is_never_taken_for_a_column_of_this_name(tmp_path: Path) -> None:
    (tmp_path / "mlops.yaml").write_text(PROJECT)
    (tmp_path / "d.yaml").write_text(DATASET.replace("columns: {", "columns: {balanced: {type: number}, "))
    train = "sklearn.linear_model.LogisticRegression, weights: balanced"
    (tmp_path / "m.yaml").write_text(MODEL.replace("NAME", "m").replace("PATH", train))
    (found,) = [one for one in validate(context(tmp_path)).diagnostics if one.severity == "error"]
    assert found.id == "train-weights-column"
    assert "ambiguous" in found.message


@pytest.mark.parametrize(
    ("old", "new", "id"),
    [
        ("target: y", "target: y\n  featuers: [a]", "spec-unknown-field"),
        ("features: [a, b, c]", "features: [a, b, cc]", "column-unknown"),
        ("metric: auc", "metric: auccc", "gate-metric-unknown"),
        ("PATH", "sklearn.linear_model.LogisticRegression, params: {CC: 1}", "estimator-param-unknown"),
        ("PATH", "catboost.CatBoostClassifier", "estimator-needs-wrapper"),
    ],
)
def test_a_mistake_is_found_without_any_data_with_its_place_and_the_next_step(
    old: str, new: str, id: str, tmp_path: Path
) -> None:
    """Given no table at all, when specs with a mistake are validated, then the mistake is found all the same."""
    root = tmp_path / "repo"
    root.mkdir()
    (root / "mlops.yaml").write_text(PROJECT)
    (root / "d.yaml").write_text(DATASET + "  columnsClosed: true\n")
    model = MODEL.replace(old, new).replace("NAME", "m").replace("PATH", PATHS["linear"])
    (root / "m.yaml").write_text(model)
    outcome = validate(context(root, tmp_path / "cache"))
    (found,) = [one for one in outcome.diagnostics if one.severity == "error"]
    assert found.id == id
    assert found.location is not None
    assert found.location.path == "m.yaml"
    assert found.location.line is not None
    assert found.help
    assert outcome.final_exit_code == Exit.USAGE
