"""What is shown of an exception that somebody else raised."""

from __future__ import annotations

import pytest

from mlops_ci.core.errors import error_headline


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (ValueError("no such column\nand more"), "ValueError: no such column"),
        (ValueError("\n  first\r\nsecond"), "ValueError: first"),
        (ValueError("one\u2028::error::two"), "ValueError: one"),
        (KeyError("a"), "KeyError: 'a'"),
        (ValueError(), "ValueError"),
        (ValueError("   "), "ValueError"),
        (ValueError("x" * 1000), "ValueError: " + "x" * 388),
    ],
)
def test_an_exception_is_shown_as_one_short_line(error: BaseException, shown: str) -> None:
    assert error_headline(error) == shown
