"""Files from a process that ran a stranger's code: each may be a link, a pipe, a device, or not end."""

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
    """Open a regular file of at most `limit` bytes for reading; raises OSError for a link, ValueError for the rest."""
    # without O_NONBLOCK, opening a pipe would wait for somebody to write to it
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and found.st_size <= limit:
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    much = f"has {found.st_size:,} bytes, more than {limit:,}"
    raise ValueError(f"{path.name} {much if stat.S_ISREG(found.st_mode) else 'is not a file'}")


def copy_untrusted_file(source: Path, target: Path, limit: int = MODEL_FILE_LIMIT) -> FileDigest:
    """Copy a file of at most `limit` bytes and return the copy's digest: only the copy may be used from then on.

    Raises OSError and ValueError, as `open_regular` does; ValueError also when the file grows past the limit meanwhile.
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
    """Return a pyarrow table of predictions, [rows], with the columns that `predict_columns` makes and no others.

    Raises ValueError for everything else. Values are not looked at: they may be NaN, or labels that there are not.
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
            # before reading: a small file can unfold to any number of rows
            if file.metadata.num_rows != rows:
                raise ValueError(f"not one prediction for each of {rows} rows")
            if sorted(file.schema_arrow.names) not in map(sorted, shapes):
                raise ValueError(f"not the columns of a {task}: {', '.join(file.schema_arrow.names)[:200]}")
            for field in file.schema_arrow:
                plain = pa.types.is_floating(field.type) or (
                    field.name == prediction_columns.LABEL_COLUMN and _is_label_type(field.type)
                )
                if not plain:
                    raise ValueError(f"{field.name} is of the type {str(field.type)[:50]}")
            return file.read()
    except (OSError, pa.ArrowException) as error:
        raise ValueError(error_headline(error)) from error


def _is_label_type(type: Any) -> bool:
    import pyarrow as pa

    kinds = (pa.types.is_boolean, pa.types.is_integer, pa.types.is_string, pa.types.is_large_string)
    return any(kind(type) for kind in kinds)
