"""The object store for files that are too large for git: objects named by their SHA-256 below a URL, accessed with fsspec.

An upload stores an object completely or not at all, and every read verifies the digest. Credentials come only from the
environment, by the rules of each protocol's driver.
"""

from __future__ import annotations

import errno
import fcntl
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mlops_ci.core.digest import digest_file
from mlops_ci.core.errors import EnvironmentProblem, ToolError, error_headline
from mlops_ci.core.records.base import FileDigest
from mlops_ci.core.records.training_run import STORE_URL

BLOCK_SIZE = 8 << 20  # bytes for each read: an interrupted download loses at most this much
REUPLOAD_AGE = timedelta(days=1)  # an older object is written again, so that a concurrent `gc` does not delete it
# a silent store is given up after three waits; otherwise botocore would wait a minute for it, and s3fs would do this many times
_S3_PATIENCE = {"connect_timeout": 10, "read_timeout": 10, "retries": {"mode": "standard", "total_max_attempts": 3}}
CACHE_LIFETIME = timedelta(days=30)  # a local copy that was not used for this time is removed
# the names that the drivers use for the time of the last write
_MODIFIED_FIELDS = ("LastModified", "last_modified", "mtime", "updated")
_DISK_FULL_CODES = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
_DRIVERS = {"s3": "'mlops-ci[s3]'", "gs": "gcsfs", "abfs": "adlfs"}
# the name of an object, or of the temporary file that a killed upload to a folder left
_OBJECT_NAME = re.compile(r"sha256/[0-9a-f]{2}/[0-9a-f]{64}(\.[0-9a-z_]{1,20}\.part)?")


@dataclass(frozen=True)
class StoredObject:
    """An object in a store: its name below the URL, its size in bytes, and the time of its last write."""

    name: str
    size: int
    modified: datetime


def object_name(sha256: str) -> str:
    """Return an object's name, which is its path relative to the store's URL."""
    return f"sha256/{sha256[:2]}/{sha256}"


def upload_object(url: str, file: FileDigest, source: Path, now: datetime) -> bool:
    """Upload a file, and return whether it was sent. It is not sent when the store has it and its last write is recent.

    Raises EnvironmentProblem when the store cannot be written, and `store-corrupt` when the file does not match its digest.
    """
    with _open_store(url) as (driver, root):
        path = f"{root}/{object_name(file.sha256)}"
        found = _find_object(driver, path)
        if found is not None and found.size == file.size and now - found.modified < REUPLOAD_AGE:
            return False
        if not _matches_digest(source, file):
            raise _corruption_error(url, file, "the local file changed before its upload")
        _put_file(driver, source, path)
        found = _find_object(driver, path)
        if found is None or found.size != file.size:
            raise _corruption_error(url, file, "after the upload, the object is missing or has another size")
        return True


def download_object(url: str, file: FileDigest, cache: Path, target: Path) -> None:
    """Write an object to `target` and verify it. A cached object is not downloaded again; an interrupted download resumes.

    Raises EnvironmentProblem when the store cannot be read, `store-missing` when it does not have the object, and
    `store-corrupt` when the content does not match the recorded digest. `target` does not exist then.
    """
    with _open_store(url) as (driver, root), _cache_lock(cache):
        kept, part, outgoing = cache / file.sha256, cache / f"{file.sha256}.part", _outgoing_path(cache, file)
        if any(copy.is_file() and _copy_and_verify(copy, target, file) for copy in (outgoing, kept)):
            return
        kept.unlink(missing_ok=True)
        begun = part.exists()
        _download(driver, f"{root}/{object_name(file.sha256)}", url, file, part)
        if begun and not _matches_digest(part, file):  # the part from an earlier attempt may be damaged
            part.unlink()
            _download(driver, f"{root}/{object_name(file.sha256)}", url, file, part)
        if not _matches_digest(part, file):
            part.unlink()
            raise _corruption_error(url, file, "its content does not match the recorded digest")
        part.replace(kept)
        if not _copy_and_verify(kept, target, file):
            raise _corruption_error(url, file, "the local copy changed while it was read")
        _remove_old_copies(cache)


def keep_copy(file: FileDigest, source: Path, cache: Path) -> None:
    """Keep a copy of a file in the cache until it is uploaded: `download_object` uses it if the upload is interrupted.

    Raises EnvironmentProblem `store-corrupt` when the file does not match its digest.
    """
    with _cache_lock(cache):
        copy = cache / f"{file.sha256}.copy"
        try:
            shutil.copyfile(source, copy)
            if not _matches_digest(copy, file):
                raise _corruption_error(str(source), file, "the local file changed before it was copied")
            copy.replace(_outgoing_path(cache, file))
        finally:
            copy.unlink(missing_ok=True)


