"""Whoever changes what judges a model decides whether the verdicts that are stored still hold."""

from __future__ import annotations

from pathlib import Path

import mlops_ci.learn
from mlops_ci.candidate import JUDGE_FORMAT
from mlops_ci.digest import digest_file, digest_json

JUDGE = (
    *("bootstrap", "compare", "conditions", "contest", "custom", "cuts", "delong", "evidence", "fairness", "frame"),
    *("holm", "influence", "intervals", "mcnemar", "measure", "measurer", "metrics", "predictions", "requirements"),
    *("score", "scorer", "summary", "valuer"),
)
# JUDGE_FORMAT -> the digest of the files that judged when it was chosen
KNOWN = {4: "e68fb0ea499ed56f5e55a55fe5847ffae4d420e1eb7cb79a3df04e0e92093ff8"}
WHAT_TO_DO = """
The files that judge a model have changed: {digest}
Can the same models get another verdict, metric or interval? Raise JUDGE_FORMAT in mlops_ci/candidate.py, so that answers
stored before are not used, and add a row here. Else (a comment, a name) replace the digest of the row {format}.
"""


def test_stored_verdicts_are_those_of_todays_judge() -> None:
    folder = Path(mlops_ci.learn.__file__).parent
    digest = digest_json({name: digest_file(folder / f"{name}.py") for name in JUDGE})
    assert KNOWN.get(JUDGE_FORMAT) == digest, WHAT_TO_DO.format(digest=digest, format=JUDGE_FORMAT)
