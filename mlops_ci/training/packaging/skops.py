"""The skops format: scikit-learn models in an archive that loads without running code from the file."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlops_ci.core.errors import Findings, error_headline
from mlops_ci.training.library_imports import MODEL_FILE_LIBRARIES, import_libraries
from mlops_ci.training.packaging.index_checks import require_sound_indices
from mlops_ci.training.packaging.package_files import MODEL_FILE_LIMIT
from mlops_ci.training.packaging.protocol import Packager
from mlops_ci.training.packaging.reviewed_types import read_reviewed_types, require_reviewed_nodes
from mlops_ci.training.packaging.structural_digest import structural_digest

REVIEWED_TYPES = tuple(read_reviewed_types().nodes)
_SCHEMA_FILE = "schema.json"
_COMPRESSED_FROM = (
    1_000_000  # bytes: git compresses a smaller file itself, and stores only what differs from an earlier model
)
_TYPE_NAME = re.compile(r"[\w.<>]{1,500}")


def write_skops_file(model: Any, path: Path) -> None:
    """Write the model file. Raises any error that the model's state causes in skops."""
    import_libraries(MODEL_FILE_LIBRARIES)
    import skops.io

    skops.io.dump(model, path, compression=zipfile.ZIP_STORED)
    if path.stat().st_size >= _COMPRESSED_FROM:
        skops.io.dump(model, path, compression=zipfile.ZIP_DEFLATED)


def find_untrusted_types(path: Path) -> tuple[str, ...]:
    """Return the sorted types in a skops file that are not known to be safe. Nothing is imported or created.

    Raises Findings when the file is not a skops file, or creates a reviewed type in a way that was not reviewed.
    """
    import_libraries(MODEL_FILE_LIBRARIES)
    import skops.io

    try:
        _require_sound_file(path)
        names = tuple(sorted(skops.io.get_untrusted_types(file=path)))
    except Exception as error:  # a hostile or damaged file can make skops raise any error
        raise _unreadable_model_error(path, error) from error
    if invalid := [name for name in names if not _TYPE_NAME.fullmatch(name)]:
        raise _unreadable_model_error(path, ValueError(f"{invalid[0]!r} is not a valid name of a type"))
    return names


def load_model_file(path: Path, trusted: Sequence[str]) -> Any:
    """Return the model in a skops file. Only types that are known to be safe or listed in `trusted` are created.

    Raises Findings when the file is not a skops file, needs other types, or holds indices that lead out of its arrays.
    """
    import_libraries(MODEL_FILE_LIBRARIES)
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        _require_sound_file(path)
        model = skops.io.load(path, trusted=list(trusted))
        require_sound_indices(model)
    except UntrustedTypesFoundException as error:
        raise Findings.of(
            "model-types-untrusted",
            f"{path.name} contains types that are not trusted: {error_headline(error)}",
            help="Review these types, and add them to `spec.train.trusted`.",
        ) from error
    except Exception as error:  # any error, as above
        raise _unreadable_model_error(path, error) from error
    return model


def _loading_code(path: str, trusted: Sequence[str]) -> tuple[str, str]:
    return "skops.io", f"skops.io.load({path!r}, trusted={list(trusted)!r})"


def _unreadable_model_error(path: Path, error: Exception) -> Findings:
    return Findings.of(
        "model-file-unreadable",
        f"{path.name} cannot be loaded: {error_headline(error)}",
        help="Install the versions in its requirements.txt, or train the model again.",
    )


def _require_sound_file(path: Path) -> None:
    """Raise ValueError when the decompressed archive is larger than MODEL_FILE_LIMIT, or creates a type in an unknown way."""
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
        if size > MODEL_FILE_LIMIT:
            raise ValueError(f"its decompressed size is {size:,} bytes, more than {MODEL_FILE_LIMIT:,}")
        require_reviewed_nodes(json.loads(archive.read(_SCHEMA_FILE)))


SKOPS = Packager(
    name="skops",
    entry_file="model.skops",
    reviewed_types=REVIEWED_TYPES,
    write=write_skops_file,
    find_untrusted_types=find_untrusted_types,
    load=load_model_file,
    digest=structural_digest,
    loading_code=_loading_code,
)
