"""Who may sign, as text."""

from __future__ import annotations

from collections.abc import Iterator

from mlops_ci.core.results.signers import SignerRow, SignersReport
from mlops_ci.reports import formatting

_STATES = {"valid": "valid", "ended": "ended", "later": "not yet", "other-use": "not for git"}


def signers_lines(report: SignersReport) -> Iterator[str]:
    """Yield a table with a line for each key, and what comes after a change."""
    if not report.signers:
        yield f"{report.path} has no key: nobody can sign"
        return
    rows = [
        (
            ", ".join(one.principals),
            f"{one.key_type}{' (authority)' if one.authority else ''}",
            one.fingerprint,
            _STATES[one.state] + (" *" if one.line in report.changed else ""),
            _limits(one),
        )
        for one in report.signers
    ]
    yield formatting.text_table(("signer", "type", "key", "state", "when"), rows)
    if report.changed:
        yield f"* written by this command. Commit {report.path}, and merge it in a reviewed change: only the branch's file counts"
    elif report.action != "list":
        yield "nothing has to be done"


def _limits(one: SignerRow) -> str:
    parts = [f"from {one.since}" if one.since else "", f"until {one.until}" if one.until else ""]
    return " ".join(part for part in parts if part)
