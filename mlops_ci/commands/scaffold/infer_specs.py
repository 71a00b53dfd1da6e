"""Writes Dataset and Model specs for an existing table. The specs require only what the data shows."""

# ruff: noqa: S608  the SQL contains quoted names only, and the connection can read only the table
from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlops_ci.commands.scaffold.catalog import template_files
from mlops_ci.commands.scaffold.column_summaries import INDEX_PATTERN, LONG_TEXT, ColumnSummary, summarise_columns
from mlops_ci.commands.scaffold.refine_source import TableReading, refine_reading
from mlops_ci.commands.scaffold.render_specs import render_dataset, render_model
from mlops_ci.commands.scaffold.sniff_source import sniff_source, table_name
from mlops_ci.commands.scaffold.table_facts import (
    HOLDOUT_SHARES,
    MIN_HOLDOUT,
    NATIVE_TYPES,
    ProposedPositive,
    TableFacts,
)
from mlops_ci.core.diagnostics import Diagnostic, Location
from mlops_ci.core.errors import Findings, UsageProblem
from mlops_ci.core.suggestions import quote, suggest
from mlops_ci.data.column_types import column_sql
from mlops_ci.data.engines.duckdb import Table, open_table
from mlops_ci.data.row_rules import pluralize
from mlops_ci.data.sources.files import read_digest
from mlops_ci.data.split import count_holdout_rows
from mlops_ci.spec.positive_class import format_label, is_usual_pair
from mlops_ci.spec.spec_types import ColumnSpec, DatasetSpec, SplitSpec, Task

MAX_CLASSES = 50  # of text; a column with more values is probably not a class
MAX_INTEGER_CLASSES = 10  # a column with more distinct integers is probably a quantity
MAX_CATEGORIES = 254  # the limit of histogram boosting
MAX_READINGS = 12  # of a table, each with more of its columns read as numbers or dates
_FREE_TEXT = "is free text: to use its words, add it to `features` and to `train.text`"
_TO_CSV_HELP = "write the table with to_csv(index=False)"
_ID_PATTERN = re.compile(r"(?i)(^|[^a-z])(id|uuid|guid|key)$|[a-z](ID|Id)$")


@dataclass(frozen=True)
class TableSpecs:
    """The files of a project by path, and notes on what was assumed in them."""

    files: Mapping[str, bytes]
    notes: tuple[Diagnostic, ...]


def specs_from_table(
    table: Path, path: str, target: str, *, key: str | None = None, time: str | None = None
) -> TableSpecs:
    """Return mlops.yaml, noxfile.py, and Dataset and Model specs for a table; the specs name the file `path`.

    The specs fix types and limit missing values as the table has them, and set no bounds on values. Without `key`, the
    key is inferred; with `time`, the newest rows are the holdout. Raises UsageProblem `init-table-type`,
    `init-column-unknown` or `init-options`; Findings `init-target-nulls`, `init-target-constant`, `init-target-classes`,
    `init-key`, `init-time` or `init-no-features`; and the errors of reading the table, such as `data-csv`.
    """
    facts = _read_facts(table, path, target, key, time)
    data_name, model_name = _slug(table_name(table), "data"), _slug(target, "model")
    model_path, model = f"specs/{model_name}.model.yaml", render_model(model_name, data_name, facts)
    files = {
        **template_files("empty"),
        f"specs/{data_name}.dataset.yaml": render_dataset(data_name, facts).encode(),
        model_path: model.encode(),
    }
    return TableSpecs(files, tuple(_positive_notes(facts, model_path, model)))


def _read_facts(table: Path, path: str, target: str, key: str | None, time: str | None) -> TableFacts:
    if target in (key, time):
        raise UsageProblem.of(
            "init-options",
            f"{quote(target)} is the target, so it cannot be the key or the time",
            help="name another column with --key or --time, or leave the option out",
        )
    sniffed = sniff_source(table)
    reading, files = TableReading(sniffed.source), (read_digest(table.parent, table.name),)
    for _ in range(MAX_READINGS):
        spec = DatasetSpec(
            reading.source, columns={name: ColumnSpec(format=format) for name, format in reading.formats.items()}
        )
        with open_table(table.parent, files, spec) as opened:
            refined = refine_reading(opened, reading)
            unfinished = refined.source != reading.source or refined.formats != reading.formats
            reading = refined
            if unfinished:
                continue
            for name in filter(None, (target, key, time)):
                _require_column(name, opened, path)
            columns = {column.name: column for column in summarise_columns(opened)}
            goal = columns[target]
            task = _infer_task(goal, path)
            if time is not None:
                _require_usable_time(columns[time], path)
            if key is not None:
                _require_usable_key(columns[key], path)
            chosen = key or _infer_key(list(columns.values()), target)
            spec = replace(spec, key=(chosen,) if chosen else ())
            share, holdout_rows = _choose_holdout_share(opened, spec, goal.rows if time else None)
            positive = _propose_positive(opened, goal) if task == "binary-classification" else None
            break
    left_out = {
        name: why for name, column in columns.items() if (why := _exclusion_reason(column, chosen, target, time))
    }
    features = [name for name in columns if name != target and name not in left_out]
    if not features:
        raise Findings.of(
            "init-no-features",
            f"no column of {quote(path)} can be a feature: "
            + "; ".join(f"{quote(n)} {w}" for n, w in left_out.items()),
            help="add columns that help to predict the target, or derive numbers from the existing columns",
        )
    written = replace(reading, source=replace(reading.source, path=path))
    return TableFacts(
        reading=written,
        columns=tuple(columns.values()),
        key=chosen,
        is_key_given=key is not None,
        time=time,
        share=share,
        holdout_rows=holdout_rows,
        notes=sniffed.notes,
        goal=goal,
        task=task,
        positive=positive,
        features=features,
        left_out=left_out,
    )


