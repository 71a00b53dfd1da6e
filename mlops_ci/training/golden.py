"""Golden rows: inputs with the model's predictions, which every package may publish in git.

Rows of the training data are people's records if the data are about people. So a model with personal features gets
generated rows, unless its spec says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from mlops_ci.core.records.training_run import ModelField
from mlops_ci.spec.personal_data import is_personal
from mlops_ci.spec.spec_types import ColumnSpec, DatasetSpec, ModelSpec
from mlops_ci.training.packaging.package_files import MAX_GOLDEN_ROWS

SYNTHETIC_ROWS = 100
TRIAL_ROWS = 20  # training rows that a model must be able to predict; they are not published
_USUAL_START, _USUAL_SPAN = datetime(2000, 1, 1, tzinfo=UTC), timedelta(days=7_305)  # twenty years
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class GoldenChoice:
    """What a package publishes: at most `count` training rows, as many generated rows, or none."""

    kind: Literal["rows", "synthetic", "none"] = "rows"
    count: int = MAX_GOLDEN_ROWS

    @property
    def text(self) -> str:
        """The choice as a spec writes it."""
        return f"rows {self.count}" if self.kind == "rows" else self.kind


DEFAULT_GOLDEN = GoldenChoice()


@dataclass(frozen=True)
class GoldenRows:
    """A pyarrow table of inputs to predict, whether the package publishes them, and training rows to try if it cannot."""

    table: Any
    is_published: bool = True
    trial: Any = None


def choose_golden(model: ModelSpec, dataset: DatasetSpec) -> GoldenChoice:
    """Return the choice of `release.golden`; by default `synthetic` if a feature is personal, else rows."""
    wanted = model.release.golden
    if wanted is None:
        wanted = "synthetic" if personal_inputs(model.features, dataset) else f"rows {MAX_GOLDEN_ROWS}"
    kind, _, count = wanted.partition(" ")
    if kind == "synthetic":
        return GoldenChoice("synthetic", SYNTHETIC_ROWS)
    return GoldenChoice("none", TRIAL_ROWS) if kind == "none" else GoldenChoice("rows", int(count))


def personal_inputs(names: Sequence[str], dataset: DatasetSpec) -> tuple[str, ...]:
    """Return those of the columns that the dataset's spec tags as personal data."""
    return tuple(name for name in names if name in dataset.columns and is_personal(dataset.columns[name]))


def make_golden_rows(
    data: Path, inputs: Sequence[ModelField], choice: GoldenChoice, columns: Mapping[str, ColumnSpec]
) -> GoldenRows:
    """Return the golden rows of a choice; `data` are the training rows, `columns` the dataset's rules."""
    if choice.kind == "rows":
        return GoldenRows(select_golden_rows(data, inputs, choice.count))
    trial = select_golden_rows(data, inputs, TRIAL_ROWS)
    if choice.kind == "none":
        return GoldenRows(trial, is_published=False)
    return GoldenRows(generate_rows(trial.schema, inputs, columns), trial=trial)


def read_golden_rows(path: Path, inputs: Sequence[ModelField]) -> GoldenRows | None:
    """Return the inputs of recorded golden rows; None when the package has none, or when they cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            if file.metadata.num_rows > MAX_GOLDEN_ROWS:
                return None
            return GoldenRows(file.read().select([field.name for field in inputs]).replace_schema_metadata(None))
    except (OSError, KeyError, pa.ArrowException):
        return None


def external_golden_rows(golden: GoldenRows, choice: GoldenChoice) -> GoldenRows:
    """Return the golden rows of a model whose code runs in another job: training rows, or none.

    That job must predict every row that it is given, and nothing can be tried again when generated rows make it fail.
    """
    return golden if choice.kind == "rows" else GoldenRows(golden.table.slice(0, 0), is_published=False)


def select_golden_rows(data: Path, inputs: Sequence[ModelField], limit: int = MAX_GOLDEN_ROWS) -> Any:
    """Return a pyarrow table of the inputs of at most `limit` training rows, evenly spaced."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(data) as file:  # not read_table, which imports pandas (0.5 s of CPU)
        names = [field.name for field in inputs]
        table = file.read(names).select(names)  # an error if one is missing
    count = min(limit, table.num_rows)
    at = np.unique(np.linspace(0, max(table.num_rows - 1, 0), count).round().astype(np.int64))
    rows = pa.Array.from_buffers(pa.int64(), len(at), [None, pa.py_buffer(at)])  # pa.array imports pandas, too
    return table.take(rows).replace_schema_metadata(None)


