"""Gives the job's token to git through the environment, for the job's own server and only for remote operations.

`actions/checkout` then need not store the token in a file (`persist-credentials: false`).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping

_SERVER = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(/[\w.~/-]*)?")


def git_token_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that make git send the token to GITHUB_SERVER_URL; none outside a job or without a token.

    Git sends a header only to URLs below the configured one, and the settings forbid it to follow redirects of that server.
    No credential helper and no askpass program of the configuration runs: the token is all that is needed there.
    A header that a checkout left in the configuration is replaced, because GitHub refuses two authorization headers.
    """
    token = environ.get("GITHUB_TOKEN", "").strip()
    server = environ.get("GITHUB_SERVER_URL", "").rstrip("/")
    before = environ.get("GIT_CONFIG_COUNT", "") or "0"
    if environ.get("GITHUB_ACTIONS") != "true" or not token or not _SERVER.fullmatch(server) or not before.isdigit():
        return {}
    credential = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    settings = (
        (f"http.{server}/.extraheader", ""),  # clears the headers that were set before
        (f"http.{server}/.extraheader", f"AUTHORIZATION: basic {credential}"),
        (f"http.{server}/.followRedirects", "false"),
        (f"credential.{server}.helper", ""),  # no program is asked for what is lent
        ("core.askPass", ""),
    )
    first = int(before)
    keys = {f"GIT_CONFIG_KEY_{first + at}": key for at, (key, _) in enumerate(settings)}
    values = {f"GIT_CONFIG_VALUE_{first + at}": value for at, (_, value) in enumerate(settings)}
    return {"GIT_CONFIG_COUNT": str(first + len(settings)), **keys, **values}
