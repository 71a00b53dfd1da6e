"""Whoever changes what reads data, checks it or splits it also decides whether what was computed before still holds."""

from __future__ import annotations

from mlops_ci.data.cache import DATA_FORMAT
from tests.support.deciding_code import ROOT, code_digest

# a file that is new in this room decides until it is named here
NOT_DECIDING = {
    "cache.py",  # keeps results, and computes none
    "model_files.py",  # what training and scoring read is not kept in this cache
}
ELSEWHERE = ("core/time_formats.py", "spec/source_types.py")
# DATA_FORMAT -> the digest of the code that decided when the number was chosen
KNOWN = {13: "1d005eaa344c48a8327db350a9c7f3b361d63dbc1833cb55c8835baa7f0539ff"}
WHAT_TO_DO = """
The code that decides digests, splits, checks and profiles has changed: {digest}
Can the same bytes under the same spec give another digest, split, check or profile, or another finding? Then raise DATA_FORMAT in
mlops_ci/data/cache.py, so that kept answers are not used again, and add a row here. Otherwise (a new name, a faster way to the same
answer) replace the digest of the row {format}.
"""


def test_kept_answers_about_data_are_those_of_todays_code() -> None:
    room = ROOT / "data"
    files = [path for path in room.rglob("*.py") if path.relative_to(room).as_posix() not in NOT_DECIDING]
    digest = code_digest([*files, *(ROOT / path for path in ELSEWHERE)])
    assert KNOWN.get(DATA_FORMAT) == digest, WHAT_TO_DO.format(digest=digest, format=DATA_FORMAT)


def test_what_is_named_here_exists() -> None:
    assert all((ROOT / "data" / path).is_file() for path in NOT_DECIDING)
    assert all((ROOT / path).is_file() for path in ELSEWHERE)
