"""Personal data: the columns that are tagged `pii`, and what findings and caches may have of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.suggestions import quote
from mlops_ci.spec.located_spec import LocatedSpec
from mlops_ci.spec.spec_types import ColumnSpec, DatasetSpec, ModelSpec, SplitSpec

PII_MASK = "***"  # stands for a personal value
LONG_NUMBER = 6  # digits: a shorter number says little about one person


def is_personal(column: ColumnSpec) -> bool:
    """Return whether the values of a column are personal data: no report, record or cache has them."""
    return "pii" in column.tags


def personal_columns(spec: DatasetSpec) -> frozenset[str]:
    """Return the columns that are tagged as personal data."""
    return frozenset(name for name, column in spec.columns.items() if is_personal(column))


def is_personal_column(spec: DatasetSpec, name: str | None) -> bool:
    """Return whether a column of a dataset is declared as personal data."""
    return name is not None and name in spec.columns and is_personal(spec.columns[name])


def is_telling(label: str | int | bool) -> bool:
    """Return whether a label of a personal column may name one person: a text or a long number."""
    return isinstance(label, str) or len(str(abs(label))) >= LONG_NUMBER


def personal_split_finding(
    model: LocatedSpec[ModelSpec], dataset: LocatedSpec[DatasetSpec], split: SplitSpec
) -> Diagnostic | None:
    """Return a finding if the split goes by a personal time: each run's record says when the holdout begins."""
    name, column = dataset.spec.time, dataset.spec.columns.get(dataset.spec.time or "")
    if split.by != "time" or column is None or not is_personal(column) or name in model.spec.release.personal:
        return None
    return Diagnostic(
        "personal-split-time",
        f"the split of dataset '{dataset.name}' goes by {quote(str(name))}, tagged `pii`, and the record of each run, which git keeps,"
        " has the time at which the holdout begins",
        model.locate("spec", "dataset"),
        "split by key-hash, or by another time; if everybody who can read the repository may see this one time, allow it:"
        f"\nrelease:\n  personal: [{name}]",
    )


def names_to_show(columns: Mapping[str, ColumnSpec], others: Iterable[str] = ()) -> frozenset[str]:
    """Return the names that findings may quote from files whose spec declares `columns` and names `others`.

    Empty if no column is personal: then they may quote any name. Otherwise the first line may be a person's record, in a
    file without a header.
    """
    return frozenset((*columns, *others)) if any(map(is_personal, columns.values())) else frozenset()


def quote_name(name: str, known_names: frozenset[str]) -> str:
    """Return a name from a file as findings quote it; `known_names` are those of `names_to_show`."""
    return quote(name if not known_names or name in known_names else PII_MASK)
