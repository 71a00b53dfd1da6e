"""Refs are read as git has them, however its output is cut into pieces, and whatever strange objects they name."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.repository.git import Repository
from mlops_ci.repository.git_values import ZERO_OID, RefUpdate
from mlops_ci.repository.refs import LATEST_DATE, parse_refs
from tests.support.git_calls import git_in

HEADS = {
    "plain": b"tagger Ada Lovelace <ada@example.org> 1700000000 +0100\n",
    "without-tagger": b"",
    "without-name": b"tagger <ada@example.org> 1700000000 +0000\n",
    "without-mail": b"tagger Ada <> 1700000000 +0000\n",
    "latin": "tagger Zoë <zoe@example.org> 1700000000 -0930\n".encode("latin-1"),
    "without-date": b"tagger Ada <ada@example.org>\n",
    "far": b"tagger Ada <ada@example.org> 99999999999999 +0000\n",
}
BODIES = {"title": b"title\n", "none": b"", "long": b"title\n\nbody\n\n\nmore", "carriage": b"title\r\n\r\nbody\r\n"}


def of(oid: str, name: str, kind: str, content: bytes) -> bytes:
    return f"{kind} {len(content)} {oid} {name}\n".encode() + content + b"\n"


@given(st.lists(st.binary(max_size=80), max_size=6), st.data())
def test_the_pieces_in_which_a_listing_comes_do_not_matter(bodies: list[bytes], data: st.DataObject) -> None:
    contents = [b"object " + b"b" * 40 + b"\ntype commit\ntag t\n\n" + body for body in bodies]
    whole = b"".join(of(f"{at:040x}", f"refs/tags/t{at}", "tag", content) for at, content in enumerate(contents))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=5)))
    pieces = [whole[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    found = list(parse_refs(piece for piece in pieces if piece))
    assert found == list(parse_refs([whole]))
    assert [ref.contents for ref in found] == [body.decode("utf-8", "replace") for body in bodies]


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("head", HEADS)
def test_strange_tags_are_read_as_git_reads_them(repo: Repository, head: str, body: str) -> None:
    commit = repo.head()
    content = f"object {commit}\ntype commit\ntag odd\n".encode() + HEADS[head] + b"\n" + BODIES[body]
    oid = repo.run("hash-object", "-t", "tag", "-w", "--literally", "--stdin", stdin=content).text
    repo.update_refs([RefUpdate("refs/tags/odd", oid, ZERO_OID)])
    form = "%(objecttype)%00%(object)%00%(taggername)%00%(taggerdate:unix)%00%(contents)%00"
    kind, peeled, tagger, date, contents = (
        repo.run("for-each-ref", f"--format={form}", "refs/tags").out.decode("utf-8", "replace").split("\0")[:5]
    )
    (ref,) = repo.refs("refs/tags")
    assert (ref.name, ref.oid, ref.type, ref.peeled) == ("refs/tags/odd", oid, kind, peeled)
    assert (ref.tagger, ref.contents.strip()) == (tagger, contents.strip())
    assert ref.date == min(int(date or 0), LATEST_DATE)


def test_a_tag_of_a_tag_names_the_tag(repo: Repository) -> None:
    git_in(repo.root)("tag", "-a", "inner", "-m", "inner")
    git_in(repo.root)("tag", "-a", "outer", "-m", "outer", "inner")
    inner, outer = repo.refs("refs/tags")
    assert outer.peeled == inner.oid


def test_commits_blobs_and_signed_commits_are_refs_too(repo: Repository) -> None:
    head = repo.head()
    signed = (
        f"tree {repo.resolve('HEAD^{tree}')}\nauthor A <a@example.org> 1 +0000\ncommitter A <a@example.org> 1 +0000\n"
        "gpgsig -----BEGIN SSH SIGNATURE-----\n \n abc\n -----END SSH SIGNATURE-----\n\nsubject\n"
    )
    commit = repo.run("hash-object", "-t", "commit", "-w", "--stdin", stdin=signed.encode()).text
    blob = repo.write_blob(b"\n\nno message")
    repo.update_refs([RefUpdate("refs/tags/a", blob, ZERO_OID), RefUpdate("refs/tags/b", commit, ZERO_OID)])
    one, other = repo.refs("refs/tags")
    assert (one.type, one.contents, one.peeled) == ("blob", "", None)
    assert (other.type, other.contents, other.peeled) == ("commit", "subject\n", None)
    assert head != commit


def test_an_object_that_is_not_here_is_named(repo: Repository) -> None:
    gone = "1234567890" * 4
    (repo.git_dir / "packed-refs").write_text(f"# pack-refs with: sorted \n{gone} refs/tags/gone\n")
    with pytest.raises(EnvironmentProblem, match=gone):
        repo.refs("refs/tags")
    said = subprocess.run(
        ["git", "for-each-ref", "--format=%(contents)", "refs/tags"], cwd=repo.root, capture_output=True, check=False
    )
    assert said.returncode != 0  # as git says
