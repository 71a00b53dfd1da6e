"""Files that are too large for git: objects named by their SHA-256 below a URL, by way of fsspec.

An object is there whole or not at all, and is verified on every read. Credentials come from the environment only, by the
rules of each protocol's own driver.
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

BLOCK_SIZE = 8 << 20  # bytes that are asked for at once: what a cut costs at most
REUPLOAD_AGE = timedelta(days=1)  # an older object is written again, so that no `gc` takes it for abandoned meanwhile
CACHE_LIFETIME = timedelta(days=30)  # a local copy that nobody asked for that long is removed
# what each driver calls the time at which an object was written
_MODIFIED_FIELDS = ("LastModified", "last_modified", "mtime", "updated")
_DISK_FULL_CODES = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
_DRIVERS = {"s3": "'mlops-ci[s3]'", "gs": "gcsfs", "abfs": "adlfs"}
# the name of an object, or of what a killed upload to a folder left
_OBJECT_NAME = re.compile(r"sha256/[0-9a-f]{2}/[0-9a-f]{64}(\.[0-9a-z_]{1,20}\.part)?")


@dataclass(frozen=True)
class StoredObject:
    """A file in a store: its name below the URL, its size in bytes, and when it was last written."""

    name: str
    size: int
    modified: datetime


def object_name(sha256: str) -> str:
    """Return where an object is, relative to the store's URL."""
    return f"sha256/{sha256[:2]}/{sha256}"


def upload_object(url: str, file: FileDigest, source: Path, now: datetime) -> bool:
    """Put a file into the store, and tell whether its bytes had to be sent: not when it is there, and young.

    Raises EnvironmentProblem when the store cannot be written, `store-corrupt` when the file is not what its digest says.
    """
    with _open_store(url) as (driver, root):
        path = f"{root}/{object_name(file.sha256)}"
        found = _find_object(driver, path)
        if found is not None and found.size == file.size and now - found.modified < REUPLOAD_AGE:
            return False
        if not _matches_digest(source, file):
            raise _corruption_error(url, file, "the file to be uploaded has changed")
        _put_file(driver, source, path)
        found = _find_object(driver, path)
        if found is None or found.size != file.size:
            raise _corruption_error(url, file, "it did not arrive whole")
        return True


def download_object(url: str, file: FileDigest, cache: Path, target: Path) -> None:
    """Write an object to `target`, verified; one that the cache has is not asked for again, a cut download goes on.

    Raises EnvironmentProblem when the store cannot be read, `store-missing` when the object is gone, and `store-corrupt`
    when its bytes are others than were recorded; there is nothing at `target` then.
    """
    with _open_store(url) as (driver, root), _cache_lock(cache):
        kept, part, outgoing = cache / file.sha256, cache / f"{file.sha256}.part", _outgoing_path(cache, file)
        if any(copy.is_file() and _copy_and_verify(copy, target, file) for copy in (outgoing, kept)):
            return
        kept.unlink(missing_ok=True)
        begun = part.exists()
        _download(driver, f"{root}/{object_name(file.sha256)}", url, file, part)
        if begun and not _matches_digest(part, file):  # what an earlier attempt left may be the part that is wrong
            part.unlink()
            _download(driver, f"{root}/{object_name(file.sha256)}", url, file, part)
        if not _matches_digest(part, file):
            part.unlink()
            raise _corruption_error(url, file, "its bytes are not those that were recorded")
        part.replace(kept)
        if not _copy_and_verify(kept, target, file):
            raise _corruption_error(url, file, "its local copy changed while it was read")
        _remove_old_copies(cache)


def keep_copy(file: FileDigest, source: Path, cache: Path) -> None:
    """Put a copy of a file beside the cache's own until it is uploaded: `fetch` finds it there, should the upload be cut.

    Raises EnvironmentProblem `store-corrupt` when the file is not what its digest says.
    """
    with _cache_lock(cache):
        copy = cache / f"{file.sha256}.copy"
        try:
            shutil.copyfile(source, copy)
            if not _matches_digest(copy, file):
                raise _corruption_error(str(source), file, "the file to be kept has changed")
            copy.replace(_outgoing_path(cache, file))
        finally:
            copy.unlink(missing_ok=True)


def remove_kept_copy(file: FileDigest, cache: Path) -> None:
    """Remove the copy that `keep` made."""
    _outgoing_path(cache, file).unlink(missing_ok=True)


def download_url(url: str, target: Path, limit: int) -> None:
    """Write the one file that a URL names to `target`; of more than `limit` bytes nothing is read.

    Raises EnvironmentProblem when it cannot be read, `store-missing` when it is not there or too large; there is nothing at
    `target` then.
    """
    with _open_store(url) as (driver, path):
        info = driver.info(path)
        if info.get("type") != "file":
            raise _unreadable_error(url, "it is no file")
        size = int(info["size"])
        if size > limit:
            raise _unreadable_error(url, f"it has {size:,} bytes, at most {limit:,} are read")
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
            raise _unreadable_error(url, f"it ends after {at:,} of {size:,} bytes")
        at += len(block)
        yield block


def _unreadable_error(url: str, why: str) -> EnvironmentProblem:
    return EnvironmentProblem.of("store-missing", f"{url} cannot be read: {why}", help="is it the file that was meant?")


def _outgoing_path(cache: Path, file: FileDigest) -> Path:
    return cache / f"{file.sha256}.outgoing"


