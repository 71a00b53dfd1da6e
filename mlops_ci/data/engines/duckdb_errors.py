"""Turns DuckDB's errors about a file's content into findings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mlops_ci.core.diagnostics import Location
from mlops_ci.core.errors import Findings, ToolError
from mlops_ci.core.suggestions import quote

_REFUSAL = "mlops-ci refuses: "


@contextmanager
def translate_duckdb_errors(what: str, location: Location | None = None) -> Iterator[None]:
    """Turn DuckDB's errors about a file's content into Findings `data-unreadable` or `data-precision`.

    Errors in this package's own SQL are bugs and pass unchanged.
    """
    import duckdb

    try:
        yield
    except (duckdb.BinderException, duckdb.ParserException, duckdb.CatalogException, duckdb.InternalException):
        raise
    except duckdb.Error as error:
        if (refused := duckdb_error_text(error)).startswith(_REFUSAL):
            raise precision_error(refused.removeprefix(_REFUSAL)) from error
        raise Findings.of(
            "data-unreadable",
            f"{what} cannot be read: {duckdb_error_text(error)}",
            location=location,
            help="the file is damaged, or its type differs from the source's `type` in the spec; write the file again",
        ) from error


def precision_refusal(name: str) -> str:
    """Return the text with which a query fails on a value of a column that the column's type cannot hold exactly."""
    return f"{_REFUSAL}column {quote(name)} has a value that the type of its other values cannot hold without loss"


def precision_error(message: str, path: str | None = None) -> ToolError:
    """Return the error for values with more digits than can be kept."""
    return Findings.of(
        "data-precision",
        message,
        location=Location(path) if path else None,
        help="write the column as one type in all files: text for identifiers, decimal(38, s) for exact amounts, else float",
    )


def duckdb_error_text(error: Exception) -> str:
    """Return the first line of a DuckDB error, without the prefix and the advice for DuckDB's users."""
    return str(error).strip().splitlines()[0].partition("Error: ")[2] or type(error).__name__
