"""The table of data checks: the built-in types, and the loading of types from installed packages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

from mlops_ci.core.plugins import distribution_of, make
from mlops_ci.spec.spec_types import CheckSpec, DatasetSpec, PluginCheck
from mlops_ci.spec.yaml.document import Pointer

CheckColumns = Callable[[CheckSpec], Iterator[tuple[str, Pointer]]]


@dataclass(frozen=True)
class CheckAnswer:
    """The result of a plugin check: whether the table passes, an observation for reports, and the number of failing rows."""

    passed: bool
    observed: str
    failing: int | None = None
    help: str | None = None


@runtime_checkable
class DataCheck(Protocol):
    """A check of the whole table from an installed package. It must be pure: the same rows give the same result."""

    @property
    def expectation(self) -> str:
        """The expectation as reports show it, such as `at least 3 regions`."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the check reads. When one is missing in the data, it is reported and the check does not run."""
        ...

    def evaluate(self, rows: Any) -> CheckAnswer:
        """Return the check's result for `rows`, a lazy Narwhals frame of the whole table."""
        ...


@dataclass(frozen=True)
class CheckType:
    """A type of built-in check, and the columns that a check of this type names, with their places."""

    name: str
    columns: CheckColumns


def _no_columns(_check: CheckSpec) -> Iterator[tuple[str, Pointer]]:
    return iter(())


def _listed_columns(check: CheckSpec) -> Iterator[tuple[str, Pointer]]:
    return ((name, ("columns", at)) for at, name in enumerate(check.columns))


def _one_column(check: CheckSpec) -> Iterator[tuple[str, Pointer]]:
    return iter([(check.column, ("column",))] if check.column else [])


CHECK_TYPES: Mapping[str, CheckType] = {
    "row-count": CheckType("row-count", _no_columns),
    "unique": CheckType("unique", _listed_columns),
    "freshness": CheckType("freshness", _one_column),
    "custom-sql": CheckType("custom-sql", _no_columns),
}


def built_in_checks(spec: DatasetSpec) -> Iterator[tuple[int, CheckSpec]]:
    """Yield the checks of built-in types, each with its position among the spec's checks."""
    for index, check in enumerate(spec.checks):
        if isinstance(check, CheckSpec):
            yield index, check


class InstalledCheck(NamedTuple):
    """A plugin check in a spec: its position among the checks, its spec, and the object that evaluates it."""

    position: int
    check: PluginCheck
    made: DataCheck


def installed_checks(spec: DatasetSpec) -> Iterator[InstalledCheck]:
    """Yield the plugin checks, each with its position among the spec's checks; raises as `core.plugins.make` does."""
    for index, check in enumerate(spec.checks):
        if isinstance(check, PluginCheck):
            made = make("mlops_ci.checks", check.type, check.options, DataCheck)  # type: ignore[type-abstract]  # a protocol
            yield InstalledCheck(index, check, made)


def check_columns(spec: DatasetSpec) -> Iterator[tuple[str, Pointer]]:
    """Yield each column that a check names, with its place in the spec."""
    for index, check in built_in_checks(spec):
        for name, place in CHECK_TYPES[check.type].columns(check):
            yield name, ("spec", "checks", index, *place)
    for index, _, made in installed_checks(spec):
        yield from ((name, ("spec", "checks", index)) for name in made.columns)


def check_plugin_versions(spec: DatasetSpec) -> tuple[str, ...]:
    """Return the distributions and versions of the plugin checks, which are part of the cache key of their results."""
    types = sorted({check.type for check in spec.checks if isinstance(check, PluginCheck)})
    return tuple(distribution_of("mlops_ci.checks", type) for type in types)
