"""Runs the checks of a Dataset spec. Each gives a `CheckOutcome` that can be evaluated again without the data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime

from mlops_ci.core.diagnostics import Diagnostic, Severity
from mlops_ci.core.plugins import translate_plugin_errors
from mlops_ci.core.records.base import Scalar
from mlops_ci.core.records.training_run import CheckResult
from mlops_ci.core.suggestions import find_nearest
from mlops_ci.data.check_outcome import CheckOutcome
from mlops_ci.data.check_types import built_in_checks, check_columns, installed_checks
from mlops_ci.data.column_outcomes import number_outcomes, time_help, time_outcomes, type_outcomes
from mlops_ci.data.column_types import EMPTY_TYPE
from mlops_ci.data.custom_sql.evaluation import evaluate_custom_sql
from mlops_ci.data.custom_sql.protocol import CustomSqlAnswer
from mlops_ci.data.engines.duckdb import Table, forbid_reuse
from mlops_ci.data.engines.duckdb_errors import translate_duckdb_errors
from mlops_ci.data.profile import (
    TableMeasures,
    displayable_value,
    find_duplicates,
    measure_table,
    sample_failing_rows,
)
from mlops_ci.data.row_rules import (
    RowRule,
    UniqueRule,
    UnusableRule,
    column_rules,
    finite_rules,
    format_percent,
    key_rules,
    parse_duration,
    pluralize,
    unique_rules,
)
from mlops_ci.spec.located_spec import LocatedSpec
from mlops_ci.spec.personal_data import PII_MASK, is_personal_column
from mlops_ci.spec.spec_types import CheckSpec, ColumnSpec, DatasetSpec
from mlops_ci.spec.yaml.document import Pointer

MAX_LISTED_NAMES = 10  # names in a message
MAX_SEPARATE_MISSING = 3  # up to this number, each missing column gets its own finding


def run_checks(table: Table, spec: DatasetSpec) -> tuple[TableMeasures, tuple[CheckOutcome, ...]]:
    """Run every check, and return the table's measures and one outcome per check.

    A check that cannot be evaluated gives a failed outcome and does not stop the others.
    Raises Findings `data-unreadable` when a file is damaged.
    """
    absent = tuple(_missing_column_outcomes(table, spec))
    known = replace(spec, key=tuple(name for name in spec.key if name in table.types))
    rules = [*key_rules(known), *finite_rules(spec, table.types)]
    unjudged: list[UnusableRule] = []
    sql_types = table.sql_types()
    for name, column in spec.columns.items():
        if name in table.types:
            type = _effective_type(table.types[name], column.expected_type)
            for rule in column_rules(name, column, type, name in spec.key, sql_types[name]):
                rules.append(rule) if isinstance(rule, RowRule) else unjudged.append(rule)
    with translate_duckdb_errors("the data"):
        measures = measure_table(table, spec, tuple(rules))
    by_sql = evaluate_custom_sql(table, spec)
    types = tuple(type_outcomes(table, spec, measures))
    wrong = {answer.result.column for answer in types if not answer.result.passed}
    of_rows = [
        _row_rule_outcome(table, rule, failing, measures.rows, known)
        for rule, failing in zip(rules, measures.failing_counts, strict=True)
        if failing or rule.id != "check-finite"  # an implicit rule: it is reported only when it fails
    ]
    full = {column.name for column in measures.columns if column.nulls < measures.rows}
    return measures, (
        *absent,
        *_undeclared_column_outcomes(table, spec),
        *types,
        *time_outcomes(table, spec),
        *number_outcomes(table, spec),
        *of_rows,
        *(_custom_sql_outcome(spec, answer) for answer in by_sql if not (answer.refusal or answer.exceeded)),
        *(
            _unusable_rule_outcome(rule, rule.column in wrong)
            for rule in unjudged
            if rule.column in full or "invalid" in rule.id
        ),
        *(
            _unique_rule_outcome(table, rule, spec)
            for rule in unique_rules(spec)
            if set(rule.columns) <= set(table.types)
        ),
        *_table_check_outcomes(table, spec, measures),
        *_installed_check_outcomes(table, spec),
        *(_unevaluated_sql_outcome(spec, answer) for answer in by_sql if answer.refusal or answer.exceeded),
    )


def evaluate_checks(
    loaded: LocatedSpec[DatasetSpec], outcomes: tuple[CheckOutcome, ...], now: datetime
) -> tuple[tuple[CheckResult, ...], tuple[Diagnostic, ...]]:
    """Return every check's result, and a diagnostic at its line of the spec for each failed check; reads no data.

    `now` is a time with a time zone; freshness is evaluated at this time.
    """
    current = [
        _evaluate_freshness(answer, loaded.spec, now) if answer.newest is not None else answer for answer in outcomes
    ]
    findings = []
    for answer in current:
        if not answer.result.passed and not answer.silent:
            severity: Severity = "warning" if answer.result.severity == "warn" else "error"
            place = loaded.locate(*answer.pointer)
            findings.append(Diagnostic(answer.id, answer.message, place, answer.help, severity))
    return tuple(answer.result for answer in current), tuple(findings)


def _effective_type(type: str, declared: str | None) -> str:
    return declared or "string" if type == EMPTY_TYPE else type


def _row_rule_outcome(table: Table, rule: RowRule, failing: int, rows: int, spec: DatasetSpec) -> CheckOutcome:
    passed = failing == 0 or failing / rows <= rule.max_failing_share
    if passed:
        return _counted_outcome(rule, failing, rows, ())
    relation = table.relation(rule.shown_columns(spec.key))
    pii = frozenset(name for name in rule.shown_columns(spec.key) if is_personal_column(spec, name))
    return _counted_outcome(rule, failing, rows, sample_failing_rows(table, relation, rule, spec.key, pii))


def _custom_sql_outcome(spec: DatasetSpec, answer: CustomSqlAnswer) -> CheckOutcome:
    check = dict(built_in_checks(spec))[answer.index]
    rule = RowRule(
        "check-custom-sql",
        check.name or "custom-sql",
        check.sql or "",
        ("spec", "checks", answer.index),
        None,
        max_failing_share=float(check.max or 0),
        severity=check.severity,
    )
    return _counted_outcome(rule, answer.failing, answer.rows, answer.samples)


def _counted_outcome(rule: RowRule, failing: int, rows: int, samples: tuple[Mapping[str, Scalar], ...]) -> CheckOutcome:
    passed = failing == 0 or failing / rows <= rule.max_failing_share
    subject = f"column '{rule.column}'" if rule.column else f"check '{rule.check}'"
    observed = f"{failing:,} of {pluralize(rows, 'row')} ({format_percent(failing / rows)})"
    allowed = f"; {format_percent(rule.max_failing_share)} may fail" if rule.max_failing_share else ""
    example = ", ".join(f"{name}={value}" for name, value in samples[0].items()) if samples else ""
    return CheckOutcome(
        rule.id,
        rule.pointer,
        f"{subject}: {observed} {'fails' if failing == 1 else 'fail'} '{displayable_value(rule.wanted)}'{allowed}",
        CheckResult(rule.check, rule.wanted, observed, passed, rule.severity, rule.column, failing, samples),
        f"correct the data, or relax the check; a failing row: {example}" if example else None,
    )


def _unique_rule_outcome(table: Table, rule: UniqueRule, spec: DatasetSpec) -> CheckOutcome:
    pii = frozenset(name for name in rule.columns if is_personal_column(spec, name))
    failing, samples = find_duplicates(table, rule, pii)
    names = ", ".join(rule.columns)
    column = rule.columns[0] if len(rule.columns) == 1 else None
    example = ", ".join(f"{name}={value}" for name, value in samples[0].items()) if samples else ""
    return CheckOutcome(
        "check-unique",
        rule.pointer,
        f"{pluralize(failing, 'row')} {'has' if failing == 1 else 'have'} the same {names} as another row",
        CheckResult(
            "unique",
            f"no two rows with the same {names}",
            pluralize(failing, "row"),
            not failing,
            rule.severity,
            column,
            failing,
            samples,
        ),
        f"remove the duplicates, or name columns that identify a row; a duplicate: {example}",
    )


def _missing_column_outcomes(table: Table, spec: DatasetSpec) -> Iterator[CheckOutcome]:
    references: list[tuple[str, Pointer]] = [(name, ("spec", "columns", name)) for name in spec.columns]
    references += [(name, ("spec", "key", index)) for index, name in enumerate(spec.key)]
    references += [(spec.time, ("spec", "time"))] if spec.time else []
    references += check_columns(spec)
    first = dict(reversed(references))
    missing = [name for name in dict.fromkeys(name for name, _ in references) if name not in table.types]
    severity = {name: spec.columns.get(name, ColumnSpec()).severity for name in missing}
    by_severity = {level: [name for name in missing if severity[name] == level] for level in set(severity.values())}
    for name in missing:
        others = by_severity[severity[name]]
        many = len(others) > MAX_SEPARATE_MISSING
        if many:  # most likely one cause: the first finding lists them all
            message = f"{len(others):,} columns are missing in the data: {_list_names(others)}"
            help = f"the data have: {_list_names(table.types)}; check that it is the right file and has a header line"
        else:
            match = find_nearest(name, table.types)
            message = f"the data have no column '{name}'"
            help = f"did you mean '{match}'?" if match else f"the data have: {_list_names(table.types)}"
        yield CheckOutcome(
            "data-column-missing",
            first[name],
            message,
            CheckResult("column", "present", "missing", False, severity[name], name),
            help,
            silent=many and name != others[0],
        )


def _undeclared_column_outcomes(table: Table, spec: DatasetSpec) -> Iterator[CheckOutcome]:
    if spec.columns_closed:
        for name in table.types:
            if name not in spec.columns:
                yield CheckOutcome(
                    "data-column-undeclared",
                    ("spec", "columnsClosed"),
                    f"the data have a column '{displayable_value(name)}' that the spec does not declare",
                    CheckResult("column", "declared", "undeclared", False, "error", name),
                    "add it to `columns`, or remove `columnsClosed`",
                )


def _unusable_rule_outcome(rule: UnusableRule, silent: bool) -> CheckOutcome:
    invalid = rule.id == "check-pattern-invalid"
    return CheckOutcome(
        rule.id,
        rule.pointer,
        f"column '{rule.column}': the check '{rule.check}' cannot be evaluated: {rule.reason}",
        CheckResult(rule.check, rule.wanted, f"cannot be evaluated: {rule.reason}", False, rule.severity, rule.column),
        "write an RE2 pattern (without look-around and back references)"
        if invalid
        else "remove the check, or correct its value",
        silent=silent and not invalid,
    )


def _table_check_outcomes(table: Table, spec: DatasetSpec, measures: TableMeasures) -> Iterator[CheckOutcome]:
    for index, check in built_in_checks(spec):
        if check.type == "row-count":
            yield _row_count_outcome(check, index, measures.rows)
        elif check.type == "freshness" and check.column and check.column in table.types:
            yield _freshness_outcome(table, check, check.column, index, measures)


def _installed_check_outcomes(table: Table, spec: DatasetSpec) -> Iterator[CheckOutcome]:
    """Yield the outcomes of plugin checks. A check with a missing column does not run: the column is reported."""
    import narwhals as nw

    for index, check, made in installed_checks(spec):
        if not set(made.columns) <= set(table.types):
            continue
        with translate_plugin_errors("mlops_ci.checks", check.type):
            forbid_reuse()
            answer = made.evaluate(nw.from_native(table.named_relation()))
            result = CheckResult(
                check.name or check.type,
                made.expectation,
                answer.observed,
                answer.passed,
                check.severity,
                None,
                answer.failing,
            )
        message = (
            f"check '{result.check}': {displayable_value(answer.observed)}; "
            f"expected: {displayable_value(made.expectation)}"
        )
        yield CheckOutcome("check-installed", ("spec", "checks", index), message, result, answer.help)


def _row_count_outcome(check: CheckSpec, index: int, rows: int) -> CheckOutcome:
    low, high = check.min or 0, check.max
    wanted = f"at least {pluralize(low, 'row')}" if high is None else f"{low:,} to {pluralize(int(high), 'row')}"
    passed = low <= rows and (high is None or rows <= high)
    return CheckOutcome(
        "check-row-count",
        ("spec", "checks", index),
        f"the data have {pluralize(rows, 'row')}; expected: {wanted}",
        CheckResult("row-count", wanted, pluralize(rows, "row"), passed, check.severity),
        "check for a missing or duplicated file, or change the check's bounds",
    )


def _freshness_outcome(
    table: Table, check: CheckSpec, column: str, index: int, measures: TableMeasures
) -> CheckOutcome:
    type = table.types[column]
    wanted = f"newest {column} at most {check.max_age} old"
    result = CheckResult("freshness", wanted, "", False, check.severity, column)
    nothing = any(profile.name == column and profile.nulls == measures.rows for profile in measures.columns)
    if type not in ("date", "timestamp") and not nothing:
        why = f"'{column}' is {type}, not a date or timestamp"
        message = f"the check 'freshness' cannot be evaluated: {why}"
        help = time_help(table, column) if type == "string" else "name a column of type date or timestamp"
        return CheckOutcome(
            "check-not-applicable", ("spec", "checks", index, "column"), message, replace(result, observed=why), help
        )
    newest = measures.newest.get(column)
    help = "update the data, or increase `maxAge`"
    text = newest.isoformat() if isinstance(newest, date) else newest or ""
    return CheckOutcome("check-freshness", ("spec", "checks", index), "", result, help, newest=text)


def _evaluate_freshness(answer: CheckOutcome, spec: DatasetSpec, now: datetime) -> CheckOutcome:
    """Return the outcome of a freshness check at the time `now`.

    The age of a date counts from the end of its day. A time in the future is fresh.
    """
    check = dict(built_in_checks(spec))[int(answer.pointer[2])]
    if not answer.newest:
        observed, passed = "the column has no values", False
    else:
        age = now.astimezone(UTC).replace(tzinfo=None) - _moment(answer.newest)
        passed = age <= parse_duration(check.max_age or "0s")
        observed = f"newest is {answer.newest}, {pluralize(max(age.days, 0), 'day')} old"
        if is_personal_column(spec, check.column):  # its age tells the value, too
            observed = f"newest is {PII_MASK}, {'not too old' if passed else 'too old'}"
    message = f"the data are stale: {observed}; the limit is {check.max_age}"
    return replace(answer, message=message, result=replace(answer.result, observed=observed, passed=passed))


def _moment(text: str) -> datetime:
    """Return the moment of a text from the data; a date ends with its day."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:  # DuckDB's text of a year that Python does not have
        return datetime.min if "(BC)" in text else datetime.max  # noqa: DTZ901 - naive, in UTC
    return moment if "T" in text else moment.replace(hour=23, minute=59, second=59)


