"""The files through which a step talks to GitHub's runner: its outputs, and its part of the job summary."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

SUMMARY_LIMIT = 1_000_000  # bytes of one step's summary: GitHub drops a whole one of more than 1 MiB
_CUT_NOTICE = "\n\n_The rest was left out: a job summary takes 1 MiB. The job's log has it all._\n"


def write_outputs(environ: Mapping[str, str], outputs: Mapping[str, str]) -> None:
    """Add outputs to the file that GITHUB_OUTPUT names, whatever they hold; nothing where there is no such file."""
    path = environ.get("GITHUB_OUTPUT")
    if not path or not outputs:
        return
    with Path(path).open("a", encoding="utf-8", errors="replace") as stream:
        for name, value in outputs.items():
            end = f"end-{secrets.token_hex(16)}"  # not to be guessed: a value cannot end itself and begin another
            stream.write(f"{name}<<{end}\n{value}\n{end}\n")


def write_summary(environ: Mapping[str, str], markdown: str) -> None:
    """Add Markdown to the job summary, cut to what GitHub takes; nothing where there is none."""
    path = environ.get("GITHUB_STEP_SUMMARY")
    if not path or not markdown:
        return
    with Path(path).open("ab") as stream:
        stream.write(cut_to_bytes(markdown, SUMMARY_LIMIT, _CUT_NOTICE).encode())


def cut_to_bytes(text: str, limit: int, pointer: str) -> str:
    """Return text of at most `limit` bytes in UTF-8: as it is, or whole lines of it and then `pointer`."""
    whole = text.encode("utf-8", "replace")  # half a character, which a spec can hold, is none
    if len(whole) <= limit:
        return whole.decode()
    kept = whole[: limit - len(pointer.encode())].decode("utf-8", "ignore")
    return kept.rpartition("\n")[0] + pointer
