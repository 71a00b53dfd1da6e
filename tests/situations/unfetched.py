"""What a clone lacks because nobody fetched it."""

from __future__ import annotations

from tests.situations.catalogue import DEPLOY, Kind, Said, Situation, Stage
from tests.support.consumer import Consumer
from tests.support.git_calls import git_in
from tests.support.smart_http import basic, serving

AUDIT = "audit --branch main"
KIND = Kind(
    1,
    "Not fetched",
    "What a clone has not fetched is neither gone nor forged: one finding, with the command that fetches it.",
)


def plain_clone(stage: Stage) -> Consumer:
    return stage.clone(stage.running())


# what a clone lacks


def shallow_clone(stage: Stage) -> Consumer:
    return stage.clone(stage.running(), "--depth=1")


def single_branch(stage: Stage) -> Consumer:
    running = stage.running()
    running.git("push", "--quiet", "origin", "HEAD:refs/heads/other")
    return stage.clone(running, "--single-branch", "--branch=other")


def without_tags(stage: Stage) -> Consumer:
    return stage.clone(stage.running(), "--no-tags")


def logs_without_tags(stage: Stage) -> Consumer:
    clone = without_tags(stage)
    clone.git("fetch", "--quiet", "--no-tags", "origin", "refs/mlops/*:refs/mlops/*")
    clone.git("for-each-ref")
    for tag in clone.git("tag").split():
        clone.git("tag", "--delete", tag)
    return clone


def plain_clone_of_nothing(stage: Stage) -> Consumer:
    clone = plain_clone(stage)
    clone.git("remote", "set-url", "origin", str(stage.folder / "moved.git"))
    return clone


def without_tags_of_nothing(stage: Stage) -> Consumer:
    clone = logs_without_tags(stage)
    clone.git("remote", "set-url", "origin", str(stage.folder / "moved.git"))
    return clone


def log_deleted_everywhere(stage: Stage) -> Consumer:
    running = stage.running()
    git_in(running.origin)("update-ref", "-d", "refs/mlops/log/diagnosis")
    running.git("update-ref", "-d", "refs/mlops/log/diagnosis")
    return running


GIVEN = basic("ghs_x1Y2")


def _partial(stage: Stage, filter: str, lent: str) -> Consumer:
    """A partial clone in a job, of a remote that asks for a token; the checkout does not keep it."""
    running = stage.running()
    for key in ("http.receivepack", "uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"):
        git_in(running.origin)("config", key, "true")
    server = stage.stack.enter_context(serving(running.origin.parent, "ghs_x1Y2"))
    header = ("-c", f"http.extraheader=AUTHORIZATION: {GIVEN}")
    root = stage.folder / "clone"
    url = f"{server.url}/{running.origin.name}"
    git_in(stage.folder)(*header, "clone", "--quiet", f"--filter={filter}", url, str(root))
    git_in(root)(*header, "fetch", "--quiet", "origin", "refs/mlops/*:refs/mlops/*")
    for name, value in {
        "GITHUB_ACTIONS": "true",
        "GITHUB_SERVER_URL": server.url,
        "GITHUB_TOKEN": lent,
    }.items():
        stage.monkeypatch.setenv(name, value)
    return Consumer(root, running.origin)


def blobless(stage: Stage) -> Consumer:
    return _partial(stage, "blob:none", "ghs_x1Y2")


def treeless(stage: Stage) -> Consumer:
    return _partial(stage, "tree:0", "ghs_x1Y2")


def blobless_with_an_expired_token(stage: Stage) -> Consumer:
    return _partial(stage, "blob:none", "ghs_expired")


def blobless_of_a_remote_that_is_gone(stage: Stage) -> Consumer:
    running = stage.running()
    for key in ("uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"):
        git_in(running.origin)("config", key, "true")
    clone = stage.clone(running, "--filter=blob:none")
    clone.git("fetch", "--quiet", "origin", "refs/mlops/*:refs/mlops/*")
    clone.git("remote", "set-url", "origin", str(stage.folder / "moved.git"))
    return clone


