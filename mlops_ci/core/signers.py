"""How tags are signed: the format, and the file of those who may sign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SignatureFormat = Literal["ssh", "openpgp"]


@dataclass(frozen=True)
class Signing:
    """How a project's tags are signed. `signers` is the content of the file that lists who may sign."""

    format: SignatureFormat
    signers: bytes
    required: bool = True
