"""Who may sign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class SignerRow:
    """One key of the file of allowed signers. `since` and `until` are ISO 8601 times; None: no such limit.

    `approves`: whether an approval by the signer counts (`policy.approvals`), now or later.
    """

    line: int
    principals: tuple[str, ...]
    key_type: str
    fingerprint: str
    state: Literal["valid", "ended", "later", "other-use"]
    since: str | None = None
    until: str | None = None
    authority: bool = False
    approves: bool = False


@dataclass(frozen=True)
class SignersReport:
    """The file of allowed signers as it is, or as the plan makes it; `changed` are the lines that the plan writes."""

    action: Literal["list", "add", "end"]
    path: str
    signers: tuple[SignerRow, ...]
    changed: tuple[int, ...] = ()