def _require_column(name: str, table: Table, path: str) -> None:
    if name not in table.types:
        raise UsageProblem.of(
            "init-column-unknown",
            f"{quote(path)} has no column {quote(name)}",
            help=suggest(name, table.types, otherwise="its columns are"),
        )


def _require_usable_key(column: ColumnSummary, path: str) -> None:
    repeated = column.rows - column.nulls - column.distinct
    if column.nulls or repeated:
        what = (
            f"has no value in {pluralize(column.nulls, 'row')}"
            if column.nulls
            else "has values that occur twice or more"
        )
        raise Findings.of(
            "init-key",
            f"the key column {quote(column.name)} of {quote(path)} {what}"
            f" ({pluralize(column.distinct, 'different value')} in {pluralize(column.rows, 'row')})",
            help="name a column that identifies each row with --key, or leave --key out; if rows with the same value"
            " depend on each other, write the column as `group` into the dataset's spec afterwards",
        )


def _require_usable_time(column: ColumnSummary, path: str) -> None:
    where = f"the time column {quote(column.name)} of {quote(path)}"
    if column.type not in ("date", "timestamp"):
        raise Findings.of(
            "init-time",
            f"{where} is of type {column.type}, so it has no order of time",
            help="name a column of dates or timestamps with --time, or leave --time out",
        )
    if column.nulls or column.distinct < 2:
        what = f"is missing in {pluralize(column.nulls, 'row')}" if column.nulls else "has only one value"
        raise Findings.of(
            "init-time",
            f"{where} {what}, so the newest rows cannot be held out",
            help="correct the data, or leave --time out: chance then chooses the holdout",
        )


def _choose_holdout_share(table: Table, spec: DatasetSpec, rows_in_time: int | None) -> tuple[float, int]:
    """Return the share of the holdout, and its number of rows; `rows_in_time` are those of a table that time splits."""
    for share in HOLDOUT_SHARES:
        rows = (
            count_holdout_rows(table, replace(spec, split=SplitSpec(holdout=share)))
            if rows_in_time is None
            else round(rows_in_time * share)
        )
        if rows >= MIN_HOLDOUT:
            break
    return share, rows


def _propose_positive(table: Table, goal: ColumnSummary) -> ProposedPositive | None:
    """Return the rarer of two labels; None for labels such as no and yes, which say themselves what is positive."""
    column = column_sql(goal.name)
    counts = table.connection.execute(f"SELECT {column}, count(*) FROM cells GROUP BY 1 ORDER BY 2, 1 DESC").fetchall()
    if is_usual_pair([label for label, _ in counts]):
        return None
    (label, rows), (_, others) = counts
    return ProposedPositive(label, rows, rows < others)


def _positive_notes(facts: TableFacts, path: str, model: str) -> Iterator[Diagnostic]:
    found = facts.positive
    if found is not None:
        lines = model.splitlines()
        line = next(at for at, text in enumerate(lines, start=1) if text.startswith("  positive: "))
        why = "the rarer label" if found.is_rarer else "both labels have as many rows, and it sorts last"
        yield Diagnostic(
            "init-positive",
            f"the positive class of {quote(facts.goal.name)} is taken to be {format_label(found.label)}"
            f" ({found.rows:,} of {pluralize(facts.rows, 'row')}): {why}",
            Location(path, line, 3, len(lines[line - 1]) - 2, lines[line - 1]),
            "write the other label there if recall and precision are to be about it",
            "note",
        )


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


def _exclusion_reason(column: ColumnSummary, key: str | None, target: str, time: str | None) -> str | None:
    """Return why a column is not a feature, or None."""
    present = column.rows - column.nulls
    text = column.type == "string"
    many = text and (column.distinct > MAX_CATEGORIES or column.distinct > max(20, present / 2))
    reasons = (
        (column.name == target, None),
        (column.name == key, "identifies the row"),
        (column.name == time, "is later in each row of the holdout than in all training rows"),
        (INDEX_PATTERN.fullmatch(column.name) is not None, f"is the index of a pandas table: {_TO_CSV_HELP}"),
        (column.can_identify_rows and _ID_PATTERN.search(column.name) is not None, "identifies the row"),
        (column.distinct <= 1, "has the same value in every row"),
        (column.type not in NATIVE_TYPES, "has a type that models cannot use"),
        (text and column.mean_length > LONG_TEXT, _FREE_TEXT),
        (many and column.number_obstacle is not None, column.number_obstacle),
        (many and column.spaced * 2 > present, _FREE_TEXT),
        (many, "has too many values"),
    )
    return next((why for applies, why in reasons if applies), None)


def _slug(text: str, otherwise: str) -> str:
    """Return text as a name: lower-case letters, digits and hyphens, at most 40, a letter first."""
    # a letter with an accent keeps its letter: `Größe` becomes `grosse`
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    slug = slug if slug[:1].isalpha() else f"{otherwise}-{slug}"
    return slug[:40].strip("-")
