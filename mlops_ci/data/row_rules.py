"""The rules of a Dataset spec for its rows. Each rule is a Narwhals expression that is true when a row fails."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from mlops_ci.core.choices import CheckSeverity
from mlops_ci.data.bounds import exact_bound, exact_values
from mlops_ci.data.column_types import SQL_TYPES, column_alias
from mlops_ci.spec.spec_types import CheckSpec, ColumnSpec, DatasetSpec
from mlops_ci.spec.yaml.document import Pointer

_DURATION_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True)
class RowRule:
    """A check of single rows. `failure_expression` is a Narwhals expression; null means that the row passes.

    `max_failing_share` is the largest accepted share of failing rows; samples show `sample_columns`.
    """

    id: str
    check: str
    wanted: str
    pointer: Pointer
    failure_expression: Any
    column: str | None = None
    max_failing_share: float = 0.0
    sample_columns: tuple[str, ...] = ()
    severity: CheckSeverity = "error"

    def shown_columns(self, key: tuple[str, ...]) -> tuple[str, ...]:
        """Return the columns of a sample in a table with this key."""
        return tuple(dict.fromkeys((*key, *self.sample_columns)))


@dataclass(frozen=True)
class UniqueRule:
    """A rule that no two rows have the same values in these columns. Rows with a missing value are left out, as in SQL."""

    columns: tuple[str, ...]
    pointer: Pointer
    severity: CheckSeverity = "error"


@dataclass(frozen=True)
class UnusableRule:
    """A check that cannot be applied to the column's type, with the reason."""

    id: str
    check: str
    wanted: str
    reason: str
    pointer: Pointer
    column: str
    severity: CheckSeverity


def column_rules(
    name: str, column: ColumnSpec, type: str, key: bool, sql_type: str = ""
) -> Iterator[RowRule | UnusableRule]:
    """Yield the row rules of one declared column; `type` is the logical type of its data, `key` is true for a key column.

    `sql_type` is DuckDB's type, if it is not the usual one of the logical type.

    A check that does not fit the type gives an UnusableRule.
    """
    import narwhals as nw

    value = nw.col(column_alias(name))
    at: Pointer = ("spec", "columns", name)

    def rule(id: str, check: str, wanted: str, failing: Any, share: float = 0.0) -> RowRule:
        return RowRule(id, check, wanted, (*at, check), failing, name, share, (name,), column.severity)

    def unjudged(id: str, check: str, wanted: str, why: str) -> UnusableRule:
        return UnusableRule(id, check, wanted, why, (*at, check), name, column.severity)

    if column.nulls is not None and not (key and column.nulls.max > 0):
        yield rule(
            "check-nulls",
            "nulls",
            f"at most {format_percent(column.nulls.max)} missing",
            value.is_null(),
            column.nulls.max,
        )
    sides: tuple[tuple[Literal["min", "max"], Any, Any], ...]
    sides = ("min", column.min, value.__lt__), ("max", column.max, value.__gt__)
    for check, bound, outside in sides:
        if bound is None:
            continue
        wanted = f"at {'least' if check == 'min' else 'most'} {bound}"
        edge = exact_bound(bound, check, type, sql_type or SQL_TYPES[type])
        if edge is None:
            yield unjudged("check-not-applicable", check, wanted, f"{bound!r} cannot be compared with {type} values")
        else:
            constant = value == value if edge is True else value != value  # of every value, and of none
            yield rule("check-range", check, wanted, constant if isinstance(edge, bool) else outside(edge))
    if column.values is not None:
        wanted = f"one of {', '.join(map(str, column.values))}"
        known = exact_values(column.values, type, sql_type or SQL_TYPES[type])
        if known is not None:
            yield rule("check-values", "values", wanted, ~value.is_in(known) if known else value == value)
        else:
            yield unjudged("check-not-applicable", "values", wanted, f"none of the values is of type {type}")
    if column.pattern is not None:
        wanted = f"the whole value matches {column.pattern}"
        if type != "string":
            yield unjudged(
                "check-not-applicable", "pattern", wanted, f"a pattern needs text, and the data are of type {type}"
            )
        elif why := pattern_problem(column.pattern):
            yield unjudged("check-pattern-invalid", "pattern", wanted, why)
        else:
            yield rule("check-pattern", "pattern", wanted, ~value.str.contains(full_match_pattern(column.pattern)))
    if column.length is not None:
        low, high = column.length.min, column.length.max
        wanted = f"{low or 0} to {'any number of' if high is None else high} characters"
        size = value.str.len_chars()
        if type != "string":
            yield unjudged(
                "check-not-applicable", "length", wanted, f"a length needs text, and the data are of type {type}"
            )
        else:
            short = size < (low or 0)
            yield rule("check-length", "length", wanted, short if high is None else short | (size > high))


