"""Formats of dates and times, with the codes of strptime that Python and DuckDB read alike."""

from __future__ import annotations

import re

# the code's pattern, strictly: DuckDB alone would read the year of '3/4/25' as the year 25
TIME_CODES = {
    "Y": "[0-9]{4}",
    "y": "[0-9]{2}",
    "m": "[0-9]{1,2}",
    "d": "[0-9]{1,2}",
    "b": "[A-Za-z]{3}",
    "B": "[A-Za-z]{3,9}",
    "a": "[A-Za-z]{3}",
    "A": "[A-Za-z]{6,9}",
    "j": "[0-9]{3}",
    "H": "[0-9]{1,2}",
    "I": "[0-9]{1,2}",
    "M": "[0-9]{1,2}",
    "S": "[0-9]{1,2}",
    "f": "[0-9]{1,6}",
    "p": "[AaPp][Mm]",
    "z": "[+-][0-9]{2}:?[0-9]{2}",
    "%": "%",
}
CLOCK_CODES = frozenset("HIMSfpz")


def time_format_pattern(format: str) -> str:
    """Return a regular expression (RE2) for the texts that a format can read; raises ValueError for an unknown code."""
    parts = re.findall(r"%(.?)|([^%]+)", format, re.DOTALL)
    return "".join(_code_pattern(code) if not text else literal_pattern(text) for code, text in parts)


def literal_pattern(text: str) -> str:
    """Return a regular expression for the text itself; RE2 knows no escape of other letters than those of ASCII."""
    return re.sub(r"([!-/:-@\[-^`{-~])", r"\\\1", text)


def format_has_clock(format: str) -> bool:
    """Return whether a format reads a time of day, and not only a date."""
    return any(code in CLOCK_CODES for code in re.findall(r"%(.)", format.replace("%%", "")))


def format_problem(format: str) -> str | None:
    """Return why a format cannot read dates, or None."""
    codes = re.findall(r"%(.?)", format.replace("%%", ""), re.DOTALL)
    if unknown := [code for code in codes if code not in TIME_CODES]:
        return f"'%{unknown[0]}' is not one of the codes {', '.join(f'%{code}' for code in TIME_CODES if code != '%')}"
    if twice := next((code for code in codes if codes.count(code) > 1), None):
        return f"'%{twice}' occurs twice"
    kinds = set(codes)
    if not kinds & {"Y", "y"} or not ((kinds & {"m", "b", "B"} and "d" in kinds) or "j" in kinds):
        return "it needs a year, a month and a day (or %j, the day of the year)"
    return None


def _code_pattern(code: str) -> str:
    if code not in TIME_CODES:
        raise ValueError(f"'%{code}' is not a code of a time format")
    return TIME_CODES[code]