_SQL_HELP = {
    "check-sql-limit": "write it so that it looks at each row once (no joins, no lists of other rows), or raise its `maxSeconds` or"
    " `maxMegabytes`",
    "check-sql-invalid": "write one SQL expression of the columns that is true or false for each row; it can read only the data of"
    " this dataset",
}


def _unevaluated_sql_outcome(spec: DatasetSpec, answer: CustomSqlAnswer) -> CheckOutcome:
    check = dict(built_in_checks(spec))[answer.index]
    name = check.name or "custom-sql"
    if answer.exceeded is not None:
        id, observed = "check-sql-limit", f"stopped: it took more than {answer.exceeded}"
        message = f"the check '{name}' was {observed}"
    else:
        id, observed = "check-sql-invalid", f"cannot be evaluated: {displayable_value(answer.refusal)}"
        message = f"the check '{name}' {observed}"
    result = CheckResult(name, check.sql or "", observed, False, check.severity)
    return CheckOutcome(id, ("spec", "checks", answer.index, "sql"), message, result, _SQL_HELP[id])


def _list_names(columns: Iterable[str]) -> str:
    names = list(columns)
    more = f" and {len(names) - MAX_LISTED_NAMES} more" if len(names) > MAX_LISTED_NAMES else ""
    return ", ".join(str(displayable_value(name)) for name in names[:MAX_LISTED_NAMES]) + more
