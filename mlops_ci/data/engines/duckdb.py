"""Opens a dataset's rows in a locked DuckDB connection, as a relation `cells` with columns in their canonical form."""

# ruff: noqa: S608  SQL contains only quoted names and literals, and the connection can only read the data
from __future__ import annotations

import atexit
import functools
import string
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from mlops_ci.core.diagnostics import Location
from mlops_ci.core.errors import Findings
from mlops_ci.core.leftovers import scratch_folder, unused_scratch_path
from mlops_ci.core.records.base import FileDigest
from mlops_ci.data.column_types import (
    column_sql,
    quote_identifier,
    quote_literal,
)
from mlops_ci.data.engines.csv_table import TypeMismatch, read_csv_files
from mlops_ci.data.engines.duckdb_errors import translate_duckdb_errors
from mlops_ci.data.engines.parquet_table import read_parquet_files
from mlops_ci.data.sources.format_detection import require_file_format
from mlops_ci.data.sources.plain_text import compression_of, needs_plain_copy, write_plain_copies
from mlops_ci.data.sources.protocol import ReadableFiles
from mlops_ci.data.sources.table import open_source
from mlops_ci.spec.personal_data import names_to_show
from mlops_ci.spec.spec_types import ColumnSpec, DatasetSpec, SourceSpec

DUCKDB_THREADS = 2
_LOWER_CASE = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
REUSED_BYTES = (
    64_000_000  # a table from CSV files of at most this size stays open for the next step of the same command
)


_GROWTH = 10  # of a compressed CSV file when it is decompressed


@dataclass(frozen=True)
class Table:
    """Open data: the DuckDB connection, which `open_table` closes, and the logical types in the order of the columns."""

    connection: Any
    types: Mapping[str, str]
    type_mismatches: Mapping[str, TypeMismatch] = field(default_factory=dict)
    relation_kind: Literal["TABLE", "VIEW"] = "TABLE"  # DuckDB's kind of the relation `cells`
    holdout_condition: str = "false"  # SQL: true for a row of a sealed holdout
    written_files: dict[str, bytes] | None = None  # by query; None if the table is not used again
    files: ReadableFiles | None = None  # what it was read from
    narrow_views: Mapping[str, str] = field(
        default_factory=dict
    )  # of a wide view: a view with each column and few others

    def relation(self, names: Iterable[str] = ()) -> Any:
        """Return the rows as a DuckDB relation whose columns have aliases (see `column_alias`): all columns, or `names`."""
        return self.connection.sql(self.rows_sql(names))

    def rows_sql(self, names: Iterable[str] = ()) -> str:
        """Return the SQL of `relation`: DuckDB plans SQL once, and a query of a relation several times."""
        wanted = tuple(names)
        views = {self.narrow_views.get(name, "cells") for name in wanted}
        view = views.pop() if len(views) == 1 else "cells"
        return f"SELECT {', '.join(map(column_sql, wanted)) or '*'} FROM {view}"

    def named_relation(self) -> Any:
        """Return the rows as the user's SQL and plugins see them: the view `data`, whose columns have their own names.

        A column that SQL cannot tell from another has another name there (see `names_in_sql`).
        """
        columns = ", ".join(f"{column_sql(name)} AS {quote_identifier(shown)}" for name, shown in self.names_in_sql())
        self.connection.execute(f"CREATE OR REPLACE TEMP VIEW data AS SELECT {columns} FROM cells")
        return self.connection.sql("SELECT * FROM data")

    def sql_types(self) -> dict[str, str]:
        """Return DuckDB's type of each column."""
        described = self.connection.execute("DESCRIBE cells").fetchall()
        return {name: row[1] for name, row in zip(self.types, described, strict=False)}

    def names_in_sql(self) -> list[tuple[str, str]]:
        """Return each column's name with its name in the view `data`; they differ for `indistinct_names`."""
        indistinct, taken = indistinct_names(self.types), {name.translate(_LOWER_CASE) for name in self.types}
        names = []
        for index, name in enumerate(self.types):
            shown = name if name not in indistinct else f"column {index}"
            while shown != name and shown in taken:
                shown += "_"
            taken.add(shown)
            names.append((name, shown))
        return names

    def recall_file(self, query: str) -> bytes | None:
        """Return the content of the file that was written from a query's rows, if it is remembered."""
        return (self.written_files or {}).get(query)

    def remember_file(self, query: str, path: Path) -> None:
        """Remember a file that was written from a query's rows: the next model of a command often needs the same one."""
        if self.written_files is None or (size := path.stat().st_size) > REUSED_BYTES:
            return
        if size + sum(map(len, self.written_files.values())) > REUSED_BYTES:
            self.written_files.clear()
        self.written_files[query] = path.read_bytes()

    def fetch_rows(self, query: Any) -> list[tuple[Any, ...]]:
        """Run a query, a relation or SQL, and return its rows; raises Findings `data-unreadable` for a damaged file."""
        with translate_duckdb_errors("the data"):
            run = self.connection.execute(query) if isinstance(query, str) else query
            return list(run.fetchall())