def without_the_capability(stage: Stage) -> Consumer:
    clone = stage.clone(stage.running(), "--filter=blob:none")
    clone.git("fetch", "--quiet", "origin", "refs/mlops/*:refs/mlops/*")
    return clone


SITUATIONS = (
    Situation(
        "a plain clone",
        plain_clone,
        Said("show", 0),
        Said("audit", 3, "registry-not-fetched", "git fetch origin 'refs/mlops/*:refs/mlops/*'"),
        Said(DEPLOY, 0),
    ),
    Situation(
        "a plain clone, and nobody answers at its remote",
        plain_clone_of_nothing,
        Said("audit", 3, "registry-not-fetched", "'origin' cannot be asked whether it has them"),
        Said(
            "fetch diagnosis@1.0.0 there",
            3,
            "remote-unreachable",
            "is not in this clone, and cannot be fetched from 'origin'",
        ),
        Said(DEPLOY, 3, "remote-unreachable", "could not be fetched"),
    ),
    Situation(
        "the log is deleted here and at the remote",
        log_deleted_everywhere,
        Said(AUDIT, 1, "audit-log-missing", "this clone has no refs/mlops/log/diagnosis"),
    ),
    Situation(
        "a shallow clone",
        shallow_clone,
        Said("show", 0),
        Said("audit", 3, "registry-not-fetched", "git fetch origin"),
        Said(DEPLOY, 0),
    ),
    Situation(
        "a clone of another branch alone",
        single_branch,
        Said("audit", 3, "registry-not-fetched", "git fetch origin"),
        Said(DEPLOY, 0),
    ),
    Situation(
        "a clone without tags",
        without_tags,
        Said("show", 0),
        Said("audit", 3, "registry-not-fetched", "git fetch origin"),
        Said(DEPLOY, 0),
    ),
    Situation(
        "a clone with the logs and without tags",
        logs_without_tags,
        Said("audit", 3, "registry-not-fetched", "git fetch origin 'refs/tags/*:refs/tags/*'"),
        Said(DEPLOY, 0),
    ),
    Situation(
        "a clone with the logs and without tags, and nobody answers at its remote",
        without_tags_of_nothing,
        Said("show", 0, "registry-offline", "could not be fetched"),
        Said("fetch diagnosis@1.0.0 there", 3, "registry-not-fetched", "it is not known whether this is right"),
        Said("show diagnosis", 0, "registry-offline", "could not be fetched"),
        Said(
            "diff diagnosis@1.0.0 diagnosis@1.1.0", 3, "registry-not-fetched", "it is not known whether this is right"
        ),
        Said(AUDIT, 3, "registry-not-fetched", "cannot be asked whether it has them"),
    ),
    Situation(
        "a clone without blobs (`--filter=blob:none`) in a job that lends its token",
        blobless,
        Said(AUDIT, 0),
        Said(DEPLOY, 0),
    ),
    Situation(
        "a clone without trees (`--filter=tree:0`) in a job that lends its token",
        treeless,
        Said(AUDIT, 0),
        Said(DEPLOY, 0),
    ),
    Situation(
        "a clone without blobs in a job whose token has expired",
        blobless_with_an_expired_token,
        Said("audit", 3, "objects-not-fetched", "fetching it from its remote failed: fatal: could not read Username"),
        Said(DEPLOY, 3, "remote-refused", "could not read Username"),
    ),
    Situation(
        "a clone without blobs, and nobody answers at its remote",
        blobless_of_a_remote_that_is_gone,
        Said("audit", 3, "objects-not-fetched", "git fetch --refetch --no-filter origin"),
    ),
    Situation(
        "a remote that cannot filter, and a clone that asked for no blobs",
        without_the_capability,
        Said(AUDIT, 0),
        Said(DEPLOY, 0),
    ),
)
