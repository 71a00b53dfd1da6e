"""What records call the repository, so that events of a fork are not taken for its own: owner and name, of its remote's URL.

These are the last two parts on every git host, whatever the protocol. A path of files has no owner: it is a name alone.
"""

from __future__ import annotations

import re

from mlops_ci.repository.git import Repository
from mlops_ci.repository.url_names import parse_repository_name


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