@dataclass(frozen=True)
class ConnectionLimits:
    """What a connection may take: the folder for what does not fit into memory, its size, and memory, as DuckDB writes sizes.

    DuckDB makes the folder when it needs it, and removes it. Without `memory` DuckDB takes up to 80 % of the machine's.
    """

    spill: str
    spill_size: str = "64GB"
    memory: str | None = None


def indistinct_names(names: Iterable[str]) -> frozenset[str]:
    """Return the names that SQL cannot tell from another of the names: DuckDB ignores the case of A to Z."""
    folded: dict[str, list[str]] = {}
    for name in names:
        folded.setdefault(name.translate(_LOWER_CASE), []).append(name)
    return frozenset(name for alike in folded.values() if len(alike) > 1 for name in alike)


@dataclass
class _LastTable:
    """The table that was opened last, if it may be used again, and what it was read from; the lock is held by its one user."""

    inputs: object = None
    table: Table | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def forget(self) -> None:
        if self.table is not None:
            self.table.connection.close()
        self.inputs = self.table = None


_LAST = _LastTable()


@contextmanager
def open_table(
    root: Path, files: tuple[FileDigest, ...], spec: DatasetSpec, *, more: tuple[Path, ...] = ()
) -> Iterator[Table]:
    """Open the files as a table. The connection can read these files and `more`, and no other files of the machine.

    The steps of a command open the same data several times: a small CSV table that is opened again is not read again.
    Whoever runs foreign code on a table calls `forbid_reuse`.
    Raises Findings: `data-lfs-pointer`, `data-file-type`, `data-unreadable`, `data-ragged-row`, `data-encoding`,
    `data-csv`, `data-delimiter`, `data-header`, `data-files-differ`, `data-empty`.
    """
    # whoever finds the last table in use reads the files anew
    if not more and _is_reusable(files, spec.source) and _LAST.lock.acquire(blocking=False):
        try:
            with _reuse_table(root, files, spec) as table:
                yield table
        finally:
            _LAST.lock.release()
        return
    with ExitStack() as stack:
        # files of a built-in source are read in place
        folder = None if isinstance(spec.source, SourceSpec) else stack.enter_context(scratch_folder("data"))
        local = _fetch_files(root, files, spec, folder or root)
        plain = stack.enter_context(plain_files(local))
        table = replace(open_files(plain, spec.columns, more), files=local)
        stack.callback(table.connection.close)
        yield table


def _fetch_files(root: Path, files: tuple[FileDigest, ...], spec: DatasetSpec, folder: Path) -> ReadableFiles:
    names = names_to_show(spec.columns, (*spec.key, *filter(None, (spec.time, spec.group))))
    return replace(open_source(spec.source).fetch(root, files, folder), known_names=names)


@contextmanager
def plain_files(local: ReadableFiles, scratch: Path | None = None) -> Iterator[ReadableFiles]:
    """Yield files that the engine can read in place: the same, or copies in UTF-8 CSV that are deleted at the end.

    The copies are made in a new folder below `scratch`. Raises Findings as `write_plain_copies` does.
    """
    if not needs_plain_copy(local):
        yield local
        return
    with scratch_folder("copies", scratch) as folder:
        yield write_plain_copies(local, folder)


