"""What records call the repository, so that events of a fork are not taken for its own: the last two parts of its remote's URL.

These are owner and name on every git host, whatever the protocol, and stay the same where hosts have several names.
"""

from __future__ import annotations

import re

from mlops_ci.repository.git import Repository


def find_repository_name(repo: Repository | None) -> str | None:
    """Return the repository's name in lower case, such as `owner/name`; None where there is no remote, or it has no URL.

    The URL is the one that is configured, before `url.<base>.insteadOf` replaces its beginning.
    """
    remote = repo.default_remote() if repo is not None else None
    url = repo.remote_url(remote) if repo is not None and remote is not None else None
    if repo is None or not url:
        return None
    is_relative = not re.match(r"[a-z][a-z0-9+.-]*://|[^/]*:|/", url, re.IGNORECASE)
    return parse_repository_name((repo.root / url).resolve().as_posix() if is_relative else url)


def parse_repository_name(url: str) -> str | None:
    """Return the last two parts of a URL's path, or of a file's path, without `.git`; None where there is no part."""
    plain = re.sub(r"^[a-z][a-z0-9+.-]*://[^/]*", "", url, flags=re.IGNORECASE).partition("?")[0].replace("\\", "/")
    plain = re.sub(r"/(\.git)?/*$", "", plain)
    parts = [part for part in re.split(r"[/:]", plain) if part not in ("", ".", "..")]
    return "/".join(parts[-2:]).removesuffix(".git").lower() or None