def remove_kept_copy(file: FileDigest, cache: Path) -> None:
    """Remove the copy that `keep_copy` made."""
    _outgoing_path(cache, file).unlink(missing_ok=True)


def download_url(url: str, target: Path, limit: int) -> None:
    """Download the single file at a URL to `target`; a file larger than `limit` bytes is not read.

    Raises EnvironmentProblem when the file cannot be read, and `store-missing` when it does not exist, is not a file or is
    too large. `target` does not exist then.
    """
    with _open_store(url) as (driver, path):
        info = driver.info(path)
        if info.get("type") != "file":
            raise _unreadable_error(url, "it is not a file")
        size = int(info["size"])
        if size > limit:
            raise _unreadable_error(url, f"it has {size:,} bytes; the limit is {limit:,}")
        try:
            with target.open("xb") as sink:
                sink.writelines(_read_blocks(driver, path, url, size))
        except BaseException:
            target.unlink(missing_ok=True)
            raise


def _read_blocks(driver: Any, path: str, url: str, size: int) -> Iterator[bytes]:
    at = 0
    while at < size:
        block: bytes = driver.cat_file(path, start=at, end=min(at + BLOCK_SIZE, size))
        if not block:
            raise _unreadable_error(url, f"it ended after {at:,} of {size:,} bytes")
        at += len(block)
        yield block


def _unreadable_error(url: str, why: str) -> EnvironmentProblem:
    return EnvironmentProblem.of(
        "store-missing", f"{url} cannot be read: {why}", help="check that the URL names the intended file"
    )


def _outgoing_path(cache: Path, file: FileDigest) -> Path:
    return cache / f"{file.sha256}.outgoing"


def list_objects(url: str) -> tuple[StoredObject, ...]:
    """Return the objects of the store, sorted by name, with the temporary files of killed uploads.

    Other files below the URL are left out, and also objects for which the driver reports no time of the last write. Raises
    EnvironmentProblem when the store cannot be read.
    """
    with _open_store(url) as (driver, root):
        found = driver.find(f"{root}/sha256", detail=True)
        objects = (_parse_object(str(path).removeprefix(f"{root}/"), info) for path, info in found.items())
        return tuple(
            sorted((one for one in objects if one and _OBJECT_NAME.fullmatch(one.name)), key=lambda one: one.name)
        )


def remove_object(url: str, name: str, modified: str) -> bool:
    """Remove an object, and return whether it was removed: only if its last write is still at `modified`.

    Raises EnvironmentProblem when the store cannot be written.
    """
    with _open_store(url) as (driver, root):
        found = _find_object(driver, f"{root}/{name}") if _OBJECT_NAME.fullmatch(name) else None
        if found is None or found.modified.isoformat() != modified:
            return False
        driver.rm_file(f"{root}/{name}")
        return True


def _put_file(driver: Any, source: Path, path: str) -> None:
    if "file" not in driver.protocol:  # an object store shows an object only after its complete upload
        driver.put_file(str(source), path)
        return
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=Path(path).parent, prefix=f"{Path(path).name}.", suffix=".part")
    try:
        with open(handle, "wb") as sink, source.open("rb") as stream:  # noqa: PTH123 - the argument is a file descriptor
            shutil.copyfileobj(stream, sink)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _download(driver: Any, path: str, url: str, file: FileDigest, part: Path) -> None:
    """Append the missing bytes of the object to `part`."""
    found = _find_object(driver, path)
    if found is None:
        raise EnvironmentProblem.of(
            "store-missing",
            f"{url} does not have the object {object_name(file.sha256)} of {file.path}",
            help="if a backup of the store has the object, restore it. A run that is not released can be created again after"
            " you delete its ref (git update-ref -d REF)",
        )
    if found.size != file.size:
        raise _corruption_error(url, file, f"it has {found.size:,} bytes, not {file.size:,}")
    with part.open("ab") as sink:
        if sink.tell() > file.size:
            sink.truncate(0)
        while (at := sink.tell()) < file.size:
            block = driver.cat_file(path, start=at, end=min(at + BLOCK_SIZE, file.size))
            if not block:
                raise _corruption_error(url, file, f"it ended after {at:,} of {file.size:,} bytes")
            sink.write(block)
            sink.flush()


def _copy_and_verify(kept: Path, target: Path, file: FileDigest) -> bool:
    """Copy a file, and return whether the copy matches the recorded digest; a copy that does not match is removed."""
    shutil.copyfile(kept, target)
    if _matches_digest(target, file):
        kept.touch()
        return True
    target.unlink()
    return False


