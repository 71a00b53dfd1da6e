"""The share of the training rows that says when a fit has to stop: divided as the dataset is, never of the holdout."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from mlops_ci.core.errors import Findings
from mlops_ci.data.sources.files import source_files
from mlops_ci.data.split import SplitSource, ValidationShare, write_split_files, write_training_rows
from mlops_ci.spec.spec_types import SplitSpec
from mlops_ci.spec.train_spec import VALIDATION_COLUMN

ROWS = "id,g,day,x,other,y\n" + "".join(
    f"{id},{id % 40},2026-01-{1 + id // 20:02d},{id % 7}.5,{id},{id % 2}\n" for id in range(400)
)
BY_TIME: dict[str, Any] = {"time": "day", "split": SplitSpec("time", 0.25)}


def marked(bench: Any, seed: int = 0, share: float = 0.2, text: str = ROWS, **spec: Any) -> Any:
    """Return the training rows with a column `held`, after comparing them with those of the split."""
    bench.csv(text)
    dataset = bench.dataset(**spec)
    source = SplitSource(bench.root, dataset, source_files(bench.root, dataset.spec.source))
    columns = ("x", "g", "day")
    path = write_training_rows(source, columns, "y", bench.root, order=("x",), validation=ValidationShare(share, seed))
    rows = pd.read_parquet(path).rename(columns={VALIDATION_COLUMN: "held"})
    both = write_split_files(source, columns, "y", bench.root, order=("x",), sides=("train",))
    pd.testing.assert_frame_equal(rows.drop(columns="held"), pd.read_parquet(both.train))
    return rows


@pytest.mark.parametrize("spec", [{"key": ("id",)}, {"key": ("id",), "group": "g"}, {}], ids=["key", "group", "rows"])
def test_a_share_is_marked_by_the_seed_and_a_group_is_on_one_side(spec: dict[str, Any], bench: Any) -> None:
    rows = marked(bench, **spec)
    assert 0.05 < rows["held"].mean() < 0.3
    identity = ["g"] if "group" in spec else ["id"] if "key" in spec else ["x", "g", "day", "y"]
    assert (rows.groupby(identity)["held"].nunique() == 1).all()
    assert marked(bench, **spec)["held"].tolist() == rows["held"].tolist()
    assert marked(bench, seed=1, **spec)["held"].tolist() != rows["held"].tolist()


def test_a_column_with_the_name_of_the_mark_is_refused(bench: Any) -> None:
    bench.csv(ROWS.replace("other", VALIDATION_COLUMN, 1))
    dataset = bench.dataset()
    source = SplitSource(bench.root, dataset, source_files(bench.root, dataset.spec.source))
    columns = ("x", VALIDATION_COLUMN)
    assert write_training_rows(source, columns, "y", bench.root, order=columns).is_file()
    with pytest.raises(Findings, match=VALIDATION_COLUMN) as caught:
        write_training_rows(source, columns, "y", bench.root, order=columns, validation=ValidationShare(0.2, 0))
    assert caught.value.diagnostics[0].id == "column-name-reserved"


def test_by_time_the_newest_training_rows_are_marked(bench: Any) -> None:
    """Given a split by time, when rows are marked, then no marked row is older than another one, and none is of the holdout."""
    rows = marked(bench, **BY_TIME)
    assert rows["day"].max() < pd.Timestamp("2026-01-16").date()
    held = rows["held"]
    assert rows["day"][held].min() > rows["day"][~held].max()
    assert held.mean() == pytest.approx(0.2)
