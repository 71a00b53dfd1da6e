"""The table of data checks: one row for each type that is built in, and the door to those that packages add."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from mlops_ci.core.plugins import Plugin, distribution_of, load, translate_plugin_errors
from mlops_ci.spec.spec_types import CheckSpec, DatasetSpec, PluginCheck
from mlops_ci.spec.yaml.document import Pointer

CheckColumns = Callable[[CheckSpec], Iterator[tuple[str, Pointer]]]


@dataclass(frozen=True)
class CheckAnswer:
    """What a check of a package found: whether the table passes, in words what it saw, and how many rows fail."""

    passed: bool
    observed: str
    failing: int | None = None
    help: str | None = None


@runtime_checkable
class DataCheck(Protocol):
    """A check of the whole table that a package adds. It is pure: the same rows give the same answer."""

    @property
    def expectation(self) -> str:
        """What the check wants, as a report says it: `at least 3 regions`."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it reads; where the data lack one, the check is not run and the column is reported missing."""
        ...

    def evaluate(self, rows: Any) -> CheckAnswer:
        """Return what the rows show, given as a lazy Narwhals frame of the whole table."""
        ...


@dataclass(frozen=True)
class CheckType:
    """A built-in check: the columns that a spec of it names, each with its place below the check, and what answers it.

    `rows`: a rule for single rows, all in one query. `groups`: rows that are equal. `table`: what was measured of the table.
    """

    name: str
    columns: CheckColumns
    answered_by: Literal["rows", "groups", "table"]


def _no_columns(_check: CheckSpec) -> Iterator[tuple[str, Pointer]]:
    return iter(())


def _listed_columns(check: CheckSpec) -> Iterator[tuple[str, Pointer]]:
    return ((name, ("columns", at)) for at, name in enumerate(check.columns))


def _one_column(check: CheckSpec) -> Iterator[tuple[str, Pointer]]:
    return iter([(check.column, ("column",))] if check.column else [])


CHECK_TYPES: Mapping[str, CheckType] = {
    "row-count": CheckType("row-count", _no_columns, "table"),
    "unique": CheckType("unique", _listed_columns, "groups"),
    "freshness": CheckType("freshness", _one_column, "table"),
    "custom-sql": CheckType("custom-sql", _no_columns, "rows"),
}


def built_in_checks(spec: DatasetSpec) -> Iterator[tuple[int, CheckSpec]]:
    """Yield the checks of built-in types, each with its position in the spec."""
    for index, check in enumerate(spec.checks):
        if isinstance(check, CheckSpec):
            yield index, check


class InstalledCheck(NamedTuple):
    """A check of a package in a spec: its position among the checks, what the spec says, and what evaluates it."""

    position: int
    check: PluginCheck
    made: DataCheck


def installed_checks(spec: DatasetSpec) -> Iterator[InstalledCheck]:
    """Yield the checks of types that packages offer, each with its position; raises as `core.plugins.load` does."""
    table: Mapping[str, Plugin[DataCheck]] = {}
    for index, check in enumerate(spec.checks):
        if isinstance(check, PluginCheck):
            with translate_plugin_errors("mlops_ci.checks", check.type):
                made = load(table, "mlops_ci.checks", check.type).make(check.options)
            yield InstalledCheck(index, check, made)


def check_columns(spec: DatasetSpec) -> Iterator[tuple[str, Pointer]]:
    """Yield each column that a check names, with its place in the spec."""
    for index, check in built_in_checks(spec):
        for name, place in CHECK_TYPES[check.type].columns(check):
            yield name, ("spec", "checks", index, *place)
    for index, _, made in installed_checks(spec):
        yield from ((name, ("spec", "checks", index)) for name in made.columns)


def check_plugin_versions(spec: DatasetSpec) -> tuple[str, ...]:
    """Return the distributions and versions that checks come from: part of the name of what is remembered of their answers."""
    types = sorted({check.type for check in spec.checks if isinstance(check, PluginCheck)})
    return tuple(distribution_of("mlops_ci.checks", type) for type in types)