def _remove_old_copies(cache: Path) -> None:
    """Remove local copies and partial downloads that were not used for `CACHE_LIFETIME`."""
    oldest = time.time() - CACHE_LIFETIME.total_seconds()
    for path in cache.iterdir():
        with suppress(OSError):
            if path.stat().st_mtime < oldest:
                path.unlink()


def _matches_digest(path: Path, file: FileDigest) -> bool:
    return path.stat().st_size == file.size and digest_file(path) == file.sha256


@contextmanager
def _cache_lock(cache: Path) -> Iterator[None]:
    """Lock the cache, so that two commands do not append to the same file."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _find_object(driver: Any, path: str) -> StoredObject | None:
    try:
        return _parse_object(path, driver.info(path))
    except FileNotFoundError:
        return None


def _parse_object(name: str, info: Any) -> StoredObject | None:
    when = next((info[key] for key in _MODIFIED_FIELDS if info.get(key) is not None), None)
    if isinstance(when, int | float):
        when = datetime.fromtimestamp(when, UTC)
    elif isinstance(when, str):
        when = datetime.fromisoformat(when)
    if info.get("type") != "file" or not isinstance(when, datetime):
        return None
    # some drivers give fractions of a second in a listing but not for a single object
    utc = (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)
    return StoredObject(name, int(info["size"]), utc)


@contextmanager
def _open_store(url: str) -> Iterator[tuple[Any, str]]:
    """Yield the driver of a URL and the path of its root; every error inside becomes an EnvironmentProblem."""
    if not STORE_URL.fullmatch(url):
        raise EnvironmentProblem.of(
            "store-unknown", f"{url!r:.200} is not the URL of an object store", help="check `store` in mlops.yaml"
        )
    protocol, _, path = url.partition("://")
    try:
        driver = _make_driver(protocol)
        try:
            yield driver, path.rstrip("/")
        finally:
            _close_driver(driver)
    except ToolError:
        raise
    except ImportError as error:
        raise EnvironmentProblem.of(
            "store-driver-missing",
            f"{url} cannot be used because its driver is not installed: {error}",
            help=f"pip install {_DRIVERS.get(protocol, 'fsspec')}",
        ) from error
    except FileNotFoundError as error:
        raise EnvironmentProblem.of(
            "store-unknown",
            f"{url} does not exist: {error_headline(error)}",
            help="check `store` in mlops.yaml, and create the bucket or container: an upload does not create it",
        ) from error
    except PermissionError as error:
        raise _forbidden_error(url, error) from error
    except OSError as error:
        if error.errno in _DISK_FULL_CODES:
            raise EnvironmentProblem.of(
                "disk-full",
                f"no space left: {error_headline(error)}",
                help="free some space, then run the same command again",
            ) from error
        raise _unreachable_error(url, error) from error
    except Exception as error:  # drivers pass on the exceptions of the libraries that they use
        refused = re.search("Credential|Auth|Token|ProfileNotFound", type(error).__name__)
        raise (_forbidden_error if refused else _unreachable_error)(url, error) from error


def _make_driver(protocol: str) -> Any:
    import fsspec

    # a new driver for each use: a shared one would keep old listings, connections and credentials
    own = {"config_kwargs": _S3_PATIENCE} if protocol == "s3" else {}
    driver = fsspec.filesystem(protocol, skip_instance_cache=True, use_listings_cache=False, **own)
    if own:
        driver.retries = 1  # beside those of botocore, each of which waits as long
    return driver


def _close_driver(driver: Any) -> None:
    """Close an S3 driver's connections now, not at its garbage collection."""
    client = getattr(driver, "_s3", None)
    if client is not None:
        driver.close_session(driver.loop, client)


def _forbidden_error(url: str, error: Exception) -> EnvironmentProblem:
    return EnvironmentProblem.of(
        "store-forbidden",
        f"{url} denies access: {error_headline(error)}",
        help="set credentials in the environment (for S3: AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY);"
        " they need permission to read and write below this URL",
    )


def _unreachable_error(url: str, error: Exception) -> EnvironmentProblem:
    return EnvironmentProblem.of(
        "store-unreachable",
        f"{url} cannot be reached, or its answer is invalid: {error_headline(error)}",
        help="check the network and `store` in mlops.yaml, then run the same command again: it resumes the transfer",
    )


def _corruption_error(url: str, file: FileDigest, why: str) -> EnvironmentProblem:
    return EnvironmentProblem.of(
        "store-corrupt",
        f"{file.path} in {url} differs from its record: {why}",
        help=f"the object {object_name(file.sha256)} was changed or is damaged: restore it from a backup",
    )
