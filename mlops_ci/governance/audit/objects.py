"""Audit of the objects themselves: tags and logs are what their ids say, and nothing shows others in their place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.governance.audit.inventory import ModelInventory
from mlops_ci.governance.audit.ledgers import LedgerHistory
from mlops_ci.repository.git import Repository
from mlops_ci.repository.git_values import object_id, parse_tree
from mlops_ci.repository.ref_listing import LOG_PREFIX, TAG_PREFIX

_REPLACE_PREFIX = "refs/replace/"
_RESTORE_HELP = "the file of the object was exchanged or damaged, and git reads it without a word: fetch into a fresh clone, and compare"


def breaks(
    repo: Repository, helds: Iterable[ModelInventory], ledgers: Iterable[LedgerHistory]
) -> dict[str, list[Diagnostic]]:
    """Return the findings by model about objects that are not what their ids say; under "" those of no model."""
    chains = {f"{LOG_PREFIX}{held.model}": (held.model, [entry.oid for entry in held.log]) for held in helds}
    chains |= {one.ref: ("", [entry.oid for entry in one.entries]) for one in ledgers}
    found: dict[str, list[Diagnostic]] = {}
    tags = [(held.model, event.name, event.oid) for held in helds for event in held.state.events]
    for model, name, oid in _find_damage(
        repo, "tag", [(model, f"{TAG_PREFIX}{name}", oid) for model, name, oid in tags]
    ):
        found.setdefault(model, []).append(_damage_finding(name, oid))
    commits = [(model, ref, oid) for ref, (model, oids) in chains.items() for oid in oids]
    for model, ref, oid in _damaged_chains(repo, commits):
        found.setdefault(model, []).append(_damage_finding(ref, oid))
    known = {oid: name for _, name, oid in ((model, f"{TAG_PREFIX}{name}", oid) for model, name, oid in tags)}
    known |= {oid: ref for _, ref, oid in commits}
    known |= {event.commit: f"{TAG_PREFIX}{event.name}" for held in helds for event in held.state.events}
    found.setdefault("", []).extend((*_replacement_breaks(repo, known), *_graft_breaks(repo)))
    return found


_Named = tuple[str, str, str]  # model, ref, object id


def _find_damage(repo: Repository, kind: str, named: Sequence[_Named]) -> Iterator[_Named]:
    """Yield the objects whose content has another id; one that cannot be read at all has a finding of its own elsewhere."""
    contents = repo.read_objects([oid for _, _, oid in named], or_corrupt=True)
    for one, content in zip(named, contents, strict=True):
        if content is not None and object_id(kind, content, len(one[2])) != one[2]:
            yield one


def _damaged_chains(repo: Repository, commits: Sequence[_Named]) -> Iterator[_Named]:
    """Yield the commits of chains for which the commit, its tree or a file of that tree is not what its id says."""
    bad: set[str] = {oid for _, _, oid in _find_damage(repo, "commit", commits)}
    trees: list[_Named] = []
    for (_, _, oid), content in zip(
        commits, repo.read_objects([oid for _, _, oid in commits], or_corrupt=True), strict=True
    ):
        if content is not None and content.startswith(b"tree "):
            trees.append((oid, "", content[5 : content.index(b"\n")].decode("ascii", "replace")))
    bad |= {commit for commit, _, _ in _find_damage(repo, "tree", trees)}
    blobs: list[_Named] = []
    for (commit, _, tree), content in zip(
        trees, repo.read_objects([oid for _, _, oid in trees], or_corrupt=True), strict=True
    ):
        blobs += [
            (commit, "", entry.oid) for entry in parse_tree(content or b"", len(tree)) if entry.mode.startswith("100")
        ]
    bad |= {commit for commit, _, _ in _find_damage(repo, "blob", blobs)}
    return (one for one in commits if one[2] in bad)


def _damage_finding(ref: str, oid: str) -> Diagnostic:
    return Diagnostic(
        "audit-object-damaged",
        f"{ref.removeprefix(TAG_PREFIX)}: object {oid[:10]}, or what it leads to, is not what its id says",
        help=_RESTORE_HELP,
        about=ref,
    )


def _replacement_breaks(repo: Repository, known: dict[str, str]) -> Iterator[Diagnostic]:
    """Yield the replacements that git shows to people; commands of mlops-ci ignore them."""
    for ref in repo.ref_oids(_REPLACE_PREFIX):
        oid = ref.removeprefix(_REPLACE_PREFIX)
        what = known.get(oid)
        yield Diagnostic(
            "audit-object-replaced",
            f"{ref} has git show another object in place of "
            + (f"one that {what.removeprefix(TAG_PREFIX)} leads to" if what else "the one that other objects name"),
            help=f"mlops-ci reads the original, but git log and git show do not: git replace -d {oid[:10]}",
            severity="error" if what else "warning",
            about=what or ref,
        )


def _graft_breaks(repo: Repository) -> Iterator[Diagnostic]:
    file = repo.common_dir / "info" / "grafts"
    lines = file.read_text("utf-8", "replace").splitlines() if file.is_file() else []
    if any(line.strip() and not line.startswith("#") for line in lines):
        yield Diagnostic(
            "audit-history-grafted",
            "the file info/grafts of this clone gives commits other parents than they have",
            help=f"mlops-ci reads the true parents, but git log does not: remove {file}",
            about="info/grafts",
        )
