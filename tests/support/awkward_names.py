"""Names of columns that some engine, format or query of ours would read as something else than a name."""

from __future__ import annotations

AWKWARD_NAMES: tuple[str, ...] = (
    # what Narwhals and DuckDB's relations read as an expression
    "*", "a.b", ".", "a.b.c", "a->b", "a::int", "columns(*)", "COLUMNS('x')", "#1", "$1", "?", ":x", "@", "1", "-1", "1.5",
    # what ends a quoted name, a text or a statement
    '"', '""', "'", "''", "`", "[", "]", "{x}", "%s", "%2e", "a;b", "--", "/* */", "\\", "a\\n", "it's \"quoted\"", "a,b", "a|b",
    # words of SQL, of Python and of YAML
    "select", "FROM", "order by", "null", "true", "NaN", "rowid", "group", "class", "None", "~", "yes", "__class__", "index",
    # space, case and Unicode
    " x", "x ", "two words", "tab\there", "line\nbreak", "Upper", "upper", "UPPER", "é", "e\u0301", "É", "ß", "SS", "K", "\u212a", "İ", "名前", "🎉",
    "\u202eright", "\u200b", "x" * 200,
    # names that queries and files of ours use, or used
    "c0", "n0", "k0", "v0", "m", "c_x", "raw", "data", "cells", "file", "hash", "side", "held", "held_out", "content", "recurring",
    "rows with these values", "rows_with_these_values", "rows held", "mlops-ci held out", "mlops-ci failing 0", "failing_0",
    "column 1", "rows", "nulls 0", "row", "y", "prediction", "probability", "score", "weights", "mlops-ci.seen.m",
)  # fmt: skip
