"""What is asked of git itself and not of GitPython, and why: `tests/repository/test_plain_git.py` shows each reason.

GitPython answers where it reads what git would read: a ref by its full name, and what a symbolic ref leads to, in repositories
whose refs are files and whose ids are SHA-1. Where it does not find an answer, git is asked, which tells absent from damaged.
"""

from __future__ import annotations

from collections.abc import Mapping

PLAIN_GIT_REASONS: Mapping[str, str] = {
    "discovery": "GitPython opens repositories of other users, in which git refuses to work: git is asked first, and its answer is"
    " enough",
    "configuration": "GitPython's recursion never ends on includeIf hasconfig, and GitPython ignores GIT_CONFIG_COUNT",
    "remotes": "GitPython knows only the remotes in the repository's own configuration file, and ignores url.insteadOf",
    "transfer": "GitPython's fetch and push run the hooks of the repository, and have no limits",
    "objects": "GitPython reads objects through a git process that it keeps running without a limit, and that fails on SHA-256;"
    " its reader in Python (GitDB) is deprecated because it is slow and not secure",
    "revisions": "GitPython's rev_parse does not know all of git's syntax, such as HEAD@{1.day.ago}",
    "history": "GitPython walks the history with a git process that it starts itself, without our limits",
    "listing": "importing GitPython takes longer than the whole listing of refs that `show` and `history` need",
    "reftable": "GitPython reads refs from files, and a repository with reftables has no such files",
    "sha256": "GitPython treats ids of 64 digits as damaged data",
    "absence": "GitPython raises the same error for a ref that does not exist and for a ref that is damaged",
    "writes": "GitPython moves a ref without a check of its old value: git moves several refs at once, and only if each of them"
    " has the expected old value",
}