def key_rules(spec: DatasetSpec) -> Iterator[RowRule]:
    """Yield the rule that a key column has no missing values, for each key column."""
    import narwhals as nw

    for index, name in enumerate(spec.key):
        at = ("spec", "key", index)
        yield RowRule(
            "check-nulls",
            "nulls",
            "no missing values in a key column",
            at,
            nw.col(column_alias(name)).is_null(),
            name,
            0.0,
            (name,),
        )


def finite_rules(spec: DatasetSpec, types: Mapping[str, str]) -> Iterator[RowRule]:
    """Yield the rule that numbers are finite, for each column of type number: estimators reject infinite values."""
    import narwhals as nw

    for name, type in types.items():
        if type == "number":
            column = spec.columns.get(name, ColumnSpec())
            at = ("spec", "columns", name)
            failing = ~nw.col(column_alias(name)).is_finite()
            yield RowRule("check-finite", "finite", "a finite number", at, failing, name, 0.0, (name,), column.severity)


def unique_rules(spec: DatasetSpec) -> tuple[UniqueRule, ...]:
    """Return the uniqueness rules of the spec's key, columns and checks, each set of columns once.

    When two rules have the same columns, the one with severity `error` is kept.
    """
    rules = [UniqueRule(spec.key, ("spec", "key"))] if spec.key else []
    rules += [
        UniqueRule((name,), ("spec", "columns", name, "unique"), c.severity)
        for name, c in spec.columns.items()
        if c.unique
    ]
    rules += [
        UniqueRule(check.columns, ("spec", "checks", index), check.severity)
        for index, check in enumerate(spec.checks)
        if isinstance(check, CheckSpec) and check.type == "unique"
    ]
    first: dict[frozenset[str], UniqueRule] = {}
    for rule in rules:
        columns = frozenset(rule.columns)
        if columns not in first or (first[columns].severity, rule.severity) == ("warn", "error"):
            first[columns] = rule
    return tuple(first.values())


def pattern_problem(pattern: str) -> str | None:
    """Return the reason why RE2, the engine of DuckDB, rejects a pattern; None when the pattern is valid."""
    import duckdb

    with duckdb.connect(":memory:") as connection:
        try:
            for whole in (
                pattern,
                full_match_pattern(pattern),
            ):  # also tested on its own: a pattern such as `a)(b` would close the group around it
                connection.execute("SELECT regexp_matches('', ?)", [whole])
        except duckdb.Error as error:
            return str(error).splitlines()[0].partition("Error: ")[2]
    return None


def full_match_pattern(pattern: str) -> str:
    """Return the pattern that matches whole values only."""
    return rf"\A(?:{pattern})\z"


def parse_duration(text: str) -> timedelta:
    """Return a duration such as `45d` (units s, m, h, d, w); raises ValueError for other text."""
    match = re.fullmatch(r"(\d{1,6})([smhdw])", text)
    if not match:
        raise ValueError(f"'{text}' is not a duration; write a number and one of s, m, h, d, w")
    return timedelta(**{_DURATION_UNITS[match[2]]: int(match[1])})


def pluralize(number: int, noun: str) -> str:
    """Return a number with its noun: 1 row, 2 rows, 1 class, 2,000 classes."""
    plural = "" if number == 1 else "es" if noun.endswith("s") else "s"
    return f"{number:,} {noun}{plural}"


def format_percent(share: float) -> str:
    """Return a share (0 to 1) as text in percent."""
    return f"{share * 100:.3g} %"
