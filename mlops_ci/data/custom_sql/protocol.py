"""The job of the process that evaluates `custom-sql` checks, and its answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlops_ci.core.records.base import FileDigest, Scalar
from mlops_ci.spec.spec_types import ColumnSpec, SourceSpec

ANSWERS_FILE = "answers.jsonl"  # a line for each check that has been evaluated


@dataclass(frozen=True)
class CustomSqlCheck:
    """One check: its index in the spec, its expression, the accepted share of failing rows, and its limits."""

    index: int
    sql: str
    max_failing_share: float
    max_seconds: float
    max_megabytes: int


@dataclass(frozen=True)
class CustomSqlJob:
    """The files to read, in the form that engines read, what the spec says of their columns, and the checks.

    `seconds` is the time that all checks may take together. `spill` is the folder for what does not fit into memory.
    `columns` has the data's columns of the spec.
    """

    root: str
    files: tuple[FileDigest, ...]
    source: SourceSpec
    columns: Mapping[str, ColumnSpec]
    key: tuple[str, ...]
    pii: tuple[str, ...]
    checks: tuple[CustomSqlCheck, ...]
    seconds: float
    spill: str


@dataclass(frozen=True)
class CustomSqlAnswer:
    """The result of one check: how many of the rows fail it, and the first of them; or why it has no result.

    `refusal`: the expression cannot be evaluated. `exceeded`: the limit that stopped it, such as `30 s`. `seconds`: the time
    that it took.
    """

    index: int
    rows: int = 0
    failing: int = 0
    samples: tuple[Mapping[str, Scalar], ...] = ()
    refusal: str | None = None
    exceeded: str | None = None
    seconds: float = 0.0
