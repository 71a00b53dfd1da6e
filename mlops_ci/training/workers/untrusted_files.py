"""Reads files from processes that ran untrusted code. Such a file may be a link, a pipe, a device, or endless."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from mlops_ci.core.digest import CHUNK_BYTES
from mlops_ci.core.errors import error_headline
from mlops_ci.core.records.base import FileDigest
from mlops_ci.training import prediction_columns
from mlops_ci.training.packaging.package_files import MODEL_FILE_LIMIT

PREDICTIONS_LIMIT = 1 << 30  # bytes


def open_regular_file(path: Path, limit: int) -> BinaryIO:
    """Open a regular file of at most `limit` bytes for reading.

    Raises OSError for a symbolic link or a missing file, and ValueError for a larger file or another kind of file.
    """
    # without O_NONBLOCK, opening a pipe would block until a process writes to it
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and status.st_size <= limit:
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    too_large = f"has {status.st_size:,} bytes, more than {limit:,}"
    raise ValueError(f"{path.name} {too_large if stat.S_ISREG(status.st_mode) else 'is not a regular file'}")


def copy_untrusted_file(source: Path, target: Path, limit: int = MODEL_FILE_LIMIT) -> FileDigest:
    """Copy a file of at most `limit` bytes and return the copy's digest. Only the copy may be used afterwards.

    Raises OSError and ValueError as `open_regular_file` does, and ValueError when the file grows beyond the limit during
    the copy.
    """
    state, size = hashlib.sha256(), 0
    with open_regular_file(source, limit) as stream, target.open("xb") as sink:
        while chunk := stream.read(CHUNK_BYTES):
            size += len(chunk)
            if size > limit:
                raise ValueError(f"{source.name} has more than {limit:,} bytes")
            state.update(chunk)
            sink.write(chunk)
    return FileDigest(target.name, state.hexdigest(), size)


def read_prediction_table(path: Path, *, task: str, classes: Sequence[Any], rows: int) -> Any:
    """Return a pyarrow table of predictions with `rows` rows and exactly the columns of `predict_columns`.

    Raises ValueError for any other file. Values are not checked: they may be NaN, or labels that are not classes.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    probabilities = [f"{prediction_columns.PROBABILITY_PREFIX}{at}" for at in range(len(classes))]
    shapes = (
        [[prediction_columns.VALUE_COLUMN]]
        if task == "regression"
        else [
            [prediction_columns.LABEL_COLUMN, *more] for more in ([], [prediction_columns.SCORE_COLUMN], probabilities)
        ]
    )
    try:
        with open_regular_file(path, PREDICTIONS_LIMIT) as stream:
            file = pq.ParquetFile(stream)
            # checked before reading: a small compressed file can contain any number of rows
            if file.metadata.num_rows != rows:
                raise ValueError(f"it must have exactly one prediction for each of the {rows} rows")
            if sorted(file.schema_arrow.names) not in map(sorted, shapes):
                raise ValueError(
                    f"its columns are not the columns of predictions for {task}: {', '.join(file.schema_arrow.names)[:200]}"
                )
            for field in file.schema_arrow:
                plain = pa.types.is_floating(field.type) or (
                    field.name == prediction_columns.LABEL_COLUMN and _is_label_type(field.type)
                )
                if not plain:
                    raise ValueError(f"the column {field.name} has the unexpected type {str(field.type)[:50]}")
            return file.read()
    except (OSError, pa.ArrowException) as error:
        raise ValueError(error_headline(error)) from error


def _is_label_type(type: Any) -> bool:
    import pyarrow as pa

    kinds = (pa.types.is_boolean, pa.types.is_integer, pa.types.is_string, pa.types.is_large_string)
    return any(kind(type) for kind in kinds)
