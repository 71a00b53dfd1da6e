"""Withholds the texts of processes that saw personal columns: an error or a print may quote a value.

Their findings keep what failed, the type of the exception and the line of code. Their output is not shown and not stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.process import ProcessResult

WITHHELD_LOG = b"(withheld: a column that this process read is tagged `pii`, and its output may quote values)\n"
_HELP = "The text is withheld, because a column is tagged `pii` and the text may quote a value. Run the code by hand to see it."
_OWN_TEXTS = frozenset({"model-types-untrusted"})  # findings whose texts quote types, and no values


def withhold_texts(errors: Sequence[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Return a worker's errors without the texts of exceptions: `what failed: TypeOfError`."""
    return tuple(
        one
        if one.id in _OWN_TEXTS
        else replace(one, message=": ".join(one.message.split(": ")[:2]).splitlines()[0][:200], help=_HELP)
        for one in errors
    )


def withhold_output(ended: ProcessResult) -> ProcessResult:
    """Return how a process ended, without its output."""
    return replace(ended, log=WITHHELD_LOG if ended.log else b"")
