"""Whoever changes what judges a model decides whether the verdicts that are stored still hold."""

from __future__ import annotations

from pathlib import Path

import mlops_ci
from mlops_ci.core.digest import digest_file, digest_json
from mlops_ci.evaluation.candidates.candidate import VERDICT_FORMAT

ROOT = Path(mlops_ci.__file__).parent
JUDGE = (
    *("evaluation/stats/*.py", "evaluation/verdict/*.py", "training/inference/*.py"),
    *("training/frame.py", "training/prediction_columns.py", "training/predictions.py"),
    *("training/workers/custom_metric.py", "training/workers/measure.py", "training/workers/score.py"),
)
# JUDGE_FORMAT -> the digest of the files that judged when it was chosen
KNOWN = {5: "c0f9d44ea11c330dad56641f6db1a38a503b5440e01486cd091a4fd092ffa835"}
WHAT_TO_DO = """
The files that judge a model have changed: {digest}
Can the same models get another verdict, metric or interval? Raise JUDGE_FORMAT in mlops_ci/evaluation/candidates/candidate.py, so that answers
stored before are not used, and add a row here. Else (a comment, a name) replace the digest of the row {format}.
"""


def test_stored_verdicts_are_those_of_todays_judge() -> None:
    files = sorted(path for pattern in JUDGE for path in ROOT.glob(pattern))
    digest = digest_json({path.relative_to(ROOT).as_posix(): digest_file(path) for path in files})
    assert KNOWN.get(VERDICT_FORMAT) == digest, WHAT_TO_DO.format(digest=digest, format=VERDICT_FORMAT)
