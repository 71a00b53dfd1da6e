"""What is asked of git itself and not of GitPython, and why: `tests/repository/test_plain_git.py` shows each reason.

GitPython answers where it reads what git would read: a ref by its full name, and what a symbolic ref leads to, in repositories
whose refs are files and whose ids are SHA-1. Where it does not find an answer, git is asked, which tells absent from damaged.
"""

from __future__ import annotations

from collections.abc import Mapping

PLAIN_GIT_REASONS: Mapping[str, str] = {
    "discovery": "GitPython opens repositories of other users, in which git refuses to work: git is asked first, and says it all",
    "configuration": "GitPython recurses without end on includeIf hasconfig, and leaves out GIT_CONFIG_COUNT",
    "remotes": "GitPython knows the remotes of the repository's own file alone, and no url.insteadOf",
    "transfer": "GitPython's fetch and push run the hooks of the repository, and have no limits",
    "objects": "GitPython reads objects by a git that it keeps running without a limit; it fails on SHA-256, and its reader in"
    " Python (GitDB) is deprecated for its security and speed",
    "revisions": "GitPython's rev_parse does not know all of git's syntax, such as HEAD@{1.day.ago}",
    "history": "GitPython walks history by a git that it starts itself, without our limits",
    "listing": "importing GitPython takes longer than the whole listing of refs behind show and history",
    "reftable": "GitPython reads refs from files, and a repository with reftables has none",
    "sha256": "GitPython takes ids of 64 digits for damage",
    "absence": "GitPython raises the same error for a ref that is not there and one that is damaged",
    "writes": "GitPython moves a ref wherever it is: git moves several, each from where it is expected, or none",
}
