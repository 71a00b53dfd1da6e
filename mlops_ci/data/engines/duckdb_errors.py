"""Turns DuckDB's errors about a file's content into findings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mlops_ci.core.diagnostics import Location
from mlops_ci.core.errors import Findings


@contextmanager
def translate_duckdb_errors(what: str, location: Location | None = None) -> Iterator[None]:
    """Turn DuckDB's errors about a file's content into Findings `data-unreadable`.

    Errors in this package's own SQL are bugs and pass unchanged.
    """
    import duckdb

    try:
        yield
    except (duckdb.BinderException, duckdb.ParserException, duckdb.CatalogException, duckdb.InternalException):
        raise
    except duckdb.Error as error:
        raise Findings.of(
            "data-unreadable",
            f"{what} cannot be read: {duckdb_error_text(error)}",
            location=location,
            help="the file is damaged, or its type differs from the source's `type` in the spec; write the file again",
        ) from error


def duckdb_error_text(error: Exception) -> str:
    """Return the first line of a DuckDB error, without the prefix and the advice for DuckDB's users."""
    return str(error).strip().splitlines()[0].partition("Error: ")[2] or type(error).__name__
