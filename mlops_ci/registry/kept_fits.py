"""Fits that no stored run holds yet: a clone's own copies of model files that were fitted, and then not accepted.

They are found again after a command was killed, or after a model was refused whose spec is then amended. The folder is
local: no other clone sees it, and losing it costs one training.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from mlops_ci.core.codec import DecodeError, decode, encode
from mlops_ci.core.digest import canonical_json, digest_file
from mlops_ci.core.leftovers import scratch_prefix
from mlops_ci.core.planned_writes import KeepFit
from mlops_ci.core.records.base import FileDigest
from mlops_ci.core.records.training_run import Fit
from mlops_ci.repository.git import Repository

FITS_PER_MODEL = 3  # an older one is removed when another is kept
FIT_LIFETIME = 30 * 86_400  # seconds, after which a fit is removed when another is kept
_RECORD, _MODEL, _LOG = ".json", ".model", ".log"


@dataclass(frozen=True)
class KeptFit:
    """A kept fit: its record, the path of its model file, and the output of its training."""

    fit: Fit
    path: Path
    log: bytes


def fits_folder(repo: Repository) -> Path:
    """Return the folder of a clone's kept fits; it has a folder for each model."""
    return repo.common_dir / "mlops-ci" / "fits"


def keep_fit(repo: Repository, write: KeepFit) -> None:
    """Keep a fit; its record is written last, so that a fit without a record is one that was cut off."""
    folder = fits_folder(repo) / write.model
    folder.mkdir(parents=True, exist_ok=True)
    _remove_old_fits(folder)
    content = canonical_json(encode(write.fit)).encode()
    with tempfile.TemporaryDirectory(dir=folder, prefix=f"{scratch_prefix()}new-") as name:
        new = Path(name)
        shutil.copyfile(write.source, new / _MODEL)
        (new / _LOG).write_bytes(write.log)
        (new / _RECORD).write_bytes(content)
        for ending in (_MODEL, _LOG, _RECORD):
            (new / ending).replace(folder / f"{write.key}{ending}")


def find_fit(repo: Repository | None, model: str, key: str) -> KeptFit | None:
    """Return the kept fit of a key; None when there is none, or when what is there does not match its own record."""
    if repo is None:
        return None
    base = fits_folder(repo) / model
    path = base / f"{key}{_MODEL}"
    try:
        fit = decode(Fit, json.loads((base / f"{key}{_RECORD}").read_bytes()))
        size, log = path.stat().st_size, (base / f"{key}{_LOG}").read_bytes()
        found = FileDigest(fit.file.path, digest_file(path), size)
    except (OSError, DecodeError, ValueError, RecursionError):
        return None
    return KeptFit(fit, path, log) if found == fit.file else None


def remove_fit(repo: Repository, model: str, key: str) -> None:
    """Remove a kept fit, if there is one."""
    for ending in (_RECORD, _MODEL, _LOG):
        (fits_folder(repo) / model / f"{key}{ending}").unlink(missing_ok=True)


def _remove_old_fits(folder: Path) -> None:
    """Make room for another fit: of those that are there, keep the newest ones that are young enough."""
    records = sorted(folder.glob(f"*{_RECORD}"), key=_change_time, reverse=True)
    oldest = time.time() - FIT_LIFETIME
    staying = {path.stem for path in records[: FITS_PER_MODEL - 1] if _change_time(path) > oldest}
    for path in folder.iterdir():
        if path.stem in staying:
            continue
        if path.is_dir():  # of a command that writes a fit just now, or that was killed while it wrote
            if _change_time(path) < oldest:
                shutil.rmtree(path, ignore_errors=True)
        elif path.with_suffix(_RECORD) in records or _change_time(path) < oldest:
            path.unlink(missing_ok=True)


def _change_time(path: Path) -> float:
    """Return when a file was written, in seconds; 0 for one that another command has removed meanwhile."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
