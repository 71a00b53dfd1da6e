"""Renders Dataset and Model specs for a table as YAML, with what was assumed as comments."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from mlops_ci.commands.scaffold.column_summaries import ColumnSummary
from mlops_ci.commands.scaffold.refine_source import TableReading
from mlops_ci.commands.scaffold.table_facts import (
    HOLDOUT_SHARES,
    MIN_HOLDOUT,
    NATIVE_TYPES,
    SMALLEST_HOLDOUT,
    TableFacts,
)
from mlops_ci.core.suggestions import quote
from mlops_ci.data.row_rules import pluralize
from mlops_ci.spec.positive_class import format_label_in_spec
from mlops_ci.spec.source_options import yaml_options, yaml_scalar
from mlops_ci.spec.spec_types import Task

SCHEMAS_URL = "https://raw.githubusercontent.com/mlops-ci/mlops-ci/v1/schemas/v1"
SMALL_TABLE = 300  # rows, below which a linear model is proposed
_HGB = "sklearn.ensemble.HistGradientBoosting"
_GATES: Mapping[Task, tuple[str, str]] = {
    "binary-classification": ("{metric: auc, min: 0.5}", "{metric: auc, against: champion, test: superiority}"),
    "multiclass-classification": (
        "{metric: auc-ovr, min: 0.5}",
        "{metric: accuracy, against: champion, test: superiority}",
    ),
    "regression": ("{metric: r2, min: 0}", "{metric: rmse, against: champion, test: superiority}"),
}


def render_dataset(name: str, facts: TableFacts) -> str:
    """Return the Dataset spec of a table."""
    reading, columns, key = facts.reading, facts.columns, facts.key
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
        *(f"  # {note}" for note in (*facts.notes, *_source_notes(reading))),
        f"  source: {{type: {source.type}, path: {yaml_scalar(source.path)}{options and ', ' + options}}}",
    ]
    if key is None:
        head += [
            "  # No column identifies the rows. List the columns that do so together, or add one to the data: without a key, a",
            "  # new column or a corrected value moves rows between training and holdout. Equal rows always go to the same side.",
            "  # key: [...]",
        ]
    else:
        assumed = ["  # assumption: this column identifies a row, even if values in other columns change"]
        head += [
            *([] if facts.is_key_given else assumed),
            f"  key: [{yaml_scalar(key)}]",
        ]
    head += _render_split(facts)
    return "\n".join(
        [*head, "  columns:", *(f"    {_render_column(column, column.name == key, reading)}" for column in columns), ""]
    )


def _render_split(facts: TableFacts) -> list[str]:
    rows, standard = facts.holdout_rows, facts.share == HOLDOUT_SHARES[0]
    by = [] if facts.time is None else ["by: time"]
    split = f"  split: {{{', '.join([*by, f'holdout: {facts.share:g}'])}}}"
    lines = [] if facts.time is None else [f"  time: {yaml_scalar(facts.time)}"]
    if SMALLEST_HOLDOUT <= rows < MIN_HOLDOUT:
        few = f"  # {pluralize(rows, 'row')} in the holdout: the model's `minRows` allows a verdict, which only a clear result reaches."
        return [*lines, few, split]
    if rows < MIN_HOLDOUT:
        few = f"  # Only {pluralize(rows, 'row')} in the holdout; with fewer than {MIN_HOLDOUT} the gate is always inconclusive: add rows."
        return [*lines, few, split]
    if facts.time is not None:
        lines.append(
            "  # the newest rows are the holdout: the model is judged by rows that are later than all it has seen"
        )
    if standard:
        return lines if facts.time is None else [*lines, "  split: {by: time}"]
    return [*lines, f"  # {HOLDOUT_SHARES[0]:g} would leave fewer than {MIN_HOLDOUT} rows in the holdout", split]


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
    rules = [f"type: {column.type}"] if column.type in NATIVE_TYPES else []
    if column.name in reading.formats:
        rules.append(f"format: {yaml_scalar(reading.formats[column.name])}")
    share = column.nulls / column.rows
    if share == 0:
        rules.append("nulls: {max: 0}")
    elif column.type in NATIVE_TYPES:
        slack = min(1.0, math.ceil(100 * (1.5 * share + 0.01)) / 100)
        rules.append(f"nulls: {{max: {slack:g}}}")
    rules += ["unique: true"] if is_key and column.distinct == column.rows else []
    hint = f"  # {column.number_obstacle}" if column.number_obstacle else ""
    if doubtful := reading.doubtful_formats.get(column.name):
        hint = f"  # would be dates with the right format: {' or '.join(map(yaml_scalar, doubtful))}"
    return f"{yaml_scalar(column.name)}: {{{', '.join(rules)}}}{hint}"


def render_model(name: str, dataset: str, facts: TableFacts) -> str:
    """Return the Model spec for the target of a table."""
    task, goal, holdout_rows = facts.task, facts.goal, facts.holdout_rows
    floor, against = _GATES[task]
    few = SMALLEST_HOLDOUT <= holdout_rows < MIN_HOLDOUT
    lines = [
        f"# yaml-language-server: $schema={SCHEMAS_URL}/model.schema.json",
        f"# Task assumed from the {goal.distinct:,} distinct values of the target: {task}.",
        *(f"# Left out of the features: {quote(column)} {why}." for column, why in facts.left_out.items()),
        *_time_notes(facts),
        "apiVersion: mlops-ci/v1",
        "kind: Model",
        f"metadata: {{name: {yaml_scalar(name)}}}",
        "spec:",
        f"  task: {task}",
        f"  dataset: {yaml_scalar(dataset)}",
        f"  target: {yaml_scalar(goal.name)}",
        *_render_positive(facts),
        "  features:",
        *(f"    - {yaml_scalar(feature)}" for feature in facts.features),
        "  train:",
        *_render_estimator(task, goal.rows, len(facts.features)),
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


def _render_positive(facts: TableFacts) -> Iterator[str]:
    found = facts.positive
    if found is not None:
        why = "the rarer label" if found.is_rarer else "both labels have as many rows, and this one sorts last"
        yield f"  # assumption: {why}. Recall, precision, f1 and others are about this class."
        yield f"  positive: {format_label_in_spec(found.label)}"


def _time_notes(facts: TableFacts) -> Iterator[str]:
    """Yield a comment about dates among the features: a random holdout has no rows that are later than all others."""
    types = {column.name: column.type for column in facts.columns}
    times = [name for name in facts.features if types[name] in ("date", "timestamp")]
    if times and facts.time is None:
        yield f"# {', '.join(map(quote, times))}: the holdout has rows of the same times as the training rows. If the model is for"
        yield "# later rows, and one of these is the time of a row, write `time` and `split: {by: time}` in the dataset's spec."


def _render_estimator(task: Task, rows: int, features: int) -> Iterator[str]:
    if rows < SMALL_TABLE or features > rows:
        few = pluralize(rows, "row") + (f" for {features:,} features" if features > rows else "")
        yield f"    # a linear model, since {few} are few for a model of trees"
        linear = "Ridge" if task == "regression" else "LogisticRegression"
        yield f"    estimator: sklearn.linear_model.{linear}"
        if task != "regression":
            yield "    params: {max_iter: 5000}"
    else:
        yield f"    estimator: {_HGB}{'Regressor' if task == 'regression' else 'Classifier'}"
