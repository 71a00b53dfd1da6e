"""What a remote refuses, what others do at the same time, and what a connection leaves open."""

from __future__ import annotations

from tests.situations.catalogue import DEPLOY, Kind, Said, Situation, Stage, origin_refs, require_whole
from tests.support.consumer import Consumer
from tests.support.git_calls import git_in
from tests.support.git_daemon import serving as serving_daemon
from tests.support.smart_http import serving

AUDIT = "audit --branch main"
RETIRE = "retire diagnosis --env staging --reason bad"
KIND = Kind(
    2,
    "Refused, raced, unknown",
    "What a host refuses is not a race that somebody else won: it is told once, in the host's own words. After a push without an"
    " answer, the remote is asked what arrived.",
)


# what a remote refuses, in its own words


def _hooked(stage: Stage, name: str, script: str) -> Consumer:
    running = stage.running()
    stage.hook(running, name, script)
    return running


def pre_receive_hook(stage: Stage) -> Consumer:
    return _hooked(stage, "pre-receive", "echo 'releases on Mondays only' >&2; exit 1")


def quota(stage: Stage) -> Consumer:
    return _hooked(stage, "pre-receive", "echo 'GL-HOOK-ERR: 5.0 GB of 5.0 GB used' >&2; exit 1")


def protected_tag(stage: Stage) -> Consumer:
    return _hooked(stage, "update", 'case "$1" in refs/tags/*) echo "GH013: tag is protected" >&2; exit 1;; esac')


def no_logs(stage: Stage) -> Consumer:
    return _hooked(stage, "update", 'case "$1" in refs/mlops/log/*) echo "unknown namespace" >&2; exit 1;; esac')


def protected_branch(stage: Stage) -> Consumer:
    return _hooked(stage, "update", 'case "$1" in refs/heads/main) echo "GH006: protected branch" >&2; exit 1;; esac')


def gitlab_protected_branch(stage: Stage) -> Consumer:
    script = "while read old new ref; do case $ref in refs/heads/main)"
    script += " echo 'GitLab: You are not allowed to push code to protected branches on this project.' >&2; exit 1;; esac; done"
    return _hooked(stage, "pre-receive", script)


def no_branch_at_all(stage: Stage) -> Consumer:
    return _hooked(stage, "update", 'case "$1" in refs/heads/*) echo "GH006: protected branches" >&2; exit 1;; esac')


def pushed_elsewhere(stage: Stage) -> Consumer:
    """A push URL that leads to a fork."""
    running = stage.running()
    fork = stage.folder / "fork.git"
    git_in(stage.folder)("clone", "--quiet", "--mirror", str(running.origin), str(fork))
    running.git("config", "remote.origin.pushurl", f"file://{fork}")
    return running


def pushed_by_another_url(stage: Stage) -> Consumer:
    running = stage.running()
    running.git("config", "remote.origin.pushurl", f"file://{running.origin}")
    return running


def large_pushes(stage: Stage) -> Consumer:
    return stage.configured("receive.maxInputSize", "100")


def without_atomic_pushes(stage: Stage) -> Consumer:
    return stage.configured("receive.advertiseAtomic", "false")


def work_tree_at_the_remote(stage: Stage) -> Consumer:
    running = stage.running()
    git_in(stage.folder)("clone", "--quiet", str(running.origin), "desk")
    git_in(stage.folder / "desk")("fetch", "--quiet", "origin", "refs/mlops/*:refs/mlops/*")
    running.git("remote", "set-url", "origin", str(stage.folder / "desk"))
    return Consumer(running.root, stage.folder / "desk")


def no_deletes(stage: Stage) -> Consumer:
    running = _hooked(stage, "update", 'case "$3" in 0000*) echo "nothing is deleted here" >&2; exit 1;; esac')
    running.git("push", "--quiet", "origin", "refs/mlops/runs/*:refs/mlops/runs/*")
    return running


def name_in_the_way(stage: Stage) -> Consumer:
    running = stage.running()
    git_in(running.origin)("update-ref", "refs/mlops/releases/diagnosis/v1.1.0/x", "main")
    return running


def read_only_daemon(stage: Stage) -> Consumer:
    running = stage.running()
    server = stage.stack.enter_context(serving_daemon(running.origin.parent, push=False))
    running.git("remote", "set-url", "origin", f"{server.url}/{running.origin.name}")
    return running


def _over_http(stage: Stage, **how: object) -> Consumer:
    running = stage.running()
    git_in(running.origin)("config", "http.receivepack", "true")
    server = stage.stack.enter_context(serving(running.origin.parent, None, **how))  # type: ignore[arg-type] # as given
    running.git("remote", "set-url", "origin", f"{server.url}/{running.origin.name}")
    return running


def archived(stage: Stage) -> Consumer:
    words = "This repository was archived so it is read-only."
    return _over_http(stage, refuses=lambda asked: (403, words) if "service=git-receive-pack" in asked else None)


def body_too_large(stage: Stage) -> Consumer:
    return _over_http(
        stage, refuses=lambda asked: (413, "") if asked.startswith("POST") and "receive-pack" in asked else None
    )


def expired_token(stage: Stage) -> Consumer:
    running = stage.running()
    server = stage.stack.enter_context(serving(running.origin.parent, "ghs_new"))
    running.git("remote", "set-url", "origin", f"{server.url}/{running.origin.name}")
    return running


# what others do at the same time


def lock_left_at_the_remote(stage: Stage) -> Consumer:
    running = stage.running()
    (running.origin / "refs/mlops/log/diagnosis.lock").write_text("")
    return running


def _overtaken(stage: Stage, script: str) -> Consumer:
    """The first push is overtaken before it is accepted."""
    unset = "unset GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES"
    return _hooked(stage, "pre-receive", f'rm "$0"; {unset}; {script}')


