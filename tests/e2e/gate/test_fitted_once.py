"""What was fitted is found again: after a kill, a refusal or a lost race. Own code leaves a mark each time that it is fitted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mlops_ci.cli.main import run_command_line
from mlops_ci.registry import kept_fits
from mlops_ci.repository.git import find_repository
from tests.support.consumer import Consumer, copy_of, edit
from tests.support.git_calls import git_in

SPEC = "models/diagnosis.yaml"
LIBRARY = "estimator: sklearn.linear_model.LogisticRegression\n    params: {max_iter: 1000}"
OWN = """from sklearn.naive_bayes import GaussianNB


class Marked(GaussianNB):
    def fit(self, X, y):
        with open({marks!r}, "a") as file:
            file.write("fitted\\n")
        return super().fit(X, y)


def build():
    return Marked()
"""


class Marks:
    """The file in which own code notes each of its fits."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __len__(self) -> int:
        return len(self.path.read_text().splitlines()) if self.path.exists() else 0


@pytest.fixture
def marks(gated: Consumer, tmp_path: Path) -> Marks:
    """Given a model with code of its own, of a type that its spec does not trust."""
    found = Marks(tmp_path / "marks.txt")
    (gated.root / "models" / "own.py").write_text(OWN.format(marks=str(found.path)))
    edit(gated, SPEC, LIBRARY, "entrypoint: models/own.py:build")
    return found


def kept(consumer: Consumer) -> list[str]:
    repo = find_repository(consumer.root)
    assert repo is not None
    return sorted(path.name for path in kept_fits.fits_folder(repo).rglob("*.json"))


def killed_before(consumer: Consumer, write: int, *argv: str) -> list[str]:
    """Kill -9 a command before a write, and give the first word of each line that it told until then."""
    command = [sys.executable, "-m", "tests.support.killed", str(write), *argv, "-C", str(consumer.root)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[3])
    assert done.returncode == -9, done.stdout + done.stderr
    return [line.split()[0] for line in done.stdout.splitlines()]


def gate_of(consumer: Consumer, code: int = 0) -> tuple[str, int, list[str]]:
    """The verdict, how many models were fitted, and the findings that are errors."""
    answer = consumer.answer("gate", code=code)
    errors = [one["id"] for one in answer["diagnostics"] if one["severity"] == "error"]
    return answer["record"]["verdict"], answer["record"]["fits"], errors


def test_a_refused_model_is_not_fitted_again_when_its_spec_allows_it(gated: Consumer, marks: Marks) -> None:
    assert gate_of(gated, code=1) == ("fail", 1, ["model-types-untrusted"])  # that it was fitted is not hidden
    assert len(kept(gated)) == 1
    edit(gated, SPEC, "entrypoint: models/own.py:build", "entrypoint: models/own.py:build\n    trusted: [own.Marked]")
    edit(gated, "mlops.yaml", "spec:\n", "spec:\n  storeLimitMb: 0\n")
    assert gate_of(gated, code=1) == ("fail", 0, ["model-file-too-large"] * 6)
    edit(gated, "mlops.yaml", "  storeLimitMb: 0\n", "")
    assert gate_of(gated) == ("pass", 0, [])
    assert (len(marks), kept(gated)) == (1, [])  # the run holds what the clone kept


def test_a_gate_that_is_killed_has_stored_what_it_fitted(gated: Consumer) -> None:
    """Given two models, when the gate is killed while it stores the second, then neither is fitted again."""
    other = (gated.root / SPEC).read_text().replace("name: diagnosis", "name: second").replace("seed: 7", "seed: 8")
    (gated.root / "models" / "second.yaml").write_text(other)
    edit(gated, SPEC, "max_iter: 1000", "max_iter: 1001")
    told = killed_before(gated, 5, "gate")
    assert told == ["keep", "store", "refs", "remove", "keep", "store"]  # the last one was not done
    assert len(kept(gated)) == 1
    assert gate_of(gated) == ("pass", 0, [])
    assert kept(gated) == []


@pytest.mark.slow
@pytest.mark.parametrize("write", [1, 4])
def test_whenever_a_gate_is_killed_after_the_fit_nothing_is_fitted_twice(
    gated: Consumer, marks: Marks, write: int
) -> None:
    edit(gated, SPEC, "entrypoint: models/own.py:build", "entrypoint: models/own.py:build\n    trusted: [own.Marked]")
    killed_before(gated, write, "gate")
    assert len(marks) == 1
    assert (gate_of(gated)[1], len(marks)) == (0, 1)


def test_a_dry_run_stores_nothing_and_tells_all_that_a_real_run_would(gated: Consumer) -> None:
    edit(gated, SPEC, "max_iter: 1000", "max_iter: 1002")
    before = gated.git("for-each-ref")
    plan = gated.answer("gate", "--dry-run")["plan"]
    assert [line.split()[0] for line in plan] == ["keep", "store", "refs", "remove", "store"]
    assert (gated.git("for-each-ref"), kept(gated)) == (before, [])
    told: list[str] = []
    assert run_command_line(["gate", "-C", str(gated.root)], told.append) == 0
    assert [line.split()[0] for line in told if not line.startswith(("training", "comparing"))] == [
        line.split()[0] for line in plan
    ]


def test_the_run_that_another_command_stored_first_is_the_one_that_counts(gated: Consumer, tmp_path: Path) -> None:
    edit(gated, SPEC, "max_iter: 1000", "max_iter: 1003")
    other = copy_of(gated, tmp_path / "other")
    other.answer("train")
    (ref, oid) = next(
        line.split() for line in other.git("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
        if "/runs/" in line and line.split()[0] not in gated.git("for-each-ref")
    )  # fmt: skip

    def store_first(line: str) -> None:
        if line.startswith(f"store    {ref} "):
            git_in(gated.root)("fetch", "--quiet", str(other.root), f"{ref}:{ref}")

    assert run_command_line(["gate", "-C", str(gated.root)], store_first) == 0
    assert gated.git("rev-parse", ref).strip() == oid
