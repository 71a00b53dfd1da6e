"""How far verdicts can be trusted: what a release accepts, and which holdouts training code can read."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from mlops_ci.governance.doctor.context import DoctorContext
from mlops_ci.governance.doctor.host import HostReader
from mlops_ci.governance.doctor.trust import check_verdict_trust
from mlops_ci.repository.git import Repository
from tests.evaluation.conftest import DATASET, open_project, write_project

SEALED = "  split: {{by: sealed, holdoutBudget: 5, source: {{type: csv, {}}}}}\n"
OUTSIDE, INSIDE = (SEALED.format(where) for where in ("url: 's3://judge/f.csv'", "path: held.csv"))


def said(root: Path, split: str = "", project: str = "  {}\n") -> list[tuple[str, str, str]]:
    """What the check says of a project whose dataset has that split."""
    write_project(root, dataset=DATASET + split, project=project)
    (root / "held.csv").write_text("id,hour,distance,late,origin\n1,1,1.5,0,JFK\n")
    world = DoctorContext(open_project(root), cast("Repository", None), HostReader(None))
    return [(row.what, row.state, row.evidence) for row in check_verdict_trust(world)]


def test_a_project_as_it_begins_trusts_anybody_and_counts_nothing(tmp_path: Path) -> None:
    assert said(tmp_path) == [
        ("verdicts are trusted", "advisory", "`policy.trust` is local: a release accepts a verdict from any machine"),
        (
            "training code cannot read the holdout",
            "advisory",
            "flights: the holdout is part of the dataset's own rows, which training code can read",
        ),
        (
            "evaluations on a holdout are counted",
            "advisory",
            "flights: any number of candidates may be evaluated on the same rows, and every further candidate makes a wrong promotion more likely",
        ),
    ]


def test_separated_verdicts_on_a_counted_holdout_out_of_reach_are_as_good_as_it_gets(tmp_path: Path) -> None:
    assert said(tmp_path, OUTSIDE, "  policy: {trust: separated}\n") == [
        (
            "verdicts are trusted",
            "ok",
            "a release accepts only verdicts from a job that ran none of the candidate's code",
        ),
        (
            "sealed holdouts",
            "ok",
            "flights: the holdout is at a URL, and training code cannot read it if its job has no credentials",
        ),
        ("evaluations on a holdout are counted", "ok", "flights: 5"),
    ]


def test_a_holdout_that_is_sealed_inside_of_the_repository_can_be_read(tmp_path: Path) -> None:
    assert (
        "training code cannot read the holdout",
        "advisory",
        "flights: the sealed holdout is in the repository, where training code can read it",
    ) in said(tmp_path, INSIDE)


def test_one_job_for_all_lets_the_candidate_reach_its_judge(tmp_path: Path) -> None:
    assert said(tmp_path, project="  policy: {trust: single-job}\n")[0] == (
        "verdicts are trusted",
        "advisory",
        "`policy.trust` is single-job: a release accepts a verdict from a job that also ran the candidate's code",
    )
