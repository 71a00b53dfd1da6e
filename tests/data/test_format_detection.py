"""Files that are of another kind than the spec says."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from mlops_ci.core.errors import Findings
from mlops_ci.data.sources.format_detection import require_file_format

PARQUET = b"PAR1" + b"\x15\x00\x80" * 10 + b"PAR1"


def finding(content: bytes, type: Literal["csv", "parquet"], folder: Path) -> str | None:
    (folder / "data").write_bytes(content)
    try:
        require_file_format(folder / "data", "data", type)
    except Findings as found:
        return found.diagnostics[0].message
    return None


@pytest.mark.parametrize(
    ("content", "type"),
    [
        (b"a,b\n1,2\n", "csv"),
        (b"PAR1,b\n1,2\n", "csv"),  # text that begins like parquet, and does not end so
        (b"", "csv"),
        (b"\xff\xfe not text", "csv"),  # the engine has words for it
        (PARQUET, "parquet"),
        (b"", "parquet"),
    ],
)
def test_a_file_that_may_be_of_its_type_is_left_to_the_engine(
    content: bytes, type: Literal["csv", "parquet"], tmp_path: Path
) -> None:
    assert finding(content, type, tmp_path) is None


@pytest.mark.parametrize(
    ("content", "type", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "csv", "a Git LFS pointer"),
        (b"version https://git-lfs.github.com/spec/v1\n", "parquet", "a Git LFS pointer"),
        (b"\x1f\x8b\x08", "csv", "compressed with gzip"),
        (b"PK\x03\x04", "parquet", "a zip archive"),
        (PARQUET, "csv", "it is a parquet file"),
        (b"a,b\n1,2\n", "parquet", "text, probably CSV"),
        ("ä,b\n".encode() * 400 + "ä".encode()[:1], "parquet", "text, probably CSV"),  # cut within a character
    ],
)
def test_a_file_of_another_kind_is_named(
    content: bytes, type: Literal["csv", "parquet"], said: str, tmp_path: Path
) -> None:
    assert said in str(finding(content, type, tmp_path))
