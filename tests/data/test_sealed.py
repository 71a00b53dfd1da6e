"""A holdout with a source of its own: what is learnt does not depend on it, and what both have is found."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mlops_ci.core.errors import Findings
from mlops_ci.data.leakage import Leaks, leak_findings
from mlops_ci.data.sealed_holdout import SealedHoldout
from mlops_ci.data.sources.files import source_files
from mlops_ci.data.split import SplitSource, SplitSummary, split_dataset, target_findings, write_split_files
from mlops_ci.spec.spec_types import SealedSource, SourceSpec, SplitSpec

SEALED = SplitSpec("sealed", source=SealedSource("csv", path="held/rows.csv"))


def table(ids: range, x: str = "{}.5", day: str = "2026-01-{:02}") -> str:
    rows = (f"{id},{x.format(id)},{day.format(id % 28 + 1)},{id % 2}\n" for id in ids)
    return "id,x,day,y\n" + "".join(rows)


def held_by(bench: Any, name: str = "held/rows.csv", type: Any = "csv") -> SealedHoldout:
    source = SourceSpec(type, name)
    return SealedHoldout(bench.root, source_files(bench.root, source), source)


def sides_of(bench: Any, held: SealedHoldout | None, **spec: Any) -> SplitSummary:
    dataset = bench.dataset(**{"key": ("id",), "split": SEALED, **spec})
    source = SplitSource(bench.root, dataset, source_files(bench.root, dataset.spec.source), held)
    return split_dataset(source, ("x", "day"), "y", bench.cache)


def written(bench: Any, held: SealedHoldout | None, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    folder.mkdir()
    dataset = bench.dataset(key=("id",), split=SEALED)
    files = source_files(bench.root, dataset.spec.source)
    sides = write_split_files(SplitSource(bench.root, dataset, files, held), ("x", "day"), "y", folder)
    return pd.read_parquet(sides.train), pd.read_parquet(sides.holdout)


def test_without_its_holdout_every_row_is_to_learn_from_and_nothing_tells_of_the_others(bench: Any) -> None:
    bench.csv(table(range(40)))
    sides = sides_of(bench, None)
    assert (sides.split.by, sides.split.train_rows, sides.split.fraction) == ("sealed", 40, 0.0)
    assert (sides.split.holdout_rows, sides.split.holdout_digest) == (0, "")
    assert sides.leaks == Leaks()
    assert target_findings(sides, "y", "binary-classification") == ()


def test_what_is_learnt_is_the_same_whether_the_holdout_is_open_or_not(bench: Any, tmp_path: Path) -> None:
    """Given a holdout whose numbers and days look like other types, when it is open, then the training rows decide."""
    bench.csv(table(range(40)))
    bench.csv(table(range(50, 70), x="{}"), "held/rows.csv")
    closed, opened = sides_of(bench, None), sides_of(bench, held_by(bench))
    assert opened.split.train_digest == closed.split.train_digest
    assert (opened.split.train_rows, opened.split.holdout_rows) == (40, 20)
    train, none = written(bench, None, tmp_path / "closed")
    same, holdout = written(bench, held_by(bench), tmp_path / "opened")
    pd.testing.assert_frame_equal(train, same)
    assert (len(train), len(none), list(holdout["id"])) == (40, 0, [*range(50, 70)])
    assert list(holdout.dtypes) == list(train.dtypes) == list(none.dtypes)


def test_another_holdout_is_another_digest_of_that_side_alone(bench: Any, tmp_path: Path) -> None:
    bench = type(bench)(bench.root, tmp_path / "cache")
    bench.csv(table(range(40)))
    bench.csv(table(range(50, 70)), "held/rows.csv")
    first = sides_of(bench, held_by(bench)).split
    bench.csv(table(range(50, 71)), "held/rows.csv")
    second = sides_of(bench, held_by(bench)).split
    assert first.train_digest == second.train_digest
    assert first.holdout_digest != second.holdout_digest
    assert sides_of(bench, None).split.holdout_digest == "", "what is known of an open one is not told of a closed one"


def test_the_two_sources_may_be_of_different_formats(bench: Any) -> None:
    bench.csv(table(range(40)))
    days = pd.to_datetime(["2026-01-02"] * 10).date
    bench.parquet({"id": range(50, 60), "x": range(10), "day": days, "y": [0, 1] * 5}, "held/rows.parquet")
    sides = sides_of(bench, held_by(bench, "held/rows.parquet", "parquet"))
    assert (sides.split.train_rows, sides.split.holdout_rows) == (40, 10)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,x,day\n50,1.5,2026-01-01\n", "column 'y' is integer in the training rows, but missing in the sealed holdout"),
        ("id,x,day,y,z\n50,1.5,2026-01-01,1,1\n", "column 'z' is missing in the training rows, but integer"),
        ("id,x,day,y\n50,much,2026-01-01,1\n", "column 'x' is number in the training rows, but string"),
    ],
)  # fmt: skip
def test_a_holdout_with_other_columns_is_refused(bench: Any, text: str, said: str) -> None:
    bench.csv(table(range(40)))
    bench.csv(text, "held/rows.csv")
    with pytest.raises(Findings) as caught:
        sides_of(bench, held_by(bench))
    (found,) = caught.value.diagnostics
    assert (found.id, found.location.path if found.location else None) == ("data-files-differ", "spec/split/source")
    assert found.message.startswith(said)


def test_a_holdout_of_one_class_is_refused_once_it_is_open(bench: Any) -> None:
    bench.csv(table(range(40)))
    bench.csv("id,x,day,y\n50,1.5,2026-01-01,1\n", "held/rows.csv")
    (found,) = target_findings(sides_of(bench, held_by(bench)), "y", "binary-classification")
    assert found.message == "the target 'y' has only one class on the holdout side"


def test_keys_and_rows_of_both_sources_are_found_and_no_key_of_the_holdout_alone_is_told(bench: Any) -> None:
    bench.csv(table(range(400)))
    bench.csv(table(range(390, 410)), "held/rows.csv")
    leaks = sides_of(bench, held_by(bench)).leaks
    assert (leaks.rows_with_shared_key, leaks.key_examples) == (10, ("id=390", "id=391"))
    assert leaks.copies == 10
    bench.csv(table(range(300, 310)).replace("\n3", "\n9"), "held/rows.csv")
    sides = sides_of(bench, held_by(bench))
    assert (sides.leaks.rows_with_shared_key, sides.leaks.copies) == (0, 10)
    (found,) = leak_findings(sides.leaks, bench.dataset(key=("id",), split=SEALED), 10)
    assert (found.id, found.severity) == ("split-leak-rows", "error")
    assert found.message.endswith("a copy on the training side: training row id=300; training row id=301")


def test_without_a_key_whole_rows_are_compared(bench: Any) -> None:
    bench.csv(table(range(400)))
    bench.csv(table(range(390, 410)), "held/rows.csv")
    leaks = sides_of(bench, held_by(bench), key=()).leaks
    assert (leaks.rows_with_shared_key, leaks.rows_with_equal_content, leaks.copies, leaks.row_examples) == (
        0,
        10,
        10,
        (),
    )


def test_the_order_of_a_sealed_holdout_says_nothing_of_its_labels(bench: Any, tmp_path: Path) -> None:
    """Given rows without a key, when somebody who knows the features tries both labels, then neither explains the order."""
    bench.csv("x,y\n" + "".join(f"{at},{at % 2}\n" for at in range(40)))
    labels = [at * 7919 % 101 % 2 for at in range(60)]
    bench.csv("x,y\n" + "".join(f"{1000 + at},{label}\n" for at, label in enumerate(labels)), "held/rows.csv")
    other = [1 - label for label in labels]
    orders = []
    for number, values in enumerate((labels, other)):
        text = "".join(f"{1000 + at},{label}\n" for at, label in enumerate(values))
        bench.csv("x,y\n" + text, "held/rows.csv")
        dataset, folder = bench.dataset(key=(), split=SEALED), tmp_path / str(number)
        folder.mkdir()
        files = source_files(bench.root, dataset.spec.source)
        source = SplitSource(bench.root, dataset, files, held_by(bench))
        sides = write_split_files(source, ("x",), "y", folder, order=("x",))
        orders.append(list(pd.read_parquet(sides.holdout)["x"]))
    assert orders[0] == orders[1] != sorted(orders[0])


def test_rows_that_are_equal_but_for_the_label_are_not_sorted_by_it(bench: Any, tmp_path: Path) -> None:
    """Given a constant feature, when rows are written, then those of one label do not follow each other."""
    bench.csv("x,z,y\n" + "".join(f"1,{at},{at % 2}\n" for at in range(40)))
    bench.csv("x,z,y\n" + "".join(f"1,{at},{at % 2}\n" for at in range(50, 90)), "held/rows.csv")
    dataset = bench.dataset(key=(), split=SEALED)
    files = source_files(bench.root, dataset.spec.source)
    source = SplitSource(bench.root, dataset, files, held_by(bench))
    sides = write_split_files(source, ("x", "z"), "y", tmp_path, order=("x",))
    labels = list(pd.read_parquet(sides.holdout)["y"])
    assert sum(one != other for one, other in pairwise(labels)) > 5
