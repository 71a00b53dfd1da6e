"""One model whose columns have every awkward name, through the verbs that read data, models and records."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from tests.support.awkward_names import AWKWARD_NAMES
from tests.support.consumer import Consumer
from tests.support.git_calls import git_in

ROWS = 800
KEY, TARGET, GROUP, SLICE, WEIGHTS = "key.id", 'target "y"', "group by", "slice*", "w%"
LABELS = ("no, '*'", 'yes: "1"')


def table() -> pa.Table:
    random = Random(3)  # noqa: S311 - data, no secret
    truth = [random.random() < 0.5 for _ in range(ROWS)]
    columns: dict[str, list[Any]] = {
        name: [random.gauss(0.6 * value * (at % 16 == 0), 1) for value in truth]
        for at, name in enumerate(AWKWARD_NAMES)
    }
    columns[KEY] = list(range(ROWS))
    columns[TARGET] = [LABELS[value] for value in truth]
    columns[GROUP] = [f"g.{random.randrange(400)}" for _ in range(ROWS)]
    columns[SLICE] = [random.choice(["a.b", "*", "it's"]) for _ in range(ROWS)]
    columns[WEIGHTS] = [random.uniform(0.5, 1.5) for _ in range(ROWS)]
    return pa.table(columns)


def write_spec(folder: Path, kind: str, name: str, spec: dict[str, Any]) -> None:
    document = {"apiVersion": "mlops-ci/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    path = folder / ("mlops.yaml" if kind == "Project" else f"{kind.lower()}.yaml")
    path.write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False), encoding="utf-8")


@pytest.fixture
def consumer(tmp_path: Path) -> Consumer:
    root = tmp_path / "names"
    root.mkdir()
    git_in(root)("init", "--quiet", "--bare", "origin.git")
    git_in(root)("clone", "--quiet", "origin.git", "clone")
    made = Consumer(root / "clone", root / "origin.git")
    pq.write_table(table(), made.root / "rows.parquet")
    write_spec(made.root, "Project", "names", {})
    checks = [
        {"type": "unique", "columns": [KEY, "*"]},
        {"type": "custom-sql", "sql": '"a.b" > -100 AND "*" > -100 AND "rows with these values" > -100'},
    ]
    columns = {name: {"type": "number", "nulls": {"max": 0}, "min": -100} for name in AWKWARD_NAMES}
    dataset = {"source": {"type": "parquet", "path": "rows.parquet"}, "key": [KEY], "group": GROUP, "columns": columns}
    write_spec(made.root, "Dataset", "rows", dataset | {"checks": checks, "split": {"holdout": 0.5}})
    where = "column('a.b') > 0 and not missing(column('select')) or column('*') < 0"
    model = {
        "task": "binary-classification",
        "dataset": "rows",
        "target": TARGET,
        "positive": LABELS[1],
        "features": [*AWKWARD_NAMES, SLICE],
        "train": {"estimator": "sklearn.linear_model.LogisticRegression"},
        "evaluate": {"slices": [SLICE, {"name": "where", "where": where}], "weights": WEIGHTS},
    }
    write_spec(made.root, "Model", "named", model)
    made.commit("start")
    made.git("push", "--quiet", "--set-upstream", "origin", "main")
    return made


@pytest.mark.slow
def test_every_verb_takes_every_name(consumer: Consumer, tmp_path: Path) -> None:
    consumer.ok("validate")
    consumer.ok("check")
    gated = consumer.answer("gate")
    assert gated["exitCode"] == 0, gated["diagnostics"]
    consumer.ok("release", "named")
    for verb in ("show", "history", "audit", "reproduce"):
        consumer.ok(*((verb, "named") if verb in ("reproduce", "show") else (verb,)))
    consumer.ok("diff", "named@1.0.0", "named@1.0.0")
    consumer.ok("fetch", "named", str(tmp_path / "fetched"))
    consumer.ok("predict", "named", "rows.parquet", "--out", "scores.parquet")
    scores = pq.read_table(consumer.root / "scores.parquet")
    assert scores.num_rows == ROWS
    assert KEY in scores.column_names


@pytest.mark.slow
def test_specs_for_such_a_table_are_written_and_right(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    git_in(tmp_path / "home")("init", "--quiet")
    consumer = Consumer(tmp_path / "home", tmp_path)
    pq.write_table(table().drop_columns([WEIGHTS]), consumer.root / "rows.parquet")
    consumer.ok("init", ".", "--from", "rows.parquet", "--target", TARGET)
    consumer.ok("validate")
    consumer.ok("check")
