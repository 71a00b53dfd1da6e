"""What a clone remembers is not the truth: the remote's word, and the commit's files, count."""

from __future__ import annotations

from pathlib import Path

from tests.situations.catalogue import Kind, Said, Situation, Stage
from tests.support.consumer import Consumer
from tests.support.git_calls import git_in

KIND = Kind(
    4,
    "Local memory is not the truth",
    "The default branch is the one that the remote names now; specs are those of the commit, not those that happen to be checked out.",
)


def renamed_branch(stage: Stage) -> Consumer:
    running = stage.running()
    origin = git_in(running.origin)
    origin("branch", "trunk", "main")
    origin("symbolic-ref", "HEAD", "refs/heads/trunk")
    return running


def headless_remote(stage: Stage) -> Consumer:
    running = stage.running()
    git_in(running.origin)("symbolic-ref", "HEAD", "refs/heads/master")
    return running


def clone_that_never_asked(stage: Stage) -> Consumer:
    return stage.clone(stage.running(), "--config", "remote.origin.fetch=+refs/mlops/*:refs/mlops/*")


def offline_from_the_start(stage: Stage) -> Consumer:
    """A clone in which no command has asked the remote, which is gone now."""
    clone = clone_that_never_asked(stage)
    clone.git("remote", "set-url", "origin", str(stage.folder / "moved.git"))
    return clone


def offline_since(stage: Stage) -> Consumer:
    """A clone that has asked the remote, which is gone now."""
    running = stage.running()
    running.ok("ci", "affected")
    return Consumer(running.root, running.origin.rename(stage.folder / "moved.git"))


def feature_branch(stage: Stage) -> Consumer:
    running = stage.running()
    running.ok("ci", "affected")  # which asks
    running.git("switch", "--quiet", "--create", "feature")
    running.git("rm", "--quiet", "-r", "deploy")
    running.git("commit", "--quiet", "-m", "No deployments here")
    return running


def sparse_checkout(stage: Stage) -> Consumer:
    running = stage.running()
    running.git("status")
    running.git("sparse-checkout", "set", "--no-cone", "/*", "!/data/", "!/deploy/", "!/models/")
    return running


def on_trunk(_: Stage, consumer: Consumer) -> None:
    listing = git_in(consumer.origin)("ls-tree", "-r", "--name-only", "trunk", "deploy/prod/")
    assert Path("deploy/prod/diagnosis/release.yaml").as_posix() in listing.split()


SITUATIONS = (
    Situation(
        "the remote's default branch was renamed, and the clone remembers the old one",
        renamed_branch,
        Said("ci affected", 0),
        Said("deploy diagnosis --env prod", 0),
        Said("audit", 0),
        then=on_trunk,
    ),
    Situation(
        "the remote's HEAD leads to a branch that does not exist",
        headless_remote,
        Said("deploy diagnosis --env prod", 3, "default-branch-unknown", "has no default branch"),
        Said("audit", 3, "default-branch-unknown", "has no default branch"),
        Said("audit --branch main", 0),
    ),
    Situation(
        "a clone in which no command has asked the remote yet",
        clone_that_never_asked,
        Said("show", 0),
        Said("audit", 3, "default-branch-unknown", "mlops-ci doctor asks the remote"),
        Said("audit --branch main", 0),
    ),
    Situation(
        "no command has asked the remote in this clone, and now nobody answers",
        offline_from_the_start,
        Said("gate", 3, "default-branch-unknown", "when the remote answers"),
        Said("audit --branch main", 0),
    ),
    Situation(
        "a command has asked the remote, and now nobody answers",
        offline_since,
        Said("gate", 0, "registry-offline", "could not be fetched"),
        Said("show", 0),
        Said("audit", 0),
        Said("release", 3, "remote-unreachable", "could not be fetched"),
    ),
    Situation(
        "a feature branch without the deployments is checked out",
        feature_branch,
        Said("audit", 0),
    ),
    Situation(
        "a sparse checkout without specs and data",
        sparse_checkout,
        Said("validate", 0),
        Said("ci affected", 0),
        Said("check", 3, "files-left-out", "git sparse-checkout add data"),
        Said("gate", 3, "files-left-out", "git sparse-checkout add data"),
        Said("deploy diagnosis --env prod", 0),
        Said("audit", 0),
    ),
)
