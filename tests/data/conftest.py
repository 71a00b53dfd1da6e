from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mlops_ci.core.diagnostics import Diagnostic, Location
from mlops_ci.core.digest import digest_json
from mlops_ci.core.records.base import ProjectRef
from mlops_ci.core.records.training_run import CheckResult, DatasetSnapshot
from mlops_ci.data.content_digest import content_digests
from mlops_ci.data.engines.duckdb import open_table
from mlops_ci.data.snapshot import take_snapshot
from mlops_ci.data.sources.table import open_source
from mlops_ci.spec.spec_types import DatasetSpec, SourceSpec

PROJECT = ProjectRef("shop", ".")

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Dataset:
    """What the data layer needs of a loaded spec; a place is drawn as its pointer."""

    spec: DatasetSpec
    name: str = "flights"
    kind: str = "Dataset"

    @property
    def digest(self) -> str:
        return digest_json(repr(self.spec))

    def locate(self, *pointer: str | int, key: bool = False) -> Location:
        return Location("/".join(map(str, pointer)) + ("#key" if key else ""), 1)


@dataclass(frozen=True)
class Bench:
    """A repository with data files, and what a snapshot of them says."""

    root: Path
    cache: Path | None = None
    source: SourceSpec = field(default_factory=lambda: SourceSpec("csv", "data/*.csv"))

    def csv(self, text: str | bytes, name: str = "data/rows.csv") -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def parquet(self, columns: Mapping[str, Sequence[Any] | Any], name: str = "data/rows.parquet") -> Path:
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(dict(columns)), path)
        return path

    def dataset(self, **spec: Any) -> Any:
        return Dataset(DatasetSpec(**{"source": self.source, **spec}))

    def snapshot(self, now: datetime = NOW, **spec: Any) -> tuple[DatasetSnapshot, tuple[Diagnostic, ...]]:
        """The snapshot and its findings, but for the warning that there is no key: most tables here need none."""
        record, findings = take_snapshot(self.root, self.dataset(**spec), now, self.cache, PROJECT)
        return record, tuple(found for found in findings if found.id != "split-without-key")

    def content(self, **spec: Any) -> tuple[int, str]:
        """The number of rows, and the digest of their content."""
        dataset = self.dataset(**spec).spec
        with open_table(self.root, open_source(dataset.source).resolve(self.root), dataset) as table:
            (digest,) = content_digests(table.connection, "cells", table.types).values()
            return digest

    def ids(self, **spec: Any) -> list[str]:
        return [found.id for found in self.snapshot(**spec)[1]]

    def check(self, name: str, **spec: Any) -> CheckResult:
        (result,) = [check for check in self.snapshot(**spec)[0].checks if check.check == name]
        return result


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "repo")


@pytest.fixture
def benches(tmp_path: Path) -> Callable[[str], Bench]:
    return lambda name: Bench(tmp_path / name)


@pytest.fixture
def parquet_bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "repo", source=SourceSpec("parquet", "data/*.parquet"))
