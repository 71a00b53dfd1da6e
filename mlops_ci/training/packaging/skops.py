"""A packaged model: the names of its files, loading without running code, and predictions as columns."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlops_ci.core.errors import Findings, error_headline
from mlops_ci.core.records import ModelSignature

MODEL_FILE, SIGNATURE_FILE, GOLDEN_FILE, REQUIREMENTS_FILE = (
    "model.skops",
    "signature.json",
    "golden.parquet",
    "requirements.txt",
)
PACKAGE_FILES = (MODEL_FILE, SIGNATURE_FILE, GOLDEN_FILE, REQUIREMENTS_FILE)
MAX_GOLDEN_ROWS = 500
REVIEWED_TYPES = (
    "numpy.dtype",
)  # needed by the default preprocessing; making a dtype runs no code, so no user need review it
_TYPE_NAME = re.compile(r"[\w.<>]{1,500}")
UNPACKED_LIMIT = 4 << 30  # bytes that a model file may unfold to

LABEL_COLUMN, VALUE_COLUMN, SCORE_COLUMN, PROBABILITY_PREFIX = (
    "prediction.label",
    "prediction.value",
    "prediction.score",
    "prediction.probability.",
)


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


def _unreadable_model_error(path: Path, error: Exception) -> Findings:
    return Findings.of(
        "model-file-unreadable",
        f"{path.name} cannot be loaded: {error_headline(error)}",
        help="Train it again with the versions in its requirements.txt, or install those.",
    )


def _require_size_limit(path: Path) -> None:
    """Raise ValueError when the archive would unfold to more than UNPACKED_LIMIT."""
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > UNPACKED_LIMIT:
        raise ValueError(f"it unfolds to {size:,} bytes")


def predict_columns(model: Any, frame: Any, task: str) -> dict[str, Any]:
    """Return predictions for n rows as columns [n]: the value, or the label with probabilities or a score."""
    if task == "regression":
        return {VALUE_COLUMN: np.asarray(model.predict(frame), dtype=np.float64).reshape(len(frame))}
    columns: dict[str, Any] = {}
    if hasattr(model, "predict_proba"):
        probabilities = np.asarray(model.predict_proba(frame), dtype=np.float64)
        columns = {f"{PROBABILITY_PREFIX}{index}": probabilities[:, index] for index in range(probabilities.shape[1])}
    elif task == "binary-classification" and hasattr(model, "decision_function"):
        columns = {SCORE_COLUMN: np.asarray(model.decision_function(frame), dtype=np.float64).reshape(len(frame))}
    return {LABEL_COLUMN: np.asarray(model.predict(frame)), **columns}


def class_labels(model: Any) -> tuple[Any, ...]:
    """Return a classifier's labels as Python values, in the order of its probabilities' columns."""
    return tuple(item.item() if hasattr(item, "item") else item for item in model.classes_)


def signature_mismatch(model: Any, signature: ModelSignature, task: str) -> str | None:
    """Say how a model differs from its signature, or None."""
    if task == "regression":
        return None
    classes = class_labels(model)
    return (
        None
        if classes == signature.classes
        else f"it knows the classes {classes}, its signature says {signature.classes}"
    )
