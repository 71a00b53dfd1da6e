"""Whoever changes what judges a model decides whether the verdicts that are stored still hold."""

from __future__ import annotations

from pathlib import Path

import mlops_ci.learn
from mlops_ci.candidate import JUDGE_FORMAT
from mlops_ci.digest import digest_file, digest_json

JUDGE = (
    *("bootstrap", "case", "compare", "conditions", "contest", "custom", "cuts", "delong", "evidence", "fairness"),
    *(
        "frame",
        "holm",
        "influence",
        "intervals",
        "mcnemar",
        "measure",
        "measurer",
        "methods",
        "metrics",
        "older",
        "power",
    ),
    *("predictions", "requirements", "score", "scorer", "squares", "summary", "valuer", "wording"),
)
# JUDGE_FORMAT -> the digest of the files that judged when it was chosen
KNOWN = {5: "b9bddcc97c935046bb5a3bda021d710c2bd0a3cf2b326cf9d912cb93c35b0a0e"}
WHAT_TO_DO = """
The files that judge a model have changed: {digest}
Can the same models get another verdict, metric or interval? Raise JUDGE_FORMAT in mlops_ci/candidate.py, so that answers
stored before are not used, and add a row here. Else (a comment, a name) replace the digest of the row {format}.
"""


def test_stored_verdicts_are_those_of_todays_judge() -> None:
    folder = Path(mlops_ci.learn.__file__).parent
    digest = digest_json({name: digest_file(folder / f"{name}.py") for name in JUDGE})
    assert KNOWN.get(JUDGE_FORMAT) == digest, WHAT_TO_DO.format(digest=digest, format=JUDGE_FORMAT)
