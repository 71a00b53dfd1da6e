"""A project with five models of two datasets, two of them trained by code, and one with a metric of its own."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.consumer import Consumer, home_of_ada
from tests.support.git_calls import git_in

HEAD = "apiVersion: mlops-ci/v1\nkind: {kind}\nmetadata: {{name: {name}}}\n"
PROJECT = HEAD.format(kind="Project", name="shop") + "spec: {}\n"
SHA = "3d3c42e5aac5ba805825da76410c181273ba90b1"
WORKFLOW = f"on: push\njobs:\n  gate:\n    uses: acme/mlops-ci/.github/workflows/gate.yml@{SHA}\n"


def dataset(name: str, source: str, more: str = "") -> str:
    spec = f"spec:\n  source: {{type: csv, path: '{source}'}}\n  key: [id]\n{more}"
    return HEAD.format(kind="Dataset", name=name) + spec


def model(
    name: str, data: str, train: str = "estimator: sklearn.linear_model.LogisticRegression", more: str = ""
) -> str:
    spec = f"spec:\n  task: binary-classification\n  dataset: {data}\n  target: y\n  features: [x]\n  train: {{{train}}}\n{more}"
    return HEAD.format(kind="Model", name=name) + spec


CUSTOM = "  evaluate:\n    custom: {profit: {entrypoint: metrics/profit.py:profit, better: higher}}\n"
FILES = {
    "mlops.yaml": PROJECT,
    "specs/flights.yaml": dataset("flights", "data/flights/*.csv"),
    "specs/orders.yaml": dataset("orders", "data/orders.csv"),
    "specs/unused.yaml": dataset("unused", "data/unused.csv"),
    "specs/delay.yaml": model("delay", "flights"),
    "specs/cancel.yaml": model("cancel", "flights"),
    "specs/churn.yaml": model("churn", "orders", "entrypoint: code/churn.py:build"),
    "specs/basket.yaml": model("basket", "orders", "entrypoint: code/basket.py:build"),
    "specs/fraud.yaml": model("fraud", "orders", more=CUSTOM),
    "data/flights/2023.csv": "id,x,y\n1,1,0\n",
    "data/flights/2024.csv": "id,x,y\n2,1,0\n",
    "data/orders.csv": "id,x,y\n1,1,0\n",
    "data/unused.csv": "id,x,y\n1,1,0\n",
    "code/churn.py": "import numpy\nfrom shared import tools\n\ndef build():\n    return tools\n",
    "code/basket.py": "def build():\n    return None\n",
    "shared/tools.py": "from . import deeper\n",
    "shared/deeper.py": "",
    "metrics/profit.py": "import costs\n\ndef profit(y, p):\n    return p\n",
    "metrics/costs.py": "",
    "requirements.txt": "scikit-learn==1.6.0\n",
    ".github/workflows/gate.yml": WORKFLOW,
    "README.md": "hello\n",
}
ALL = ["basket", "cancel", "churn", "delay", "fraud"]


def write(root: Path, files: dict[str, str]) -> None:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)


def make(folder: Path, files: dict[str, str], inside: str = "") -> Consumer:
    """A repository with an origin, whose main has the files; a branch `change` is checked out."""
    git_in(folder)("init", "--quiet", "--bare", "origin.git")
    git_in(folder)("clone", "--quiet", "origin.git", "clone")
    consumer = Consumer(folder / "clone" / inside, folder / "origin.git")
    write(folder / "clone" / inside, files)
    consumer.commit("start")
    consumer.git("push", "--quiet", "--set-upstream", "origin", "HEAD")
    consumer.git("remote", "set-head", "origin", "--auto")
    consumer.git("switch", "--quiet", "--create", "change")
    return consumer


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with home_of_ada(tmp_path_factory):
        folder = tmp_path_factory.mktemp("shop")
        make(folder, FILES)
    return folder


@pytest.fixture
def shop(made: Path, tmp_path: Path) -> Consumer:
    """Five models of two datasets, two of them trained by code, and one with a metric of its own."""
    return copied(made, tmp_path / "world")


def copied(made: Path, to: Path) -> Consumer:
    shutil.copytree(made, to, symlinks=True)
    consumer = Consumer(to / "clone", to / "origin.git")
    consumer.git("remote", "set-url", "origin", str(consumer.origin))
    return consumer


def record(consumer: Consumer, *args: str) -> dict[str, Any]:
    found: dict[str, Any] = consumer.answer("ci", "affected", *args)["record"]
    return found


def names(consumer: Consumer, *args: str) -> list[str]:
    return sorted(one["name"] for one in record(consumer, *args)["models"])


def why(consumer: Consumer, name: str) -> list[str]:
    found = record(consumer)
    return [
        reason for one in (*found["models"], *found["datasets"]) if one["name"] == name for reason in one["reasons"]
    ]


def change(consumer: Consumer, files: dict[str, str | None]) -> None:
    """Write files (None: delete them) and commit."""
    for path, content in files.items():
        (consumer.root / path).parent.mkdir(parents=True, exist_ok=True)
        (consumer.root / path).unlink(missing_ok=True)
        if content is not None:
            (consumer.root / path).write_text(content)
    consumer.commit("change")
