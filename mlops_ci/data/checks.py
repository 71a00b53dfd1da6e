"""The checks of a Dataset spec, answered: one `Answer` each, that can be judged again without the data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from mlops_ci.core.diagnostics import Diagnostic, Severity
from mlops_ci.core.records import CheckResult, ColumnProfile
from mlops_ci.data.column_types import EMPTY
from mlops_ci.data.engines.duckdb import Table, reading
from mlops_ci.data.profile import (
    MASK,
    CustomSql,
    Measures,
    custom_sql,
    duplicates,
    failing_at_run,
    measure,
    mentioned,
    personal,
    plain,
    samples,
    with_flags,
)
from mlops_ci.data.row_rules import (
    Pointer,
    RowRule,
    UniqueRule,
    Unjudged,
    age,
    column_rules,
    counted,
    finite_rules,
    key_rules,
    percent,
    unique_rules,
)
from mlops_ci.spec.spec_types import Check, Column, DatasetSpec

if TYPE_CHECKING:
    from mlops_ci.spec.located_spec import Loaded

LISTED = 10  # names in a message
MANY = 3  # missing columns, that are told one by one


@dataclass(frozen=True)
class Answer:
    """A check's result and, were it to fail, what to say: the diagnostic's id, message, help, and place in the spec.

    `silent` is one that another answer explains already. `newest` is set for `freshness` alone, whose result is made
    anew against the clock each time (ISO 8601, UTC; empty text: the column has no values).
    """

    id: str
    pointer: tuple[str | int, ...]
    message: str
    result: CheckResult
    help: str | None = None
    silent: bool = False
    newest: str | None = None


def answers(table: Table, spec: DatasetSpec) -> tuple[Measures, tuple[Answer, ...]]:
    """Run every check; one that cannot be judged is an answer too, and stops no other.

    Raises Findings `data-unreadable` when a file turns out to be damaged.
    """
    import duckdb

    absent = tuple(_absent(table, spec))
    known = replace(spec, key=tuple(name for name in spec.key if name in table.types))
    rules = [*key_rules(known), *finite_rules(spec, table.types)]
    unjudged: list[Unjudged] = []
    for name, column in spec.columns.items():
        if name in table.types:
            for rule in column_rules(name, column, _usable(table.types[name], column.type), name in spec.key):
                rules.append(rule) if isinstance(rule, RowRule) else unjudged.append(rule)
    custom, refused = custom_sql(table, spec)
    try:
        relation, measures, rules_run = _measured(table, spec, rules, custom)
    except duckdb.Error:
        broken = failing_at_run(table, custom, spec)
        refused |= broken
        custom = tuple(check for check in custom if check.index not in broken)
        with reading("the data"):
            relation, measures, rules_run = _measured(table, spec, rules, custom)
    types = tuple(_types(table, spec, measures))
    wrong = {answer.result.column for answer in types if not answer.result.passed}
    of_rows = [
        _row_answer(table, relation, rule, failing, measures.rows, known)
        for rule, failing in zip(rules_run, measures.failing, strict=True)
        if failing or rule.id != "check-finite"  # nobody asked for it: it is worth a line when it fails only
    ]
    full = {column.name for column in measures.columns if column.nulls < measures.rows}
    return measures, (
        *absent,
        *_undeclared(table, spec),
        *types,
        *of_rows,
        *(
            _unjudged_answer(rule, rule.column in wrong)
            for rule in unjudged
            if rule.column in full or "invalid" in rule.id
        ),
        *(_unique_answer(table, rule, spec) for rule in unique_rules(spec) if set(rule.columns) <= set(table.types)),
        *_table_answers(table, spec, measures),
        *(_refused(spec.checks[index], index, why) for index, why in sorted(refused.items())),
    )


def judge(
    loaded: Loaded[DatasetSpec], given: tuple[Answer, ...], now: datetime
) -> tuple[tuple[CheckResult, ...], tuple[Diagnostic, ...]]:
    """Return every check's result and a diagnostic for each that failed, at its line of the spec; reads no data.

    `now` is aware of its time zone; freshness is judged against it.
    """
    current = [_fresh(answer, loaded.spec, now) if answer.newest is not None else answer for answer in given]
    findings = []
    for answer in current:
        if not answer.result.passed and not answer.silent:
            severity: Severity = "warning" if answer.result.severity == "warn" else "error"
            place = loaded.locate(*answer.pointer)
            findings.append(Diagnostic(answer.id, answer.message, place, answer.help, severity))
    return tuple(answer.result for answer in current), tuple(findings)


def _usable(type: str, declared: str | None) -> str:
    return declared or "string" if type == EMPTY else type


def _measured(
    table: Table, spec: DatasetSpec, rules: list[RowRule], custom: tuple[CustomSql, ...]
) -> tuple[Any, Measures, tuple[RowRule, ...]]:
    relation = with_flags(table, custom)
    every = (*rules, *(_custom_rule(check, spec, table) for check in custom))
    return relation, measure(table, relation, spec, every), every


def _custom_rule(check: CustomSql, spec: DatasetSpec, table: Table) -> RowRule:
    import narwhals as nw

    asked = spec.checks[check.index]
    named = mentioned(check.sql, table.types)
    share = float(asked.max or 0)
    return RowRule(
        "check-custom-sql",
        asked.name or "custom-sql",
        check.sql,
        ("spec", "checks", check.index),
        nw.col(check.flag),
        share=share,
        shown=named,
        severity=asked.severity,
    )


def _row_answer(table: Table, relation: Any, rule: RowRule, failing: int, rows: int, spec: DatasetSpec) -> Answer:
    passed = failing == 0 or failing / rows <= rule.share
    found = () if passed else samples(table, relation, rule, spec.key, personal(spec))
    subject = f"column '{rule.column}'" if rule.column else f"check '{rule.check}'"
    observed = f"{failing:,} of {counted(rows, 'row')} ({percent(failing / rows)})"
    allowed = f", at most {percent(rule.share)} may" if rule.share else ""
    example = ", ".join(f"{name}={value}" for name, value in found[0].items()) if found else ""
    return Answer(
        rule.id,
        rule.pointer,
        f"{subject}: {observed} {'fails' if failing == 1 else 'fail'} '{plain(rule.wanted)}'{allowed}",
        CheckResult(rule.check, rule.wanted, observed, passed, rule.severity, rule.column, failing, found),
        f"correct the data, or the check if it asks too much; for example: {example}" if example else None,
    )


def _unique_answer(table: Table, rule: UniqueRule, spec: DatasetSpec) -> Answer:
    failing, found = duplicates(table, rule, personal(spec))
    names = ", ".join(rule.columns)
    column = rule.columns[0] if len(rule.columns) == 1 else None
    example = ", ".join(f"{name}={value}" for name, value in found[0].items()) if found else ""
    return Answer(
        "check-unique",
        rule.pointer,
        f"{counted(failing, 'row')} share their {names} with another row",
        CheckResult(
            "unique",
            f"no two rows with the same {names}",
            counted(failing, "row"),
            not failing,
            rule.severity,
            column,
            failing,
            found,
        ),
        f"remove the duplicates, or name the columns that tell rows apart; for example: {example}",
    )


def _types(table: Table, spec: DatasetSpec, measures: Measures) -> Iterator[Answer]:
    profiles: Mapping[str, ColumnProfile] = {column.name: column for column in measures.columns}
    for name, column in spec.columns.items():
        if column.type is None or name not in table.types:
            continue
        has, nothing = table.types[name], profiles[name].nulls == measures.rows
        fits = nothing or has == column.type or (column.type == "number" and has == "integer")
        help = "change the declared type if the data are right, else correct the data"
        if misfit := table.misfits.get(name):
            example = MASK if name in personal(spec) else plain(misfit.example)
            values = "1 value is" if misfit.count == 1 else f"{misfit.count:,} values are"
            help = f"{values} no {column.type}, such as '{example}'; {help}"
        yield Answer(
            "data-type",
            ("spec", "columns", name, "type"),
            f"column '{name}' is declared {column.type}, the data are {has}",
            CheckResult("type", column.type, has, fits, column.severity, name),
            help,
        )


def _absent(table: Table, spec: DatasetSpec) -> Iterator[Answer]:
    asked: list[tuple[str, Pointer]] = [(name, ("spec", "columns", name)) for name in spec.columns]
    asked += [(name, ("spec", "key", index)) for index, name in enumerate(spec.key)]
    asked += [(spec.time, ("spec", "time"))] if spec.time else []
    for index, check in enumerate(spec.checks):
        asked += [(name, ("spec", "checks", index, "columns", at)) for at, name in enumerate(check.columns)]
        asked += [(check.column, ("spec", "checks", index, "column"))] if check.column else []
    first = dict(reversed(asked))
    gone = [name for name in dict.fromkeys(name for name, _ in asked) if name not in table.types]
    severity = {name: spec.columns.get(name, Column()).severity for name in gone}
    alike = {level: [name for name in gone if severity[name] == level] for level in set(severity.values())}
    for name in gone:
        others = alike[severity[name]]
        many = len(others) > MANY
        if many:  # one cause, most likely: the first of them speaks for all
            message = f"the data have none of {len(others):,} columns: {_listed(others)}"
            help = f"the data have: {_listed(table.types)}; is it the right file, and has it a header line?"
        else:
            near = get_close_matches(name, table.types, 1)
            message = f"the data have no column '{name}'"
            help = f"did you mean '{near[0]}'?" if near else f"the data have: {_listed(table.types)}"
        yield Answer(
            "data-column-missing",
            first[name],
            message,
            CheckResult("column", "present", "missing", False, severity[name], name),
            help,
            silent=many and name != others[0],
        )


def _undeclared(table: Table, spec: DatasetSpec) -> Iterator[Answer]:
    if spec.columns_closed:
        for name in table.types:
            if name not in spec.columns:
                yield Answer(
                    "data-column-undeclared",
                    ("spec", "columnsClosed"),
                    f"the data have a column '{plain(name)}' that the spec does not declare",
                    CheckResult("column", "declared", "undeclared", False, "error", name),
                    "declare it under columns, or remove columnsClosed",
                )


def _unjudged_answer(rule: Unjudged, silent: bool) -> Answer:
    invalid = rule.id == "check-pattern-invalid"
    return Answer(
        rule.id,
        rule.pointer,
        f"column '{rule.column}': the check '{rule.check}' cannot be judged: {rule.why}",
        CheckResult(rule.check, rule.wanted, f"cannot be judged: {rule.why}", False, rule.severity, rule.column),
        "write an RE2 pattern (no look-around, no back references)"
        if invalid
        else "remove the check, or correct its value",
        silent=silent and not invalid,
    )


def _table_answers(table: Table, spec: DatasetSpec, measures: Measures) -> Iterator[Answer]:
    for index, check in enumerate(spec.checks):
        if check.type == "row-count":
            yield _row_count(check, index, measures.rows)
        elif check.type == "freshness" and check.column and check.column in table.types:
            yield _freshness(check, check.column, index, table.types[check.column], measures)


def _row_count(check: Check, index: int, rows: int) -> Answer:
    low, high = check.min or 0, check.max
    wanted = f"at least {counted(low, 'row')}" if high is None else f"{low:,} to {counted(int(high), 'row')}"
    passed = low <= rows and (high is None or rows <= high)
    return Answer(
        "check-row-count",
        ("spec", "checks", index),
        f"the data have {counted(rows, 'row')}, wanted: {wanted}",
        CheckResult("row-count", wanted, counted(rows, "row"), passed, check.severity),
        "is a file missing, or there twice?",
    )


def _freshness(check: Check, column: str, index: int, type: str, measures: Measures) -> Answer:
    wanted = f"newest {column} at most {check.max_age} old"
    result = CheckResult("freshness", wanted, "", False, check.severity, column)
    nothing = any(profile.name == column and profile.nulls == measures.rows for profile in measures.columns)
    if type not in ("date", "timestamp") and not nothing:
        why = f"'{column}' is {type}, not a date or timestamp"
        message = f"the check 'freshness' cannot be judged: {why}"
        help = "name a column of dates or timestamps"
        return Answer(
            "check-not-applicable", ("spec", "checks", index, "column"), message, replace(result, observed=why), help
        )
    newest = measures.newest.get(column)
    help = "bring the data up to date, or raise maxAge"
    text = newest.isoformat() if newest else ""
    return Answer("check-freshness", ("spec", "checks", index), "", result, help, newest=text)


def _fresh(answer: Answer, spec: DatasetSpec, now: datetime) -> Answer:
    """Judge freshness against the clock: a date counts from the end of its day, a time in the future as fresh."""
    check = spec.checks[int(answer.pointer[2])]
    if not answer.newest:
        observed, passed = "no value at all", False
    else:
        newest = datetime.fromisoformat(answer.newest)
        if "T" not in answer.newest:
            newest = newest.replace(hour=23, minute=59, second=59)
        old = now.astimezone(UTC).replace(tzinfo=None) - newest
        observed = f"newest is {answer.newest}, {counted(max(old.days, 0), 'day')} old"
        passed = old <= age(check.max_age or "0s")
    message = f"the data are stale: {observed}, at most {check.max_age} is wanted"
    return replace(answer, message=message, result=replace(answer.result, observed=observed, passed=passed))


def _refused(check: Check, index: int, why: str) -> Answer:
    return Answer(
        "check-sql-invalid",
        ("spec", "checks", index, "sql"),
        f"the check '{check.name or 'custom-sql'}' cannot be evaluated: {plain(why)}",
        CheckResult(
            check.name or "custom-sql", check.sql or "", f"cannot be evaluated: {plain(why)}", False, check.severity
        ),
        "write one SQL expression over the columns that is true or false for a row; it can read nothing but the data",
    )


def _listed(columns: Iterable[str]) -> str:
    names = list(columns)
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(str(plain(name)) for name in names[:LISTED]) + more
