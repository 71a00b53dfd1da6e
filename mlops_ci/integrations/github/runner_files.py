"""Writes the files that GitHub's runner reads after a step: the outputs and the job summary."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

SUMMARY_LIMIT = 1_000_000  # bytes of one step's summary: GitHub drops a summary of more than 1 MiB
_CUT_NOTICE = "\n\n_The rest is omitted: a job summary has at most 1 MiB. The job's log has everything._\n"


def write_outputs(environ: Mapping[str, str], outputs: Mapping[str, str]) -> None:
    """Add outputs, with any content, to the file that GITHUB_OUTPUT names; do nothing if the variable is not set."""
    path = environ.get("GITHUB_OUTPUT")
    if not path or not outputs:
        return
    with Path(path).open("a", encoding="utf-8", errors="replace") as stream:
        for name, value in outputs.items():
            end = f"end-{secrets.token_hex(16)}"  # unpredictable, so that a value cannot contain it and start another output
            stream.write(f"{name}<<{end}\n{value}\n{end}\n")


def write_summary(environ: Mapping[str, str], markdown: str) -> None:
    """Add Markdown to the job summary, cut to GitHub's limit; do nothing outside a job."""
    path = environ.get("GITHUB_STEP_SUMMARY")
    if not path or not markdown:
        return
    with Path(path).open("ab") as stream:
        stream.write(cut_to_bytes(markdown, SUMMARY_LIMIT, _CUT_NOTICE).encode())


def cut_to_bytes(text: str, limit: int, pointer: str) -> str:
    """Return text of at most `limit` bytes in UTF-8: unchanged, or its first whole lines followed by `pointer`."""
    whole = text.encode("utf-8", "replace")  # a spec can contain lone surrogates, which have no UTF-8 form
    if len(whole) <= limit:
        return whole.decode()
    kept = whole[: limit - len(pointer.encode())].decode("utf-8", "ignore")
    return kept.rpartition("\n")[0] + pointer
