"""Every setting of git's own list that can change what a command prints or how it reaches a remote: it changes nothing of ours.

Each setting stands alone in the user's global configuration, with the value that is furthest from git's own. A transport that a
setting really forbids is a diagnostic. Of the rest of git's list, `INERT` says why it is not tried.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.consumer import Consumer, copy_of, home_of_ada
from tests.support.git_calls import git_in
from tests.support.smart_http import serving

UNREACHABLE = "remote-unreachable"
# key, value, and the id of what `deploy` says ("": nothing); {folder} is a folder with files for settings that name some
READ = """
core.abbrev 4
core.askPass /bin/false
core.attributesFile {folder}/attributes
core.autocrlf true
core.autocrlf input
core.bigFileThreshold 1
core.checkStat minimal
core.commentChar %
core.commitGraph false
core.compression 9
core.deltaBaseCacheLimit 1
core.editor /bin/false
core.eol crlf
core.excludesFile {folder}/excludes
core.fileMode false
core.fsmonitor {folder}/hook
core.hooksPath {folder}/hooks
core.ignoreStat true
core.logAllRefUpdates always
core.looseCompression 0
core.multiPackIndex false
core.notesRef refs/notes/other
core.packedGitLimit 1
core.packedGitWindowSize 1
core.pager {folder}/hook
core.precomposeUnicode true
core.preloadIndex false
core.protectHFS true
core.protectNTFS true
core.quotePath true
core.quotePath false
core.safecrlf true
core.sparseCheckout true
core.splitIndex true
core.sshCommand /bin/false
core.trustctime false
core.untrackedCache true
core.useReplaceRefs false
core.warnAmbiguousRefs true
core.whitespace tabwidth=1
color.ui always
color.diff always
color.branch always
color.status always
color.push always
color.remote always
color.transport always
column.ui always
column.tag always
branch.sort -committerdate
tag.sort -creatordate
versionsort.suffix -rc
checkout.defaultRemote elsewhere
checkout.guess false
commitGraph.readChangedPaths true
diff.algorithm patience
diff.autoRefreshIndex false
diff.colorMoved zebra
diff.context 0
diff.dirstat lines
diff.external {folder}/hook
diff.ignoreSubmodules all
diff.indentHeuristic false
diff.interHunkContext 9
diff.mnemonicPrefix true
diff.noprefix true
diff.orderFile {folder}/order
diff.relative true
diff.renameLimit 1
diff.renames copies
diff.submodule log
diff.suppressBlankEmpty true
diff.wordRegex .
diff.wsErrorHighlight all
feature.experimental true
feature.manyFiles true
format.notes true
format.pretty oneline
grep.patternType perl
gpg.format x509
help.autoCorrect immediate
i18n.commitEncoding latin1
i18n.logOutputEncoding latin1
index.sparse true
index.threads 1
index.version 4
log.abbrevCommit true
log.date relative
log.decorate full
log.diffMerges separate
log.follow true
log.mailmap true
log.showRoot false
log.showSignature true
mailmap.file {folder}/mailmap
notes.displayRef *
pack.useBitmaps false
pager.diff {folder}/hook
pager.log {folder}/hook
pager.ls-remote {folder}/hook
pretty.oneline %x00
push.default nothing
rerere.enabled true
safe.bareRepository all
status.relativePaths false
status.renames copies
status.short true
status.showUntrackedFiles no
status.submoduleSummary true
submodule.recurse true
transfer.hideRefs refs/nothing
uploadpack.hideRefs refs/nothing
advice.detachedHead true
alias.for-each-ref !false
alias.cat-file !false
trace2.normalTarget {folder}/trace
"""
TRANSFER = """
fetch.fsckObjects true
fetch.negotiationAlgorithm skipping
fetch.output compact
fetch.parallel 0
fetch.prune true
fetch.pruneTags true
fetch.recurseSubmodules true
fetch.showForcedUpdates false
fetch.unpackLimit 1
fetch.writeCommitGraph true
transfer.fsckObjects true
transfer.advertiseSID true
transfer.unpackLimit 1
transfer.credentialsInUrl die
protocol.version 0
protocol.version 1
protocol.allow never remote-unreachable
protocol.file.allow never remote-unreachable
protocol.allow user
receive.advertiseAtomic true
receive.autogc false
receive.denyDeletes true
receive.denyNonFastForwards true
receive.fsckObjects true
receive.keepAlive 1
receive.unpackLimit 1
receive.updateServerInfo true
uploadpack.allowFilter true
uploadpack.keepAlive 1
lsrefs.unborn ignore
pack.compression 0
pack.depth 1
pack.indexVersion 2
pack.threads 1
pack.window 0
pack.windowMemory 1
pack.writeReverseIndex true
push.autoSetupRemote true
push.default matching
push.followTags true
push.gpgSign if-asked
push.negotiate true
push.recurseSubmodules on-demand
push.useForceIfIncludes true
push.useBitmaps false
commit.cleanup strip
commit.gpgSign true
commit.template {folder}/order
tag.gpgSign true
tag.forceSignAnnotated true
core.sharedRepository group
core.fsync all
core.fsyncMethod batch
gc.auto 1
gc.packRefs false
maintenance.auto true
remote.pushDefault elsewhere
branch.autoSetupMerge always
init.defaultBranch other
init.templateDir {folder}
clone.defaultRemoteName other
user.useConfigOnly true
"""
HTTP = """
http.cookieFile {folder}/order
http.saveCookies true
http.emptyAuth true
http.extraHeader X-Own: 1
http.followRedirects false
http.lowSpeedLimit 1
http.maxRequests 1
http.minSessions 5
http.noEPSV true
http.postBuffer 70000
http.proxy http://127.0.0.1:9 remote-unreachable
http.proxyAuthMethod basic
http.sslVerify false
http.sslVersion tlsv1.2
http.userAgent curl/1
http.version HTTP/1.1
protocol.http.allow never remote-unreachable
protocol.version 0
credential.helper /bin/false
credential.useHttpPath true
"""
_PROMPTS = "only in a prompt, an editor, or a colour of a part, which `color.*` switches as a whole"
_OTHER = "of another program of git that no command of ours runs"
_PLACE = "says where a repository or its remotes are: what the user asks for"
INERT = {
    r"(advice|alias|pager|pretty|color|column|diff|man|mergetool|difftool|guitool|trace2)\..*": _PROMPTS,
    r"(sendemail|gitweb|gui|gitcvs|instaweb|imap|web|browser|fastimport|tar|mailinfo|am|apply|help|completion|format)\..*": _OTHER,
    r"(merge|rebase|pull|stash|blame|notes|rerere|revert|sequence|showBranch|interactive|add|clean|clone|checkout|commit|status)\..*": _OTHER,
    r"(gc|repack|maintenance|worktree|splitIndex|fsmonitor|sparse|submodule|bundle|filter|uploadarchive|init|log|grep)\..*": _OTHER,
    r"(fsck|fetch\.fsck|receive\.fsck)\..*": "a grade of one of the faults that `*.fsckObjects` looks for",
    r"(remote|remotes|branch|url|include|includeIf|safe|extensions)\..*": _PLACE,
    r"(receive|uploadpack|uploadpackfilter|transfer)\..*": "of a server, which is another machine",
    r"(credential|credentialCache|credentialStore|ssh|http)\..*": "how the user reaches their own host, or names what they show it",
    r"(user|author|committer|gpg)\..*": "who the user is, and how they sign",
    r"core\.(alternateRefs.*|bare|worktree|repositoryFormatVersion|gitProxy|symlinks|ignoreCase|createObject)": _PLACE,
    r"core\.(checkRoundtripEncoding|filesRefLockTimeout|fsmonitorHookVersion|fsyncObjectFiles|hideDotFiles|packedRefsTimeout)": _OTHER,
    r"core\.(preferSymlinkRefs|restrictinheritedhandles|unsetenvvars|sparseCheckoutCone)": _OTHER,
    r"(pack|push|fetch|index|i18n|feature|commitGraph|mailmap|protocol|tag)\..*": "the like of those that are tried",
}  # fmt: skip


def _settings(table: str) -> list[tuple[str, str, str]]:
    found = []
    for line in table.split("\n")[1:-1]:
        key, _, rest = line.partition(" ")
        value, _, id = rest.rpartition(" ") if rest.endswith(UNREACHABLE) else (rest, "", "")
        found.append((key, value, id))
    return found


def tried(table: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        ("key", "value", "id"), [pytest.param(*one, id=f"{one[0]}={one[1]}") for one in _settings(table)]
    )


def settle(folder: Path, key: str, value: str) -> None:
    """Put the setting into the user's configuration, and make the files that settings name."""
    home = Path(os.environ["HOME"])
    git_in(home)("config", "--global", key, value.replace("{folder}", str(folder)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("named")
    hook = f"#!/bin/sh\ntouch '{folder}/ran'\n"
    files = {"attributes": "* text eol=crlf -diff\n", "excludes": "nothing\n", "order": "*.zz\n", "mailmap": "X <x@y> <ada@example.org>\n"}  # fmt: skip
    for name, content in {**files, "hook": hook, "hooks/pre-push": hook, "hooks/reference-transaction": hook}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content)
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def released(world_of_gated: Consumer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consumer]:
    """A version in staging, and a change with a moved spec, edited data, and files that git does not know."""
    with home_of_ada(tmp_path_factory):
        made = copy_of(world_of_gated, tmp_path_factory.mktemp("released"))
        made.ok("release")
        made.ok("deploy", "diagnosis", "--env", "staging")
        made.git("switch", "--quiet", "--create", "change")
        made.git("mv", "models/diagnosis.yaml", "models/größe.yaml")
        made.commit("Move a spec")
        (made.root / "data/patients.csv").write_bytes((made.root / "data/patients.csv").read_bytes() + b"\r\n")
        (made.root / "ähnlich.txt").write_text("new\n")
        yield made


def said(consumer: Consumer, *commands: str) -> dict[str, str]:
    found = {}
    for command in commands:
        done = consumer.run(*command.split())
        found[command] = f"{done.returncode}\n{re.sub(r'asked .*:', 'asked:', done.stdout)}\n{done.stderr}"
    return found


VERBS = ("deploy diagnosis --env prod --dry-run", "ci affected", "show", "audit")


@pytest.fixture(scope="module")
def expected(released: Consumer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    with home_of_ada(tmp_path_factory):
        return said(released, *VERBS)


@tried(READ)
def test_a_setting_of_the_user_changes_nothing_that_is_read(
    released: Consumer, expected: dict[str, str], folder: Path, key: str, value: str, id: str
) -> None:
    assert id == ""
    settle(folder, key, value)
    assert said(released, *VERBS) == expected
    assert not (folder / "ran").exists(), "a program of the user's configuration was started"


@tried(TRANSFER)
def test_a_setting_of_the_user_changes_nothing_that_is_pushed(
    released: Consumer, tmp_path: Path, folder: Path, key: str, value: str, id: str
) -> None:
    """Given a setting, when a version is deployed, then the same refs arrive, or nothing does and the diagnostic says why."""
    mine = copy_of(released, tmp_path)
    before = mine.published()
    settle(folder, key, value)
    answer = mine.answer("deploy", "diagnosis", "--env", "prod", code=3 if id else 0)
    assert [one["id"] for one in answer["diagnostics"] if one["severity"] == "error"] == ([id] if id else [])
    changed = {name for name, oid in mine.published().items() if before.get(name) != oid}
    assert changed == (set() if id else {"refs/heads/main", "refs/mlops/log/diagnosis", "refs/tags/diagnosis#prod#2"})
    if not id:
        tag = git_in(mine.origin)("cat-file", "tag", "diagnosis#prod#2")
        assert ("BEGIN" in tag, tag.startswith("object ")) == (False, True)


@tried(HTTP)
def test_a_setting_of_the_user_changes_nothing_over_http(
    released: Consumer, tmp_path: Path, folder: Path, key: str, value: str, id: str
) -> None:
    mine = copy_of(released, tmp_path)
    with serving(mine.origin.parent, None) as server:
        mine.git("remote", "set-url", "origin", f"{server.url}/{mine.origin.name}")
        settle(folder, key, value)
        answer = mine.answer("deploy", "diagnosis", "--env", "prod", "--dry-run", code=3 if id else 0)
        assert [one["id"] for one in answer["diagnostics"] if one["severity"] == "error"] == ([id] if id else [])


def test_each_setting_of_gits_own_list_is_tried_or_has_a_reason_not_to_be() -> None:
    """Given the list of git on this machine, then nobody has overlooked a setting; at least forty are tried."""
    listing = subprocess.run(["git", "help", "--config"], check=True, capture_output=True, text=True).stdout
    names = [line.strip() for line in listing.splitlines() if re.fullmatch(r"\s*[A-Za-z0-9]+\.\S+", line)]
    assert len(names) > 400
    known = {key.lower() for table in (READ, TRANSFER, HTTP) for key, _, _ in _settings(table)}
    assert len(known & {name.lower() for name in names}) >= 40
    left = [name for name in names if name.lower() not in known and not any(re.fullmatch(p, name) for p in INERT)]
    assert left == []
