"""The skops format: scikit-learn models in an archive that is loaded without running code."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlops_ci.core.errors import Findings, error_headline
from mlops_ci.training.packaging.package_files import MODEL_FILE_LIMIT
from mlops_ci.training.packaging.protocol import Packager
from mlops_ci.training.packaging.structural_digest import structural_digest

REVIEWED_TYPES = (
    "numpy.dtype",
)  # needed by the default preprocessing; making a dtype runs no code, so no user need review it
_TYPE_NAME = re.compile(r"[\w.<>]{1,500}")


def write_model_file(model: Any, path: Path) -> None:
    """Write the model file; raises whatever the model's own state makes skops raise."""
    import skops.io

    skops.io.dump(model, path, compression=zipfile.ZIP_DEFLATED)


def find_untrusted_types(path: Path) -> tuple[str, ...]:
    """Return the types in a skops file that are not known to be safe, sorted; nothing is imported or made.

    Raises Findings when the file is none.
    """
    import skops.io

    try:
        _require_size_limit(path)
        found = tuple(sorted(skops.io.get_untrusted_types(file=path)))
    except Exception as error:  # a hostile or damaged file makes skops raise anything
        raise _unreadable_model_error(path, error) from error
    if strange := [name for name in found if not _TYPE_NAME.fullmatch(name)]:
        raise _unreadable_model_error(path, ValueError(f"{strange[0]!r} is not a type"))
    return found


def load_model_file(path: Path, trusted: Sequence[str]) -> Any:
    """Return the model in a skops file; only types that are known to be safe or stand in `trusted` are made.

    Raises Findings when the file is none, or needs other types.
    """
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        _require_size_limit(path)
        return skops.io.load(path, trusted=list(trusted))
    except UntrustedTypesFoundException as error:
        raise Findings.of(
            "model-types-untrusted",
            f"{path.name} holds types that are not on its trusted list: {error_headline(error)}",
            help="Review them, and list them under spec.train.trusted.",
        ) from error
    except Exception as error:  # as above
        raise _unreadable_model_error(path, error) from error


def _loading_code(path: str, trusted: Sequence[str]) -> tuple[str, str]:
    return "skops.io", f"skops.io.load({path!r}, trusted={list(trusted)!r})"


def _unreadable_model_error(path: Path, error: Exception) -> Findings:
    return Findings.of(
        "model-file-unreadable",
        f"{path.name} cannot be loaded: {error_headline(error)}",
        help="Train it again with the versions in its requirements.txt, or install those.",
    )


def _require_size_limit(path: Path) -> None:
    """Raise ValueError when the archive would unfold to more than MODEL_FILE_LIMIT."""
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > MODEL_FILE_LIMIT:
        raise ValueError(f"it unfolds to {size:,} bytes")


SKOPS = Packager(
    name="skops",
    entry_file="model.skops",
    reviewed_types=REVIEWED_TYPES,
    write=write_model_file,
    find_untrusted_types=find_untrusted_types,
    load=load_model_file,
    digest=structural_digest,
    loading_code=_loading_code,
)
