"""`init` in every kind of folder, and consumers that were made by it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.consumer import Consumer
from tests.support.git_calls import git_in


def here(folder: Path) -> Consumer:
    return Consumer(folder, folder)


def test_init_never_overwrites(tmp_path: Path) -> None:
    mine = {"README.md": "mine\n", "models/diagnosis.yaml": "# mine\n", "noxfile.py": "", ".gitignore": "x\n"}
    for path, text in mine.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    report = here(tmp_path).answer("init", ".", "--template", "minimal")["record"]
    assert {path: (tmp_path / path).read_text() for path in mine} == mine
    assert set(report["kept"]) == set(mine)
    assert (tmp_path / "data/patients.yaml").is_file()


def test_init_does_not_take_another_table_for_the_one_it_has_described(tmp_path: Path) -> None:
    """Given a spec for orders.csv, when a model is made from orders.tsv, then it is refused and nothing is written."""
    (tmp_path / "orders.csv").write_text("id,a,y\n" + "".join(f"{n},{n % 7},{n % 2}\n" for n in range(400)))
    (tmp_path / "orders.tsv").write_text("id\ta\tz\n" + "".join(f"{n}\t{n % 7}\t{n % 3}\n" for n in range(400)))
    consumer = here(tmp_path)
    consumer.ok("init", "--from", "orders.csv", "--target", "y")
    consumer.ok("init", "--from", "orders.csv", "--target", "a")  # a second model on the same table
    before = sorted(path.name for path in (tmp_path / "specs").iterdir())
    answer = consumer.answer("init", "--from", "orders.tsv", "--target", "z", code=2)
    (found,) = answer["diagnostics"]
    assert found["id"] == "init-table"
    assert "specs/orders.dataset.yaml already exists and describes 'orders.csv', not 'orders.tsv'" in found["message"]
    (tmp_path / "returns.tsv").write_text((tmp_path / "orders.csv").read_text().replace(",", "\t"))
    (found,) = consumer.answer("init", "--from", "returns.tsv", "--target", "y", code=2)["diagnostics"]
    assert "specs/y.model.yaml already exists and describes 'orders', not 'returns'" in found["message"]
    assert sorted(path.name for path in (tmp_path / "specs").iterdir()) == before


def test_init_does_not_write_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project/mlops.yaml").symlink_to(tmp_path / "elsewhere.yaml")
    here(tmp_path / "project").ok("init")
    assert not (tmp_path / "elsewhere.yaml").exists()


def test_init_makes_a_repository_and_a_second_time_changes_nothing(tmp_path: Path) -> None:
    consumer = here(tmp_path)
    consumer.ok("init", "--template", "minimal")
    consumer.commit()
    assert consumer.answer("init", "--template", "minimal")["record"]["written"] == []
    assert consumer.git("status", "--porcelain") == ""


def test_a_clone_gets_the_registrys_refs_with_every_fetch(tmp_path: Path) -> None:
    git_in(tmp_path)("init", "--quiet", "--bare", "origin.git")
    git_in(tmp_path)("clone", "--quiet", "origin.git", "clone")
    consumer = here(tmp_path / "clone")
    consumer.ok("init")
    consumer.ok("init")
    assert consumer.git("config", "--get-all", "remote.origin.fetch").splitlines() == [
        "+refs/heads/*:refs/remotes/origin/*",
        "refs/mlops/log/*:refs/mlops/log/*",
        "refs/mlops/releases/*:refs/mlops/releases/*",
        "refs/mlops/approvals/*:refs/mlops/approvals/*",
        "refs/mlops/ledger/*:refs/mlops/ledger/*",
    ]


@pytest.mark.parametrize(
    ("args", "id"),
    [
        (["--template", "minimal", "--from", "x.csv"], "init-options"),
        (["--target", "y"], "init-options"),
        (["--from", "nothing.csv", "--target", "y"], "init-table"),
    ],
)
def test_options_that_do_not_fit_are_usage_problems(tmp_path: Path, args: list[str], id: str) -> None:
    assert here(tmp_path).answer("init", *args, code=2)["diagnostics"][0]["id"] == id


def test_a_table_becomes_a_project_that_passes(tmp_path: Path) -> None:
    """Given a CSV outside the new folder, when init writes specs for it, then validate and gate pass."""
    import numpy as np
    import pandas as pd

    random = np.random.default_rng(0)
    size = random.normal(size=600)
    frame = pd.DataFrame(
        {
            "customer id": range(600),
            "size": size,
            "region": random.choice(["north", "south", "west"], 600),
            "y": (size + random.normal(scale=0.7, size=600) > 0).astype(int),
        }
    )
    frame.to_csv(tmp_path / "churn.csv", index=False)
    (tmp_path / "project").mkdir()
    consumer = here(tmp_path / "project")
    consumer.ok("init", ".", "--from", "../churn.csv", "--target", "y")
    consumer.ok("validate")
    assert consumer.answer("gate")["record"]["verdict"] == "pass"


def test_consumers_run_the_gate_as_a_nox_session(gated: Consumer, tmp_path: Path) -> None:
    """Given two repositories that init made, when `nox -s gate` runs in them, then it is the same gate."""
    import numpy as np
    import pandas as pd

    random = np.random.default_rng(1)
    frame = pd.DataFrame({"a": random.normal(size=400), "b": random.normal(size=400)})
    frame["price"] = 3 * frame.a + random.normal(scale=0.3, size=400)
    frame.to_csv(tmp_path / "houses.csv", index=False)
    other = here(tmp_path)
    other.ok("init", ".", "--from", "houses.csv", "--target", "price")
    for consumer in (gated, other):
        consumer.ok("validate")
        consumer.ok("gate")
        done = subprocess.run(
            [sys.executable, "-m", "nox", "-s", "gate"], cwd=consumer.root, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "gate: pass (0 models fitted)" in done.stdout


def test_what_is_wrong_with_a_table_comes_before_the_gate(tmp_path: Path) -> None:
    """Given a table of which only one class can reach the holdout, then the next step is not the gate that would fail."""
    import pandas as pd

    pd.DataFrame({"x": [1, 2] * 100, "y": [0, 1] * 100}).to_csv(tmp_path / "two.csv", index=False)
    answer = here(tmp_path).answer("init", "my project", "--from", "two.csv", "--target", "y")
    assert [one["id"] for one in answer["diagnostics"] if one["severity"] == "error"] != []
    assert answer["record"]["next"][:2] == ["cd 'my project'", "correct the errors above in the data or the specs"]
