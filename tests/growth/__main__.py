"""Measures what evaluations, releases and deployments add to a repository, and writes docs/growth.md: `python -m tests.growth`."""

from __future__ import annotations

import datetime as dt
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mlops_ci.core.results.impact import GateJobs, total_gate_jobs
from tests.support.consumer import Consumer, edit, make_consumer
from tests.support.git_calls import git_in
from tests.support.toolkit import ROOT

PAGE = ROOT / "docs" / "growth.md"
REPEATS = 5
MODEL = "models/diagnosis.yaml"
# a model's year: evaluated changes, and what became of them
EVALUATED, RELEASED, DEPLOYED, ROLLED_BACK = 150, 25, 50, 2
MODELS = 3  # of a team
KEPT = 90 / 365  # the share of a year's runs that `gc --keep 90d` leaves
TEAMS = (1, 30)


@dataclass(frozen=True)
class Size:
    """What a host stores: bytes of packed objects, and the number of refs."""

    packed: float
    refs: float

    def __sub__(self, other: Size) -> Size:
        return Size(self.packed - other.packed, self.refs - other.refs)

    def __add__(self, other: Size) -> Size:
        return Size(self.packed + other.packed, self.refs + other.refs)

    def __mul__(self, number: float) -> Size:
        return Size(self.packed * number, self.refs * number)


def main() -> None:
    """Measure each kind of step on the template `minimal`, and write the page."""
    with tempfile.TemporaryDirectory(prefix="mlops-ci-growth-") as folder:
        _use_own_git_configuration(Path(folder))
        consumer = make_consumer(Path(folder, "world"), "minimal")
        _accept_equal_models(consumer)
        consumer.ok("gate")
        start = stored_size(consumer, Path(folder, "start.git"))
        steps: dict[str, Size] = {}
        before = start
        for name, step in STEPS.items():
            for at in range(REPEATS):
                step(consumer, at)
            after = stored_size(consumer, Path(folder, f"{len(steps)}.git"))
            steps[name] = (after - before) * (1 / REPEATS)
            before = after
    PAGE.write_text("\n".join(_page(start, steps)) + "\n", encoding="utf-8")


def _use_own_git_configuration(home: Path) -> None:
    settings = "[user]\n name = Ada\n email = ada@example.org\n[init]\n defaultBranch = main\n"
    (home / ".gitconfig").write_text(settings)
    os.environ.update(HOME=str(home), GIT_CONFIG_NOSYSTEM="1")


def _accept_equal_models(consumer: Consumer) -> None:
    spec = consumer.root / MODEL
    spec.write_text("".join(line for line in spec.read_text().splitlines(True) if "against: champion" not in line))
    consumer.commit("Accept equal models")
    consumer.git("push", "--quiet")


def stored_size(consumer: Consumer, folder: Path) -> Size:
    """Return what a host stores of the origin and of all runs, once it has packed them."""
    consumer.git("push", "--quiet", "origin", "refs/mlops/*:refs/mlops/*")
    git_in(consumer.root)("clone", "--quiet", "--mirror", str(consumer.origin), str(folder))
    git_in(folder)("gc", "--quiet", "--prune=now")
    packed = sum(file.stat().st_size for file in (folder / "objects" / "pack").iterdir())
    return Size(packed, len(git_in(folder)("for-each-ref", "--format=%(refname)").split()))


def _evaluate(consumer: Consumer, at: int) -> None:
    _change(consumer, f"C: 0.{at + 1}")
    consumer.run("gate")
    consumer.git("checkout", "--quiet", MODEL)


def _release(consumer: Consumer, at: int) -> None:
    _change(consumer, f"C: 1.{at + 1}")
    consumer.commit(f"Change {at}")
    consumer.git("push", "--quiet")
    consumer.ok("gate")
    consumer.ok("release")


def _deploy(consumer: Consumer, at: int) -> None:
    consumer.git("pull", "--quiet", "--rebase")
    consumer.ok("deploy", f"diagnosis@v1.{at}.0", "--env", "staging")


def _roll_back(consumer: Consumer, at: int) -> None:
    consumer.git("pull", "--quiet", "--rebase")
    consumer.ok("rollback", "diagnosis", "--env", "staging", "--version", f"1.{(at + 1) % 2}.0", "--reason", "measured")


def _change(consumer: Consumer, parameter: str) -> None:
    text = (consumer.root / MODEL).read_text()
    old = next(line for line in text.splitlines() if "max_iter" in line)
    edit(consumer, MODEL, old, f"    params: {{max_iter: 1000, {parameter}}}")


STEPS: dict[str, Callable[[Consumer, int], None]] = {
    "an evaluated change": _evaluate,
    "a change that is evaluated and released": _release,
    "a deployment": _deploy,
    "a rollback": _roll_back,
}


def _page(start: Size, steps: dict[str, Size]) -> Iterator[str]:
    evaluated, released, deployed, rolled_back = steps.values()
    day = dt.datetime.now(dt.UTC).date()
    fewest = total_gate_jobs([GateJobs.of(1, 0)])
    yield from (
        "# What a registry in git costs",
        "",
        f"`python -m tests.growth` makes this page. This one is of {day}. It measures the template `minimal` (569 rows, 30 features, a logistic",
        "regression): what a host stores of the origin and of all runs after `git gc`, and how many refs there are. A larger model adds the size of its file.",
        "",
        f"| step (mean of {REPEATS}) | kB | refs |",
        "|---|---|---|",
        f"| the project with its first evaluated run | {start.packed / 1000:,.1f} | {start.refs:.0f} |",
        *(f"| {name} | {size.packed / 1000:,.1f} | {size.refs:.1f} |" for name, size in steps.items()),
        "",
        "Runs of the same rows share their golden rows, and git stores what differs from an earlier model. `gc` deletes runs that were not released.",
        "",
        "## A year",
        "",
        f"Computed from the table above, for teams of {MODELS} models each, in one repository. A model has {EVALUATED} evaluated changes a year,",
        f"of which {RELEASED} are released, {DEPLOYED} deployments and {ROLLED_BACK} rollbacks. `gc` runs weekly with 90 days.",
        f"A change of one model whose code is a library's starts {fewest} jobs on GitHub, which bills each started minute of a job: at least {fewest}",
        "minutes, and training comes on top.",
        "",
        "| teams | MB without gc | MB with gc | refs without gc | refs with gc | job minutes of pull requests, at least |",
        "|---|---|---|---|---|---|",
    )
    kept = released * RELEASED + deployed * DEPLOYED + rolled_back * ROLLED_BACK
    open_runs = evaluated * (EVALUATED - RELEASED)
    for teams in TEAMS:
        models = teams * MODELS
        whole, swept = (kept + open_runs) * models, (kept + open_runs * KEPT) * models
        yield (
            f"| {teams} | {whole.packed / 1e6:,.1f} | {swept.packed / 1e6:,.1f} | {whole.refs:,.0f} | {swept.refs:,.0f} |"
            f" {models * EVALUATED * fewest:,} |"
        )


if __name__ == "__main__":
    main()
