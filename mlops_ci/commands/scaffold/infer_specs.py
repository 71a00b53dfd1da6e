"""Writes Dataset and Model specs for an existing table. The specs require only what the data shows."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mlops_ci.commands.scaffold.catalog import template_files
from mlops_ci.commands.scaffold.column_summaries import INDEX_PATTERN, LONG_TEXT, ColumnSummary, summarise_columns
from mlops_ci.commands.scaffold.refine_source import TableReading, refine_reading
from mlops_ci.commands.scaffold.sniff_source import sniff_source, table_name
from mlops_ci.core.errors import Findings, UsageProblem
from mlops_ci.core.suggestions import quote, suggest
from mlops_ci.data.column_types import SQL_TYPES
from mlops_ci.data.engines.duckdb import Table, open_table
from mlops_ci.data.row_rules import pluralize
from mlops_ci.data.sources.files import source_files
from mlops_ci.data.split import count_holdout_rows
from mlops_ci.spec.source_options import yaml_options, yaml_scalar
from mlops_ci.spec.spec_types import ColumnSpec, DatasetSpec, GateSpec, SplitSpec, Task

SCHEMAS_URL = "https://raw.githubusercontent.com/mlops-ci/mlops-ci/v1/schemas/v1"
MAX_CLASSES = 50  # of text; a column with more values is probably not a class
MAX_INTEGER_CLASSES = 10  # a column with more distinct integers is probably a quantity
MAX_CATEGORIES = 254  # the limit of histogram boosting
MIN_HOLDOUT = GateSpec.min_rows  # with fewer rows, the gate is always inconclusive
SMALLEST_HOLDOUT = 20  # rows, with which a verdict is possible for a clear result
SMALL_TABLE = 300  # rows, below which a linear model is proposed
HOLDOUT_SHARES = (
    0.2,
    0.25,
    0.3,
    0.35,
    0.4,
    0.45,
    0.5,
)  # of the holdout; the first share that gives it enough rows is used
MAX_READINGS = 12  # of a table, each with more of its columns read as numbers or dates
_TO_CSV_HELP = "write the table with to_csv(index=False)"
_ID_PATTERN = re.compile(r"(?i)(^|[^a-z])(id|uuid|guid|key)$|[a-z](ID|Id)$")
_NATIVE_TYPES = set(SQL_TYPES) - {"other", "empty"}

_HGB = "sklearn.ensemble.HistGradientBoosting"
_GATES: Mapping[Task, tuple[str, str]] = {
    "binary-classification": ("{metric: auc, min: 0.5}", "{metric: auc, against: champion, test: superiority}"),
    "multiclass-classification": (
        "{metric: auc-ovr, min: 0.5}",
        "{metric: accuracy, against: champion, test: superiority}",
    ),
    "regression": ("{metric: r2, min: 0}", "{metric: rmse, against: champion, test: superiority}"),
}


def specs_from_table(table: Path, path: str, target: str) -> Mapping[str, bytes]:
    """Return mlops.yaml, noxfile.py, and Dataset and Model specs for a CSV or parquet file; the specs name the file `path`.

    The specs fix types and limit missing values as the table has them, and set no bounds on values. Raises UsageProblem
    `init-table-type` or `init-target-unknown`; Findings `init-target-nulls`, `init-target-constant`, `init-target-classes` or
    `init-no-features`; and the errors of reading the table, such as `data-csv`.
    """
    sniffed = sniff_source(table)
    reading = TableReading(sniffed.source)
    for _ in range(MAX_READINGS):
        spec = DatasetSpec(
            reading.source, columns={name: ColumnSpec(format=format) for name, format in reading.formats.items()}
        )
        with open_table(table.parent, source_files(table.parent, reading.source), spec) as opened:
            refined = refine_reading(opened, reading)
            unfinished = refined.source != reading.source or refined.formats != reading.formats
            reading = refined
            if unfinished:
                continue
            if target not in opened.types:
                raise UsageProblem.of(
                    "init-target-unknown",
                    f"{quote(path)} has no column {quote(target)}",
                    help=suggest(target, opened.types, otherwise="its columns are"),
                )
            columns = summarise_columns(opened)
            key = _infer_key(columns, target)
            share, holdout_rows = _choose_holdout_share(opened, replace(spec, key=(key,) if key else ()))
            break
    goal = next(column for column in columns if column.name == target)
    task = _infer_task(goal, path)
    left_out = {column.name: why for column in columns if (why := _exclusion_reason(column, key, target))}
    features = [column.name for column in columns if column.name != target and column.name not in left_out]
    if not features:
        raise Findings.of(
            "init-no-features",
            f"no column of {quote(path)} can be a feature: "
            + "; ".join(f"{quote(n)} {w}" for n, w in left_out.items()),
            help="add columns that help to predict the target, or derive numbers from the existing columns",
        )
    data_name, model_name = _slug(table_name(table), "data"), _slug(target, "model")
    written = replace(reading, source=replace(reading.source, path=path))
    dataset = _render_dataset(data_name, written, columns, key, share, holdout_rows, sniffed.notes)
    model = _render_model(model_name, data_name, task, goal, features, left_out, holdout_rows)
    return {
        **template_files("empty"),
        f"specs/{data_name}.dataset.yaml": dataset.encode(),
        f"specs/{model_name}.model.yaml": model.encode(),
    }


def _choose_holdout_share(table: Table, spec: DatasetSpec) -> tuple[float, int]:
    """Return the share of the holdout, and its number of rows."""
    for share in HOLDOUT_SHARES:
        rows = count_holdout_rows(table, replace(spec, split=SplitSpec(holdout=share)))
        if rows >= MIN_HOLDOUT:
            break
    return share, rows


def _infer_task(goal: ColumnSummary, path: str) -> Task:
    if goal.nulls:
        raise Findings.of(
            "init-target-nulls",
            f"the target {quote(goal.name)} is missing in {goal.nulls:,} of {goal.rows:,} rows of {quote(path)}",
            help="remove these rows from the file: they can be used neither for training nor for evaluation",
        )
    if goal.distinct < 2:
        raise Findings.of(
            "init-target-constant",
            f"the target {quote(goal.name)} has the same value in every row of {quote(path)}",
            help="choose another target column: with one value there is nothing to predict",
        )
    quantity = goal.type == "number" and not goal.zero_or_one
    if quantity or (goal.type == "integer" and goal.distinct > MAX_INTEGER_CLASSES):
        return "regression"
    if goal.type not in ("integer", "number", "boolean", "string") or goal.distinct > MAX_CLASSES:
        what = "dates or times" if goal.type in ("date", "timestamp") else f"{goal.distinct:,} different values"
        raise Findings.of(
            "init-target-classes",
            f"the target {quote(goal.name)} has {what}, so it can be used neither for regression nor for classification",
            help=f"the target {goal.number_obstacle}: correct such values, or remove their rows"
            if goal.number_obstacle
            else "choose a column of numbers, or one with few distinct values",
        )
    return "binary-classification" if goal.distinct == 2 else "multiclass-classification"


def _infer_key(columns: Sequence[ColumnSummary], target: str) -> str | None:
    """Return the key column: unique, and either named like an id or the first column without white space; else None."""
    fit = [column.name for column in columns if column.can_identify_rows and column.name != target]
    named = [name for name in fit if _ID_PATTERN.search(name)]
    first = [name for name in fit if name == columns[0].name and not columns[0].spaced]
    return next(iter(named + first), None)


def _exclusion_reason(column: ColumnSummary, key: str | None, target: str) -> str | None:
    """Return why a column is not a feature, or None."""
    present = column.rows - column.nulls
    text = column.type == "string"
    many = text and (column.distinct > MAX_CATEGORIES or column.distinct > max(20, present / 2))
    reasons = (
        (column.name == target, None),
        (column.name == key, "identifies the row"),
        (INDEX_PATTERN.fullmatch(column.name) is not None, f"is the index of a pandas table: {_TO_CSV_HELP}"),
        (column.can_identify_rows and _ID_PATTERN.search(column.name) is not None, "identifies the row"),
        (column.distinct <= 1, "has the same value in every row"),
        (column.type in ("date", "timestamp"), "is a time: derive numbers from it"),
        (column.type not in _NATIVE_TYPES, "has a type that models cannot use"),
        (text and column.mean_length > LONG_TEXT, "is free text"),
        (many, column.number_obstacle or "has too many values"),
    )
    return next((why for applies, why in reasons if applies), None)


def _render_dataset(
    name: str,
    reading: TableReading,
    columns: Sequence[ColumnSummary],
    key: str | None,
    share: float,
    holdout_rows: int,
    notes: Sequence[str],
) -> str:
    source = reading.source
    options = yaml_options(source)
    head = [
        f"# yaml-language-server: $schema={SCHEMAS_URL}/dataset.schema.json",
        f"# Written from {quote(source.path)}, {pluralize(columns[0].rows, 'row')}: types and limits for missing values are taken from the data.",
        "# Add the rules that you know: min, max, values, pattern, unique.",
        "apiVersion: mlops-ci/v1",
        "kind: Dataset",
        f"metadata: {{name: {yaml_scalar(name)}}}",
        "spec:",
        *(f"  # {note}" for note in (*notes, *_source_notes(reading))),
        f"  source: {{type: {source.type}, path: {yaml_scalar(source.path)}{options and ', ' + options}}}",
    ]
    if key is None:
        head += [
            "  # No column identifies the rows. List the columns that do so together, or add one to the data: without a key, a",
            "  # new column or a corrected value moves rows between training and holdout. Equal rows always go to the same side.",
            "  # key: [...]",
        ]
    else:
        head += [
            "  # assumption: this column identifies a row, even if values in other columns change",
            f"  key: [{yaml_scalar(key)}]",
        ]
    head += _render_split(share, holdout_rows)
    return "\n".join(
        [*head, "  columns:", *(f"    {_render_column(column, column.name == key, reading)}" for column in columns), ""]
    )


def _render_split(share: float, holdout_rows: int) -> list[str]:
    if SMALLEST_HOLDOUT <= holdout_rows < MIN_HOLDOUT:
        few = f"  # {pluralize(holdout_rows, 'row')} in the holdout: the model's `minRows` allows a verdict, which only a clear result reaches."
        return [few, f"  split: {{holdout: {share:g}}}"]
    if holdout_rows < MIN_HOLDOUT:
        few = f"  # Only {pluralize(holdout_rows, 'row')} in the holdout; with fewer than {MIN_HOLDOUT} the gate is always inconclusive: add rows."
        return [few, f"  split: {{holdout: {share:g}}}"]
    if share == HOLDOUT_SHARES[0]:
        return []
    return [
        f"  # {HOLDOUT_SHARES[0]:g} would leave fewer than {MIN_HOLDOUT} rows in the holdout",
        f"  split: {{holdout: {share:g}}}",
    ]


def _source_notes(reading: TableReading) -> Iterator[str]:
    source = reading.source
    if source.index == "drop":
        yield "The first column has no name: it is taken for an index, and left out."
    if reading.index_name:
        yield f"The first column has no name. It is called {reading.index_name}, since many rows are equal without it."
    if source.nulls:
        yield "Fields with these words are taken for missing values."
    if source.decimal != "." or source.thousands is not None:
        yield "How numbers are written is taken from the data: check it, since 1,234 is another number with a decimal comma."


def _render_column(column: ColumnSummary, is_key: bool, reading: TableReading) -> str:
    rules = [f"type: {column.type}"] if column.type in _NATIVE_TYPES else []
    if column.name in reading.formats:
        rules.append(f"format: {yaml_scalar(reading.formats[column.name])}")
    share = column.nulls / column.rows
    if share == 0:
        rules.append("nulls: {max: 0}")
    elif column.type in _NATIVE_TYPES:
        slack = min(1.0, math.ceil(100 * (1.5 * share + 0.01)) / 100)
        rules.append(f"nulls: {{max: {slack:g}}}")
    rules += ["unique: true"] if is_key else []
    hint = f"  # {column.number_obstacle}" if column.number_obstacle else ""
    if doubtful := reading.doubtful_formats.get(column.name):
        hint = f"  # would be dates with the right format: {' or '.join(map(yaml_scalar, doubtful))}"
    return f"{yaml_scalar(column.name)}: {{{', '.join(rules)}}}{hint}"


def _render_model(
    name: str,
    dataset: str,
    task: Task,
    goal: ColumnSummary,
    features: Sequence[str],
    left_out: Mapping[str, str],
    holdout_rows: int,
) -> str:
    floor, against = _GATES[task]
    few = SMALLEST_HOLDOUT <= holdout_rows < MIN_HOLDOUT
    lines = [
        f"# yaml-language-server: $schema={SCHEMAS_URL}/model.schema.json",
        f"# Task assumed from the {goal.distinct:,} distinct values of the target: {task}.",
        *(f"# Left out of the features: {quote(column)} {why}." for column, why in left_out.items()),
        "apiVersion: mlops-ci/v1",
        "kind: Model",
        f"metadata: {{name: {yaml_scalar(name)}}}",
        "spec:",
        f"  task: {task}",
        f"  dataset: {yaml_scalar(dataset)}",
        f"  target: {yaml_scalar(goal.name)}",
        "  features:",
        *(f"    - {yaml_scalar(feature)}" for feature in features),
        "  train:",
        *_render_estimator(task, goal.rows),
        "    seed: 7",
        "  gate:",
        *(
            [f"    minRows: {holdout_rows}  # the holdout has no more; remove this when the table has grown"]
            if few
            else []
        ),
        "    requirements:",
        f"      - {floor}  # the value that random guessing reaches; raise it to the value that you need",
        f"      - {against}",
        "",
    ]
    return "\n".join(lines)


def _render_estimator(task: Task, rows: int) -> Iterator[str]:
    if rows < SMALL_TABLE:
        yield f"    # a linear model, since {pluralize(rows, 'row')} are few for a model of trees"
        linear = "Ridge" if task == "regression" else "LogisticRegression"
        yield f"    estimator: sklearn.linear_model.{linear}"
        if task != "regression":
            yield "    params: {max_iter: 5000}"
    else:
        yield f"    estimator: {_HGB}{'Regressor' if task == 'regression' else 'Classifier'}"


def _slug(text: str, otherwise: str) -> str:
    """Return text as a name: lower-case letters, digits and hyphens, at most 40, a letter first."""
    slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    slug = slug if slug[:1].isalpha() else f"{otherwise}-{slug}"
    return slug[:40].strip("-")