def generate_rows(schema: Any, inputs: Sequence[ModelField], columns: Mapping[str, ColumnSpec]) -> Any:
    """Return generated rows of a pyarrow schema: a pure function of the declared types, ranges and values.

    The same declaration gives the same rows in every process. A text without declared values is a made-up word.
    """
    import numpy as np
    import pyarrow as pa

    made = {}
    for index, field in enumerate(inputs):
        values = _generate_values(field.type, columns.get(field.name, ColumnSpec()), np.random.default_rng([7, index]))
        made[field.name] = _as_stored(values, schema.field(field.name).type)
    return pa.table(made, schema=pa.schema([schema.field(field.name) for field in inputs]))


def _as_stored(values: list[Any], type: Any) -> Any:
    """Return values as a pyarrow array of the type that training read; an integer beyond its range is its least or greatest."""
    import numpy as np
    import pyarrow as pa

    if pa.types.is_temporal(type):
        return pa.array(values, pa.timestamp("us", "UTC")).cast(type, safe=False)
    if pa.types.is_integer(type):
        ends = np.iinfo(type.to_pandas_dtype())
        return pa.array([min(max(int(value), ends.min), ends.max) for value in values], type)
    if pa.types.is_floating(type):
        return pa.array([float(value) for value in values], type)
    return pa.array(values).cast(type, safe=False)


def _generate_values(type: str, rule: ColumnSpec, random: Any) -> list[Any]:
    if declared := _declared_values(type, rule):
        return [declared[int(at)] for at in random.integers(0, len(declared), SYNTHETIC_ROWS)]
    if type == "string":
        return [f"word{int(at)}" for at in random.integers(0, 10, SYNTHETIC_ROWS)]
    if type == "boolean":
        return [bool(at) for at in random.integers(0, 2, SYNTHETIC_ROWS)]
    if type in ("date", "timestamp"):
        low, high = _time_range(rule)
        return [low + (high - low) * float(share) for share in random.random(SYNTHETIC_ROWS)]
    low_bound, high_bound = _number_range(rule)
    if type == "integer":
        return [int(low_bound + round((high_bound - low_bound) * float(at))) for at in random.random(SYNTHETIC_ROWS)]
    return [float(low_bound + (high_bound - low_bound) * float(share)) for share in random.random(SYNTHETIC_ROWS)]


def _declared_values(type: str, rule: ColumnSpec) -> list[Any]:
    """Return those of the declared values that are of the type: a column without a declared type may list others."""
    if type in ("date", "timestamp"):
        return [moment for value in rule.values or () if (moment := _moment(value)) is not None]
    kinds: dict[str, tuple[Any, ...]] = {
        "string": (str,),
        "boolean": (bool,),
        "integer": (int,),
        "number": (int, float),
    }
    return [
        value
        for value in rule.values or ()
        if isinstance(value, kinds.get(type, ())) and isinstance(value, bool) == (type == "boolean")
    ]


def _time_range(rule: ColumnSpec) -> tuple[datetime, datetime]:
    """Return the first and the last moment to generate: the declared bounds, or twenty years beside the one that is declared."""
    low, high = _moment(rule.min), _moment(rule.max)
    if low is None:
        low = _USUAL_START if high is None or high > _USUAL_START else high - min(_USUAL_SPAN, high - _FIRST)
    return low, low + min(_USUAL_SPAN, _LAST - low) if high is None else high


def _number_range(rule: ColumnSpec) -> tuple[float, float]:
    low = rule.min if isinstance(rule.min, int | float) else None
    high = rule.max if isinstance(rule.max, int | float) else None
    if low is None:
        low = 0 if high is None or high > 0 else high - 100
    return (low, low + 100 if high is None else high)


def _moment(bound: float | str | None) -> datetime | None:
    if not isinstance(bound, str):
        return None
    try:
        found = datetime.fromisoformat(bound)
    except ValueError:  # a listed value of a column without a declared type
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
