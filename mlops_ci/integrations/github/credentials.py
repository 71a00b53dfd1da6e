"""How git is given the job's token: by its environment, for the job's own server, and only while it speaks with a remote.

So that `actions/checkout` need not leave the token in a file (`persist-credentials: false`).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping

_SERVER = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(/[\w.~/-]*)?")


def git_token_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that make git send the token to GITHUB_SERVER_URL; none outside a job, or without a token.

    Git itself sends a header to no URL that is not below the one it is set for, and is told not to follow that server elsewhere.
    What a checkout has left in the configuration is replaced, since two of these headers are refused.
    """
    token = environ.get("GITHUB_TOKEN", "").strip()
    server = environ.get("GITHUB_SERVER_URL", "").rstrip("/")
    before = environ.get("GIT_CONFIG_COUNT", "") or "0"
    if environ.get("GITHUB_ACTIONS") != "true" or not token or not _SERVER.fullmatch(server) or not before.isdigit():
        return {}
    word = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    settings = (
        (f"http.{server}/.extraheader", ""),  # none of those before
        (f"http.{server}/.extraheader", f"AUTHORIZATION: basic {word}"),
        (f"http.{server}/.followRedirects", "false"),
    )
    first = int(before)
    keys = {f"GIT_CONFIG_KEY_{first + at}": key for at, (key, _) in enumerate(settings)}
    values = {f"GIT_CONFIG_VALUE_{first + at}": value for at, (_, value) in enumerate(settings)}
    return {"GIT_CONFIG_COUNT": str(first + len(settings)), **keys, **values}
