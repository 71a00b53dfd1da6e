"""What git says about a push, and what it means: raced only where git says so, and everything else in the remote's own words."""

from __future__ import annotations

import pytest

from mlops_ci.repository.push_answer import judge_push, parse_push, remote_words

LOG, TAG, MAIN = "refs/mlops/log/delay", "refs/tags/delay@v1.0.0", "refs/heads/main"


def porcelain(**reasons: str) -> str:
    """The output of `git push --porcelain` for the log, the tag and the branch; a ref without a reason arrived."""
    refs = {"log": LOG, "tag": TAG, "main": MAIN}
    lines = [
        f"!\tabc:{refs[name]}\t[remote rejected] ({why})" if why else f"*\tabc:{refs[name]}\t[new reference]"
        for name, why in reasons.items()
    ]
    return "\n".join(["To origin", *lines, "Done"])


ALL = {"log": "atomic transaction failed", "tag": "atomic transaction failed"}
LOCK = f"remote: error: cannot lock ref '{LOG}': "

RACED = {
    "a branch that moved": (porcelain(main="fetch first", tag="atomic push failed"), ""),
    "a ref that moved": (porcelain(log="non-fast-forward", tag="atomic push failure"), ""),
    "a ref that is to go and moved": (f"!\t(delete):{LOG}\t[rejected] (stale info)\nDone", ""),
    "a tag that is there": (porcelain(tag="already exists", log="atomic push failed"), ""),
    "a ref that moved meanwhile": (porcelain(**ALL), f"{LOCK}is at 1234567 but expected 7654321"),
    "a ref that came meanwhile": (porcelain(**ALL), f"{LOCK}reference already exists"),
    "a ref that went meanwhile": (porcelain(**ALL), f"{LOCK}unable to resolve reference '{LOG}'"),
    "a ref that another process holds": (porcelain(**ALL), f"{LOCK}Unable to create '/srv/{LOG}.lock': File exists."),
    "GitHub's words": (porcelain(main=f"cannot lock ref '{MAIN}': is at 1234567 but expected 7654321"), ""),
    "words for one ref": (porcelain(log="failed to update ref"), f"{LOCK}reference already exists"),
    "a newer git": (porcelain(log="incorrect old value provided", tag="atomic transaction failed"), ""),
    "beside a run that was there before": (
        f"=\tabc:refs/mlops/runs/delay/1\t[up to date]\n{porcelain(log='fetch first')}",
        "",
    ),
    "JGit": (porcelain(log="failed to lock", tag="transaction aborted"), ""),
    "Azure DevOps": (porcelain(main="TF401028: has already been updated by another client"), ""),
}
REFUSED = {
    "a pre-receive hook": (porcelain(log="pre-receive hook declined", tag="pre-receive hook declined"), "remote: 5 GB of 5 GB"),
    "an update hook": (porcelain(tag="hook declined", log="atomic push failure"), "remote: protected tag"),
    "a branch that is checked out": (porcelain(main="branch is currently checked out", log="atomic push failure"), ""),
    "refs that must not go": (f"!\t:{LOG}\t[remote rejected] (deletion prohibited)\nDone", ""),
    "all refs are hidden": (porcelain(log="deny updating a hidden ref"), ""),
    "a full disk": (porcelain(log="unpacker error", tag="unpacker error"), "remote: fatal: write error: No space left on device"),
    "a pack that is too large": (porcelain(log="unpacker error"), "remote: fatal: pack exceeds maximum allowed size"),
    "a name in the way": (porcelain(**ALL), f"{LOCK}'refs/mlops/log' exists; cannot create '{LOG}'"),
    "a folder that cannot be written": (porcelain(**ALL), f"{LOCK}Unable to create '/srv/{LOG}.lock': Permission denied"),
    "a full disk at the lock": (porcelain(**ALL), f"{LOCK}Unable to create '/srv/{LOG}.lock': No space left on device"),
    "a broken ref": (porcelain(**ALL), f"{LOCK}unable to resolve reference '{LOG}': reference broken"),
    "Gerrit": (porcelain(log="prohibited by Gerrit: not permitted: create"), ""),
    "no right to write": ("", "remote: Permission to acme/models.git denied to bot.\nfatal: unable to access 'https://x/': The requested URL returned error: 403"),
    "no right to write by SSH": ("", "ERROR: Permission to acme/models.git denied to bot.\nfatal: Could not read from remote repository."),
    "an unknown key": ("", "git@github.com: Permission denied (publickey).\nfatal: Could not read from remote repository."),
    "an archived repository": ("", "remote: This repository was archived so it is read-only.\nfatal: unable to access 'https://x/': The requested URL returned error: 403"),
    "a token that expired": ("", "fatal: Authentication failed for 'https://x/'"),
    "a body that is too large": ("", "error: RPC failed; HTTP 413 curl 22 The requested URL returned error: 413\nfatal: the remote end hung up unexpectedly"),
    "a daemon without pushes": ("", "fatal: remote error: access denied or repository not exported: /origin.git"),
    "no atomic pushes": ("", "fatal: the receiving end does not support --atomic push"),
}  # fmt: skip
UNKNOWN = {
    "a connection that broke": ("", "fatal: the remote end hung up unexpectedly"),
    "a remote without a report": (f"!\tabc:{LOG}\t[remote failure] (remote failed to report status)\nDone", ""),
    "a gateway that gave up": ("", "error: RPC failed; HTTP 504 curl 22 The requested URL returned error: 504\nfatal: the remote end hung up unexpectedly"),
    "no network": ("", "fatal: unable to access 'https://x/': Could not resolve host: x"),
}  # fmt: skip
ROWS = [
    *(("raced", *row) for row in RACED.items()),
    *(("refused", *row) for row in REFUSED.items()),
    *(("unknown", *row) for row in UNKNOWN.items()),
]


