"""What steers git is as it was before a candidate's code ran, or it is put back and named; what was there before stays in force."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mlops_ci.core.child_watch import observe_child, verify_now, watch_children
from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.repository import git
from mlops_ci.repository.steering import SteeringWatch
from tests.support.git_calls import git_in

EVIL = "[alias]\n x = !touch ran\n"


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with an origin, and a home with a configuration that includes another file."""
    home, root = tmp_path / "home", tmp_path / "clone"
    for folder in (home / ".ssh", root):
        folder.mkdir(parents=True)
    (home / ".gitconfig").write_text("[user]\n name = Ada\n email = ada@example.org\n[include]\n path = more\n")
    (home / "more").write_text("[http]\n proxy = http://proxy.example:3128\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    run = git_in(root)
    run("init", "--quiet", "--initial-branch=main")
    run("commit", "--quiet", "--allow-empty", "-m", "start")
    run("remote", "add", "origin", "https://git.example/ada/ml.git")
    run("config", "url.https://mirror.example/.insteadOf", "https://git.example/")
    return root


def change(root: Path, act: Callable[[], object], *, is_alone: bool = True) -> str:
    """What is said of a child that does this; nothing when it may."""
    repo = git.find_repository(root)
    assert repo is not None
    with watch_children(SteeringWatch(repo, is_alone=is_alone)):
        try:
            with observe_child():
                act()
        except EnvironmentProblem as found:
            (one,) = found.diagnostics
            assert one.id == "git-changed"
            return one.message
    return ""


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("core.sshCommand", "sh -c 'touch ran'"),
        ("core.fsmonitor", "./x"),
        ("core.hooksPath", "./x"),
        ("core.attributesFile", "./x"),
        ("remote.origin.uploadpack", "./x"),
        ("remote.origin.receivepack", "./x"),
        ("remote.origin.url", "https://evil.example/x.git"),
        ("remote.origin.proxy", "http://evil.example"),
        ("credential.helper", "!cat >/tmp/x"),
        ("http.proxy", "http://evil.example"),
        ("http.sslVerify", "false"),
        ("http.extraHeader", "X: y"),
        ("protocol.ext.allow", "always"),
        ("url.https://evil.example/.insteadOf", "https://git.example/"),
        ("url.https://evil.example/.pushInsteadOf", "https://git.example/"),
        ("alias.log", "!touch ran"),
        ("gpg.program", "./x"),
        ("gpg.ssh.program", "./x"),
        ("filter.csv.clean", "./x"),
        ("filter.csv.smudge", "./x"),
        ("include.path", "./x"),
        ("extensions.worktreeConfig", "true"),
        ("push.gpgSign", "if-asked"),
    ],
)
def test_a_key_of_the_configuration_is_named_and_is_as_it_was(clone: Path, key: str, value: str) -> None:
    before = (clone / ".git/config").read_bytes()
    told = change(clone, lambda: git_in(clone)("config", key, value))
    section, _, name = key.rpartition(".")
    first, _, rest = section.partition(".")
    normal = ".".join([first.lower(), *([rest] if rest else []), name.lower()])
    assert f"{normal} in {clone}/.git/config" in told
    assert (clone / ".git/config").read_bytes() == before
    (aside,) = (clone / ".git/mlops-ci/set-aside").glob("*/0-config")
    assert value.split("'")[0].encode() in aside.read_bytes()


@pytest.mark.parametrize(
    "place",
    [
        ".git/hooks/post-checkout",
        ".git/hooks/reference-transaction",
        ".git/config.worktree",
        ".git/info/attributes",
        ".git/info/grafts",
        ".git/info/sparse-checkout",
        ".git/objects/info/alternates",
        ".git/objects/info/http-alternates",
        ".git/remotes/origin",
        ".git/branches/origin",
        ".gitattributes",
        ".lfsconfig",
        "../home/.gitconfig",
        "../home/more",
        "../home/.config/git/config",
        "../home/.config/git/attributes",
        "../home/.ssh/config",
        "../home/.netrc",
    ],
)
@pytest.mark.parametrize("is_alone", [True, False])
def test_a_file_that_git_reads_is_named_and_is_as_it_was(clone: Path, place: str, is_alone: bool) -> None:
    path = (clone / place).resolve()
    before = path.read_bytes() if path.exists() else None

    def write() -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(EVIL)

    assert path.name in change(clone, write, is_alone=is_alone)
    assert (path.read_bytes() if path.exists() else None) == before


