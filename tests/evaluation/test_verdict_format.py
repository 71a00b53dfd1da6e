"""Whoever changes what decides a verdict also decides whether the stored verdicts still hold."""

from __future__ import annotations

from mlops_ci.evaluation.candidates.candidate import VERDICT_FORMAT
from tests.support.deciding_code import ROOT, code_digest, deciding_code

DECIDING = (
    *("evaluation/stats/*.py", "evaluation/verdict/*.py", "training/inference/*.py"),
    *("training/frame.py", "training/prediction_columns.py", "training/predictions.py"),
    *("training/workers/custom_metric.py", "training/workers/measure.py", "training/workers/score.py"),
)
# VERDICT_FORMAT -> the digest of the code that decided when the number was chosen
KNOWN = {7: "1f5008fc4b28c13186a824c3b1bb039e7b8c863b1dce87cff0973e759f3b81e7"}
WHAT_TO_DO = """
The code that decides a verdict has changed: {digest}
Can the same models get another verdict, metric or interval? Then raise VERDICT_FORMAT in mlops_ci/evaluation/candidates/candidate.py,
so that stored answers are not used again, and add a row here. Otherwise (a new name, other words) replace the digest of the row {format}.
"""


def test_stored_verdicts_are_those_of_todays_code() -> None:
    digest = code_digest(path for pattern in DECIDING for path in ROOT.glob(pattern))
    assert KNOWN.get(VERDICT_FORMAT) == digest, WHAT_TO_DO.format(digest=digest, format=VERDICT_FORMAT)


def test_a_comment_or_a_docstring_decides_nothing_and_a_number_does() -> None:
    code = deciding_code('"""One."""\n\n\ndef add(a):\n    """Two."""\n    return a + 1\n')
    assert code == deciding_code("def add(a):  # a sum\n    return a + 1\n")
    assert code != deciding_code("def add(a):\n    return a + 2\n")