@pytest.mark.parametrize(("state", "said"), [(state, said) for state, _, said in ROWS], ids=[row[1] for row in ROWS])
def test_a_push_ends_as_git_says(state: str, said: tuple[str, str]) -> None:
    assert judge_push(1, *said).state == state


def test_a_refusal_is_told_in_the_words_of_the_remote_and_without_the_refs_that_it_took_along() -> None:
    said = judge_push(
        1, porcelain(tag="hook declined", log="atomic push failure"), "remote: protected tag   \nremote:\n"
    )
    assert said.detail == f"{TAG}: hook declined; protected tag"


def test_the_words_are_those_for_people() -> None:
    err = "remote: Resolving deltas: 100% (3/3), done.\nremote: Total 5 (delta 3), reused 0\nremote: 5 GB of 5 GB\n"
    assert remote_words(err) == ["5 GB of 5 GB"]
    told = judge_push(1, "", "ERROR: Repository not found.\nfatal: Could not read from remote repository.")
    assert told.detail == "ERROR: Repository not found."


def test_what_arrived_without_the_rest_is_named() -> None:
    said = judge_push(1, porcelain(tag="", log="deny updating a hidden ref"), "")
    assert (said.state, said.arrived, said.missing) == ("partial", (TAG,), (LOG,))
    assert said.detail == "deny updating a hidden ref"


BRANCH = {
    "the branch alone": (porcelain(main="hook declined", log="atomic push failure"), "", True),
    "GitHub's protection": (porcelain(main="protected branch hook declined", tag="atomic push failure"), "remote: error: GH006", True),
    "GitHub's rules": (porcelain(main="push declined due to repository rule violations"), "remote: error: GH013", True),
    "GitLab": (
        porcelain(main="pre-receive hook declined", tag="pre-receive hook declined"),
        "remote: GitLab: You are not allowed to push code to protected branches on this project.",
        True,
    ),
    "a quota": (porcelain(main="pre-receive hook declined", tag="pre-receive hook declined"), "remote: 5 GB of 5 GB", False),
    "a tag": (porcelain(tag="hook declined", main="atomic push failure"), "remote: protected tag", False),
    "a clone with a work tree": (porcelain(main="branch is currently checked out", tag="atomic push failure"), "", False),
}  # fmt: skip


@pytest.mark.parametrize(("output", "err", "protected"), BRANCH.values(), ids=BRANCH)
def test_a_pull_request_is_for_a_branch_that_is_protected(output: str, err: str, protected: bool) -> None:
    said = judge_push(1, output, err)
    assert (said.state, said.is_branch_protected) == ("refused", protected)


def test_every_line_of_the_porcelain_names_its_ref() -> None:
    text = (
        f"To x\n \tabc:{MAIN}\t1..2\n*\tabc:{TAG}\t[new tag]\n-\t:{LOG}\t[deleted]\n=\tabc:refs/t\t[up to date]\nDone"
    )
    assert [(one.ref, one.has_arrived) for one in parse_push(text)] == [
        (MAIN, True),
        (TAG, True),
        (LOG, True),
        ("refs/t", False),  # it was there before
    ]