@pytest.mark.parametrize(
    "ref",
    [
        "refs/mlops/evil",
        "refs/mlops/runs/m/1",
        "refs/tags/m@v9.0.0",
        "refs/remotes/origin/main",
        "refs/replace/1",
        "refs/heads/x",
    ],
)
def test_a_ref_that_appears_where_nobody_else_works_is_named(clone: Path, ref: str) -> None:
    full = ref.replace("/1", f"/{git_in(clone)('rev-parse', 'HEAD')}") if "replace" in ref else ref
    assert full in change(clone, lambda: git_in(clone)("update-ref", full, "HEAD"))


def test_history_that_is_cut_where_nobody_else_works_is_named(clone: Path) -> None:
    """Given a shallow file that a child writes, which lets the history end at a commit, then it is named as a ref is."""
    assert "shallow" in change(
        clone, lambda: (clone / ".git/shallow").write_text(git_in(clone)("rev-parse", "HEAD") + "\n")
    )


@pytest.mark.parametrize("program", ["git", "ssh", "git-remote-https", "gpg"])
def test_a_program_that_would_run_in_place_of_the_users_is_named_and_never_runs(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    """Given a folder on PATH before git's that the child may write, as a Python's own on a runner, then what it puts there goes."""
    first = tmp_path / "bin"
    first.mkdir()
    monkeypatch.setenv("PATH", f"{first}{os.pathsep}{os.environ['PATH']}")
    ran = tmp_path / "ran"

    def plant() -> None:
        (first / program).write_text(f"#!/bin/sh\ntouch {ran}\n")
        (first / program).chmod(0o755)

    assert str(first / program) in change(clone, plant)
    assert (list(first.iterdir()), ran.exists()) == ([], False)
    (aside,) = (clone / ".git/mlops-ci/set-aside").glob(f"*/0-{program}")
    assert "touch" in aside.read_text()


@pytest.mark.parametrize("name", ["GITHUB_ENV", "GITHUB_PATH"])
def test_what_would_be_the_environment_of_the_next_step_is_named_and_goes(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Given a job's file that becomes variables or folders of PATH in the next step, then what the child adds there goes."""
    file = tmp_path / "runner" / name.lower()
    file.parent.mkdir()
    file.write_text("of an earlier command\n")
    monkeypatch.setenv(name, str(file))

    def add() -> None:
        file.write_text(f"{file.read_text()}LD_PRELOAD=/tmp/evil.so\n")

    assert str(file) in change(clone, add)
    assert file.read_text() == "of an earlier command\n"


def test_another_branch_that_is_checked_out_is_named(clone: Path) -> None:
    assert "HEAD" in change(clone, lambda: git_in(clone)("symbolic-ref", "HEAD", "refs/heads/other"))


def test_a_person_may_commit_fetch_and_branch_while_a_training_takes_long(clone: Path) -> None:
    run = git_in(clone)

    def work() -> None:
        run("checkout", "--quiet", "-b", "next")
        run("config", "branch.next.merge", "refs/heads/main")
        run("commit", "--quiet", "--allow-empty", "-m", "more")
        run("update-ref", "refs/remotes/origin/main", "HEAD")

    assert change(clone, work, is_alone=False) == ""
    assert "branch.next.merge" in change(clone, lambda: run("config", "branch.next.merge", "x")), "in a job nobody does"


def test_what_reads_changes_nothing(clone: Path) -> None:
    assert change(clone, lambda: git_in(clone)("status")) == ""
    assert change(clone, lambda: git_in(clone)("describe", "--always")) == ""


def test_the_users_own_configuration_stays_in_force(clone: Path) -> None:
    """Given a proxy, another address and a hook of the user's, when a child has run, then git has them as before."""
    hook = clone / ".git/hooks/pre-push"
    hook.write_text("#!/bin/sh\n")
    assert change(clone, lambda: None) == ""
    assert git_in(clone)("config", "http.proxy") == "http://proxy.example:3128"
    assert git_in(clone)("remote", "get-url", "origin") == "https://mirror.example/ada/ml.git"
    assert hook.exists()
    assert str(hook) in change(clone, hook.unlink)
    assert hook.exists()


@pytest.mark.parametrize("kind", ["pipe", "folder", "gone", "link"])
def test_a_configuration_that_is_no_file_any_more_is_one_again(clone: Path, kind: str) -> None:
    config = clone / ".git/config"
    before = config.read_bytes()

    def replace() -> None:
        config.unlink()
        if kind == "pipe":
            os.mkfifo(config)
        elif kind == "folder":
            config.mkdir()
        elif kind == "link":
            config.symlink_to("/dev/null")

    assert str(config) in change(clone, replace)
    assert (config.is_symlink(), config.read_bytes()) == (False, before)


def test_a_link_to_a_configuration_is_a_link_again(clone: Path, tmp_path: Path) -> None:
    home, real = tmp_path / "home", tmp_path / "dotfiles"
    shutil.move(home / ".gitconfig", real)
    (home / ".gitconfig").symlink_to(real)
    (tmp_path / "more").write_text("")
    before = real.read_bytes()

    def replace() -> None:
        real.write_text(EVIL)
        (home / ".gitconfig").unlink()
        (home / ".gitconfig").write_text(EVIL)

    assert "alias.x" in change(clone, replace)
    assert (str((home / ".gitconfig").readlink()), real.read_bytes()) == (str(real), before)


def test_nothing_is_lent_after_a_change_that_came_later(clone: Path) -> None:
    """Given something that was left running, when it writes after the child has ended, then git is not run with the token."""
    repo = git.find_repository(clone)
    assert repo is not None
    with watch_children(SteeringWatch(repo, is_alone=True)):
        with observe_child():
            pass
        git_in(clone)("config", "core.sshCommand", "./x")
        with pytest.raises(EnvironmentProblem, match=r"core\.sshcommand"):
            repo.run_with_credentials("ls-remote", "origin")
    verify_now()


def test_a_partial_clone_is_lent_nothing_to_read_with_after_a_change(clone: Path) -> None:
    """Given a partial clone, whose git fetches what it reads, when its configuration was changed, then git does not read with it."""
    git_in(clone)("config", "remote.origin.promisor", "true")
    repo = git.find_repository(clone)
    assert repo is not None
    with watch_children(SteeringWatch(repo, is_alone=True)):
        with observe_child():
            pass
        git_in(clone)("config", "core.sshCommand", "./x")
        with pytest.raises(EnvironmentProblem, match=r"core\.sshcommand"):
            repo.run("cat-file", "-t", "HEAD")


@pytest.mark.parametrize(("lent", "seen"), [({"LENT": "yes"}, ""), ({}, "secret")])
def test_the_jobs_token_is_in_no_environment_of_git_but_where_a_helper_may_need_it(
    clone: Path, monkeypatch: pytest.MonkeyPatch, lent: dict[str, str], seen: str
) -> None:
    """Given a job's token, then git has it neither locally nor where it is lent; a user's own helper, such as gh's, still has it."""
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    repo = git.find_repository(clone)
    assert repo is not None
    lending = replace(repo, credentials=git.Credentials(remote_variables=lent))
    show = ("-c", 'alias.told=!printf %s "$GITHUB_TOKEN"', "told")
    assert lending.run(*show).text == ""
    assert lending.run_with_credentials(*show).text == seen