def overtaken_on_the_branch(stage: Stage) -> Consumer:
    commit = "c=$(git -c user.name=e -c user.email=e@x commit-tree -p main -m theirs main^{tree})"
    return _overtaken(stage, f"{commit}; git update-ref refs/heads/main $c")


# what a connection leaves open


def cut_after_the_push(stage: Stage) -> Consumer:
    return _over_http(stage, cuts=_once(stage))


def _once(stage: Stage) -> object:
    def cuts(asked: str) -> bool:
        if asked.startswith("POST") and "receive-pack" in asked and "cut" not in stage.notes:
            stage.notes["cut"] = True
            return True
        return False

    return cuts


def lost_before_the_push(stage: Stage) -> Consumer:
    return _over_http(
        stage, refuses=lambda asked: (502, "") if asked.startswith("POST") and "receive-pack" in asked else None
    )


def _is_requested(_: Stage, consumer: Consumer) -> None:
    """The origin has a branch for the request, and no assignment."""
    there = origin_refs(consumer)
    assert [name for name in there if name.startswith("refs/heads/") and name != "refs/heads/main"]
    assert "refs/tags/diagnosis#prod#2" not in there


SITUATIONS = (
    Situation(
        "a pre-receive hook declines",
        pre_receive_hook,
        Said("release", 3, "push-refused", "releases on Mondays only"),
        Said(DEPLOY, 3, "push-refused", "releases on Mondays only"),
        Said(RETIRE, 3, "push-refused", "releases on Mondays only"),
    ),
    Situation(
        "the repository's quota is used up",
        quota,
        Said("release", 3, "push-refused", "5.0 GB of 5.0 GB used"),
        Said(DEPLOY, 3, "push-refused", "5.0 GB of 5.0 GB used"),
    ),
    Situation(
        "tags are protected",
        protected_tag,
        Said("release", 3, "push-refused", "tag is protected"),
        Said(DEPLOY, 3, "push-refused", "tag is protected"),
    ),
    Situation(
        "a hook takes no logs",
        no_logs,
        Said("release", 3, "push-refused", "refs/mlops/log/diagnosis: hook declined; unknown namespace"),
        Said(DEPLOY, 3, "push-refused", "unknown namespace"),
    ),
    Situation(
        "the branch is protected",
        protected_branch,
        Said("release", 0),
        Said(DEPLOY, 0, pushes=2, does="it pushes a branch for a pull request"),
        then=_is_requested,
    ),
    Situation(
        "the branch is protected on GitLab",
        gitlab_protected_branch,
        Said(DEPLOY, 0, pushes=2, does="it pushes a branch for a pull request"),
        then=_is_requested,
    ),
    Situation(
        "every branch is protected",
        no_branch_at_all,
        Said(DEPLOY, 3, "push-refused", "GH006: protected branches", pushes=2),
    ),
    Situation(
        "the push is too large for the remote",
        large_pushes,
        Said("release", 3, "push-refused", "pack exceeds maximum allowed size"),
    ),
    Situation(
        "a proxy takes no body of this size (HTTP 413)",
        body_too_large,
        Said("release", 3, "push-refused", "413"),
    ),
    Situation(
        "the remote offers no atomic pushes",
        without_atomic_pushes,
        Said("release", 3, "push-refused", "does not support --atomic"),
    ),
    Situation(
        "the remote has a work tree, whose branch is checked out",
        work_tree_at_the_remote,
        Said(DEPLOY, 3, "push-refused", "branch is currently checked out"),
        Said("release", 0),
    ),
    Situation(
        "the remote forbids that refs are deleted",
        no_deletes,
        Said("gc --keep 0s", 3, "push-refused", "nothing is deleted here"),
    ),
    Situation(
        "at the remote, another ref has the name of a folder that the push needs",
        name_in_the_way,
        Said("release", 3, "push-refused", "cannot create"),
    ),
    Situation(
        "git pushes to another repository than it fetches from (`remote.origin.pushurl`)",
        pushed_elsewhere,
        Said("show", 0),
        *(
            Said(command, 3, "remote-of-two-repositories", "unset remote.origin.pushurl")
            for command in ("release", DEPLOY)
        ),
    ),
    Situation(
        "git pushes to the same repository by another URL",
        pushed_by_another_url,
        Said("release", 0),
        Said(AUDIT, 0),
    ),
    Situation(
        "the remote's daemon takes no pushes",
        read_only_daemon,
        Said("release", 3, "push-refused", "access denied"),
    ),
    Situation(
        "the repository is archived (HTTP 403)",
        archived,
        Said("release", 3, "push-refused", "This repository was archived so it is read-only."),
        Said("show", 0),
    ),
    Situation(
        "the token has expired (HTTP 401)",
        expired_token,
        Said("release", 3, "remote-refused", "could not read Username"),
        Said(AUDIT, 0),
    ),
    Situation(
        "a killed process has left a lock at the remote",
        lock_left_at_the_remote,
        Said("release", 3, "contended", "diagnosis.lock': File exists", pushes=12),
    ),
    Situation(
        "another commit arrives on the branch while a deployment is pushed",
        overtaken_on_the_branch,
        Said(DEPLOY, 0, pushes=2),
        then=require_whole,
    ),
    Situation(
        "the connection ends after the remote took the push",
        cut_after_the_push,
        Said("release", 0),
        Said(DEPLOY, 0),
        then=require_whole,
    ),
    Situation(
        "the gateway before the remote fails (HTTP 502)",
        lost_before_the_push,
        Said("release", 3, "remote-unreachable", "'origin' has nothing of it so far"),
    ),
)
