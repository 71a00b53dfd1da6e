"""Validation of how a dataset's files are read: encodings, characters of numbers, and formats of dates."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.suggestions import quote
from mlops_ci.core.time_formats import format_has_clock, format_problem
from mlops_ci.spec.located_spec import LocatedSpec
from mlops_ci.spec.source_types import SealedSource, SourceSpec
from mlops_ci.spec.spec_types import ColumnSpec, DatasetSpec
from mlops_ci.spec.yaml.document import Pointer

# codecs of Python that are no encodings of files
_NO_FILE_ENCODINGS = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "mbcs", "oem"})


def source_option_findings(
    loaded: LocatedSpec[DatasetSpec], source: SourceSpec | SealedSource, at: Pointer
) -> Iterator[Diagnostic]:
    """Yield the findings about the options of a source, which stands at the pointer `at`."""
    if not _is_file_encoding(source.encoding):
        yield Diagnostic(
            "source-encoding",
            f"there is no encoding {quote(source.encoding)}",
            loaded.locate(*at, "encoding"),
            "write utf-8, utf-16, cp1252 (Windows, western), latin-1, cp1250 (Windows, central Europe), cp1251 (Windows, "
            "Cyrillic), shift_jis, gb18030 or another encoding of Python",
        )
    if source.thousands == source.decimal:
        yield Diagnostic(
            "source-options",
            f"`thousands` and `decimal` are both {quote(source.decimal)}",
            loaded.locate(*at, "thousands"),
            "write two different characters, such as `decimal: ','` and `thousands: '.'`",
        )


def time_format_findings(loaded: LocatedSpec[DatasetSpec], name: str, column: ColumnSpec) -> Iterator[Diagnostic]:
    """Yield the finding about a column's time format, if it cannot be used."""
    if column.format is None:
        return
    problem = format_problem(column.format)
    if problem is None and column.type == "date" and format_has_clock(column.format):
        problem = "it has a time of day, and the column is of type date: write `type: timestamp`"
    if problem is not None:
        message = f"column {quote(name)}: the format {quote(column.format)} cannot be used: {problem}"
        help = "write codes of strptime, such as '%d/%m/%Y' (day first), '%m/%d/%Y' (month first) or '%Y%m%d %H:%M:%S'"
        yield Diagnostic("column-format", message, loaded.locate("spec", "columns", name, "format"), help)


def _is_file_encoding(name: str) -> bool:
    try:
        found = codecs.lookup(name)
    except LookupError:
        return False
    # codecs such as base64 and rot13 turn bytes into bytes, or text into text
    return getattr(found, "_is_text_encoding", True) and found.name.replace("_", "-") not in _NO_FILE_ENCODINGS
