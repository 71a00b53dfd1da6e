"""Repository URLs without credentials, which are safe to publish."""

from __future__ import annotations

import re

_SCP = re.compile(r"(?P<user>[^/:@]+):[^/]*@(?P<rest>[^/:@]+:.*)", re.DOTALL)
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)", re.DOTALL)
_AUTHORITY = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\s:@/?#\[\]]+)(?::\d*)?(?:[/?#]|$)")


def without_credentials(url: str) -> str:
    """Return a repository's URL without password, token, query or fragment.

    An ssh user stays, because it names the service and is not a secret. A user name over http is removed, because it can be a
    token. Paths on disk and scp-like addresses (`git@host:path`) are returned unchanged.
    """
    url = url.strip()
    found = _URL.fullmatch(url)
    if not found:
        scp = _SCP.fullmatch(url)
        return f"{scp['user']}@{scp['rest']}" if scp else url
    scheme, rest = found["scheme"], found["rest"]
    if scheme.lower() == "file":
        return url
    userinfo, host = _split_userinfo(rest)
    place = re.split("[?#]", host)[0]
    if "ssh" in scheme.lower() and (user := userinfo.partition(":")[0]):
        return f"{scheme}://{user}@{place}"
    return f"{scheme}://{place}"


def _split_userinfo(rest: str) -> tuple[str, str]:
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    userinfo, _, host = authority.rpartition("@")
    host += rest[len(authority) :]
    if "@" in host and not _AUTHORITY.match(host):
        # a password with an unescaped slash: the apparent host is a part of the password
        more, _, host = host.rpartition("@")
        userinfo = f"{userinfo}@{more}" if userinfo else more
    return userinfo, host