def open_files(
    local: ReadableFiles,
    columns: Mapping[str, ColumnSpec],
    more: tuple[Path, ...] = (),
    *,
    limits: ConnectionLimits | None = None,
) -> Table:
    """Open files that engines can read as a table; whoever calls this closes the connection. Raises as `open_table` does."""
    paths = (*(local.root / file.path for file in local.files), *more)
    connection = open_locked_connection(tuple(str(path.resolve()) for path in paths), limits)
    try:
        return replace(read_table(connection, local, columns), files=local)
    except BaseException:
        connection.close()
        raise


@contextmanager
def _reuse_table(root: Path, files: tuple[FileDigest, ...], spec: DatasetSpec) -> Iterator[Table]:
    inputs = (root, files, spec.source, spec.columns, [_file_state(root / file.path) for file in files])
    if _LAST.table is None or _LAST.inputs != inputs:
        _LAST.forget()
        local = _fetch_files(root, files, spec, root)
        with plain_files(local) as plain:  # it is read whole, since reusable files give a table and no view
            opened = replace(open_files(plain, spec.columns), files=local)
        _LAST.table = replace(opened, written_files={})
        _LAST.inputs = inputs
    cursor = _LAST.table.connection.cursor()  # of its own, so that temporary tables end with it
    try:
        yield replace(_LAST.table, connection=cursor)
    finally:
        cursor.close()


def forbid_reuse() -> None:
    """Let the next step read its data anew, since code that is not ours may have changed the open table."""
    _LAST.inputs = None


def _is_reusable(files: tuple[FileDigest, ...], source: object) -> bool:
    if not isinstance(source, SourceSpec) or source.type == "parquet":
        return False
    packed = any(compression_of(source, file.path) != "none" for file in files)
    return sum(file.size for file in files) * (_GROWTH if packed else 1) <= REUSED_BYTES


def _file_state(path: Path) -> tuple[int, ...]:
    """Return the values of `stat` that a new file or a new content changes; none if there is no file, which `read_table` reports."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def read_table(connection: Any, local: ReadableFiles, columns: Mapping[str, ColumnSpec]) -> Table:
    """Read files into the relation `cells`; the connection must have access to them. Raises as `open_table` does."""
    for file in local.files:
        require_file_format(local.root / file.path, file.path, local.source.type)
    if local.source.type == "csv":
        table = Table(connection, *read_csv_files(connection, local, columns))
    else:
        read = read_parquet_files(connection, local, columns)
        table = Table(
            connection, read.types, read.type_mismatches, relation_kind="VIEW", narrow_views=read.narrow_views
        )
    if not table.fetch_rows(connection.sql("SELECT 1 FROM cells LIMIT 1")):
        raise Findings.of(
            "data-empty",
            f"'{local.source.path}' has no rows",
            location=Location(local.files[0].path),
            help="check that the source names the right file, and that it has rows below its header",
        )
    return table


def open_locked_connection(paths: tuple[str, ...], limits: ConnectionLimits | None = None) -> Any:
    """Return an in-memory DuckDB connection that can only read these files; no statement can change this."""
    import duckdb

    taken = limits or ConnectionLimits(str(unused_scratch_path("spill")))
    connection = duckdb.connect(
        ":memory:",
        config={
            "threads": DUCKDB_THREADS,
            "temp_directory": taken.spill,
            "max_temp_directory_size": taken.spill_size,
            **({"memory_limit": taken.memory} if taken.memory else {}),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "python_enable_replacements": "false",  # otherwise SQL could read variables of this process
        },
    )
    _clean_up_at_exit()
    connection.execute("SET GLOBAL TimeZone = 'UTC'")  # of all cursors
    # it compares each expression of a query with each other: half a minute for 2,000 columns, and little gain
    connection.execute("SET disabled_optimizers = 'common_subexpressions'")
    connection.execute(f"SET allowed_paths = [{', '.join(map(quote_literal, paths))}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


@functools.cache
def _clean_up_at_exit() -> None:
    atexit.register(_clear_narwhals_caches)
    atexit.register(_LAST.forget)


def _clear_narwhals_caches() -> None:
    """Release DuckDB's types before the interpreter ends.

    Narwhals keeps classes in `lru_cache`s. When numpy is imported too, these caches and the table of DuckDB's types
    outlive the interpreter's clean-up, and DuckDB's bindings print `nanobind: leaked ...` on stderr (duckdb 2.0.0).
    """
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "narwhals":
            for value in list(vars(module).values()):
                if isinstance(value, functools._lru_cache_wrapper):
                    value.cache_clear()
