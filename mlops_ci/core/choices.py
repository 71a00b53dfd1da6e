"""Closed sets of words that specs and records share."""

from __future__ import annotations

from typing import Literal

CheckSeverity = Literal["error", "warn"]
Trust = Literal["local", "single-job", "separated"]  # from the least on