def list_objects(url: str) -> tuple[StoredObject, ...]:
    """Return every object of the store by name, and what killed uploads left; raises EnvironmentProblem when it cannot be read.

    Other files below the URL are left out, and objects of which the driver does not know the age.
    """
    with _open_store(url) as (driver, root):
        found = driver.find(f"{root}/sha256", detail=True)
        objects = (_parse_object(str(path).removeprefix(f"{root}/"), info) for path, info in found.items())
        return tuple(
            sorted((one for one in objects if one and _OBJECT_NAME.fullmatch(one.name)), key=lambda one: one.name)
        )


def remove_object(url: str, name: str, modified: str) -> bool:
    """Remove an object that was last written at `modified`, and tell whether it was; raises EnvironmentProblem."""
    with _open_store(url) as (driver, root):
        found = _find_object(driver, f"{root}/{name}") if _OBJECT_NAME.fullmatch(name) else None
        if found is None or found.modified.isoformat() != modified:
            return False
        driver.rm_file(f"{root}/{name}")
        return True


def _put_file(driver: Any, source: Path, path: str) -> None:
    if "file" not in driver.protocol:  # an object store shows an object only when all of it has arrived
        driver.put_file(str(source), path)
        return
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=Path(path).parent, prefix=f"{Path(path).name}.", suffix=".part")
    try:
        with open(handle, "wb") as sink, source.open("rb") as stream:  # noqa: PTH123 - it is given a descriptor
            shutil.copyfileobj(stream, sink)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _download(driver: Any, path: str, url: str, file: FileDigest, part: Path) -> None:
    """Append to `part` what it lacks of the object."""
    found = _find_object(driver, path)
    if found is None:
        raise EnvironmentProblem.of(
            "store-missing",
            f"{url} does not have {object_name(file.sha256)}, which is {file.path}",
            help="if another copy of the store has it, put it back; a run that was not released can be made again once its"
            " ref is removed (git update-ref -d REF)",
        )
    if found.size != file.size:
        raise _corruption_error(url, file, f"it has {found.size:,} bytes, not {file.size:,}")
    with part.open("ab") as sink:
        if sink.tell() > file.size:
            sink.truncate(0)
        while (at := sink.tell()) < file.size:
            block = driver.cat_file(path, start=at, end=min(at + BLOCK_SIZE, file.size))
            if not block:
                raise _corruption_error(url, file, f"it ends after {at:,} of {file.size:,} bytes")
            sink.write(block)
            sink.flush()


def _copy_and_verify(kept: Path, target: Path, file: FileDigest) -> bool:
    """Copy a file and tell whether the copy is what was recorded; there is none otherwise."""
    shutil.copyfile(kept, target)
    if _matches_digest(target, file):
        kept.touch()
        return True
    target.unlink()
    return False


def _remove_old_copies(cache: Path) -> None:
    """Remove local copies that nobody has asked for in a long time, and what was never downloaded to its end."""
    oldest = time.time() - CACHE_LIFETIME.total_seconds()
    for path in cache.iterdir():
        with suppress(OSError):
            if path.stat().st_mtime < oldest:
                path.unlink()


def _matches_digest(path: Path, file: FileDigest) -> bool:
    return path.stat().st_size == file.size and digest_file(path) == file.sha256


@contextmanager
def _cache_lock(cache: Path) -> Iterator[None]:
    """Keep two commands from appending to the same file."""
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
    # some drivers list fractions of a second, and leave them out when they are asked for one object
    utc = (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)
    return StoredObject(name, int(info["size"]), utc)


@contextmanager
def _open_store(url: str) -> Iterator[tuple[Any, str]]:
    """Give the driver of a URL and the path of its root; whatever goes wrong is an EnvironmentProblem."""
    if not STORE_URL.fullmatch(url):
        raise EnvironmentProblem.of(
            "store-unknown", f"{url!r:.200} is no URL of a store", help="see `store` in mlops.yaml"
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
            f"{url} cannot be used, because its driver is not installed: {error}",
            help=f"pip install {_DRIVERS.get(protocol, 'fsspec')}",
        ) from error
    except FileNotFoundError as error:
        raise EnvironmentProblem.of(
            "store-unknown",
            f"{url} is not there: {error_headline(error)}",
            help="check `store` in mlops.yaml, and make the bucket or container: an upload does not",
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
    except Exception as error:  # drivers let through whatever the libraries below them raise
        refused = re.search("Credential|Auth|Token|ProfileNotFound", type(error).__name__)
        raise (_forbidden_error if refused else _unreachable_error)(url, error) from error


def _make_driver(protocol: str) -> Any:
    import fsspec

    # a driver of its own for each use: one that is shared would keep listings, connections and credentials of before
    return fsspec.filesystem(protocol, skip_instance_cache=True, use_listings_cache=False)


def _close_driver(driver: Any) -> None:
    """End an S3 driver's connections now, not when Python happens to collect it."""
    client = getattr(driver, "_s3", None)
    if client is not None:
        driver.close_session(driver.loop, client)


def _forbidden_error(url: str, error: Exception) -> EnvironmentProblem:
    return EnvironmentProblem.of(
        "store-forbidden",
        f"{url} does not let this user in: {error_headline(error)}",
        help="credentials come from the environment (for S3: AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY);"
        " they need the right to read and write below this URL",
    )


def _unreachable_error(url: str, error: Exception) -> EnvironmentProblem:
    return EnvironmentProblem.of(
        "store-unreachable",
        f"{url} does not answer as it should: {error_headline(error)}",
        help="check the network and `store` in mlops.yaml, then run the same command again: it goes on where it was cut",
    )


def _corruption_error(url: str, file: FileDigest, why: str) -> EnvironmentProblem:
    return EnvironmentProblem.of(
        "store-corrupt",
        f"{url} does not hold {file.path} as it was recorded: {why}",
        help=f"somebody changed {object_name(file.sha256)} there, or it is damaged: put it back from another copy",
    )
