"""What GitHub enforces on the registry: on its tags by rulesets, and on its other refs nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlops_ci.core.results.doctor import Examined
from mlops_ci.governance.doctor import bypass
from mlops_ci.governance.doctor.context import World
from mlops_ci.governance.doctor.globs import consumed
from mlops_ci.governance.doctor.host import UNREADABLE, Unknown, fields, listed, objects, words

GROUP = "registry"
_SETTINGS = "Settings > Rules > Rulesets > New tag ruleset"


def tags(world: World) -> Iterator[Examined]:
    """Tell for each demand on the registry's tags whether GitHub enforces it, and that it enforces none on its other refs."""
    found = _rulesets(world)
    names = tuple(world.project.specs.models)
    for kind, of, patterns in (
        ("release", _releases, "`*@v*` and `*@deprecated*`"),
        ("assignment", lambda model: _assignments(world, model), "`*#*`"),
    ):
        help = f"{_SETTINGS}: for {patterns}, restrict updates and deletions"
        yield _row(found, f"{kind} tags do not move", {"update"}, names, of, help)
        yield _row(found, f"{kind} tags are not deleted", {"deletion"}, names, of, help)
        help = f"{_SETTINGS}: another one for {patterns}, which restricts creations to whoever releases"
        yield _row(found, f"only some may write {kind} tags", {"creation"}, names, of, help)
    what = "nobody is exempt from the tags' rules"
    if isinstance(found, Unknown):
        yield Examined(GROUP, what, "unknown", found.why)
    else:
        relevant = [one for one in found if {"update", "deletion"} & _kinds(one)]
        if relevant:
            yield bypass.row(GROUP, what, relevant)
        else:
            yield Examined(GROUP, what, "advisory", "there are no rules", minor=True)
    yield _other_refs(world)


def _rulesets(world: World) -> list[dict[str, Any]] | Unknown:
    """Return the active rulesets for tags in full."""
    shown = world.host.ask("/rulesets?includes_parents=true&per_page=100")
    if isinstance(shown, Unknown):
        return shown
    if not isinstance(shown, list):
        return UNREADABLE
    found = []
    for one in objects(shown):
        if one.get("target") != "tag" or one.get("enforcement") != "active":
            continue
        whole = world.host.ask(f"/rulesets/{number}") if type(number := one.get("id")) is int else UNREADABLE
        if isinstance(whole, Unknown):
            return whole
        found.append(fields(whole))
    return found


def _row(
    found: list[dict[str, Any]] | Unknown, what: str, kinds: set[str], models: tuple[str, ...], of: Any, help: str
) -> Examined:
    if isinstance(found, Unknown):
        return Examined(GROUP, what, "unknown", found.why, help)
    rules = [one for one in found if kinds <= _kinds(one)]
    bare = [model for model in models if not all(any(covers(one, tag) for one in rules) for tag in of(model))]
    if not bare:
        evidence = f"by {listed([str(one.get('name')) for one in rules])}" if models else "there are no models"
        return Examined(GROUP, what, "enforced", evidence)
    who = "of every model" if len(bare) == len(models) else f"of {listed(bare)}"
    return Examined(GROUP, what, "advisory", f"no ruleset does it for those {who}", help)


def _kinds(ruleset: dict[str, Any]) -> set[str]:
    return {kind for rule in objects(ruleset.get("rules")) if isinstance(kind := rule.get("type"), str)}


def _releases(model: str) -> tuple[str, ...]:
    version = f"{model}@v{ANY}.{ANY}.{ANY}"
    return (version, f"{version}!", f"{model}@deprecated#{ANY}")


def _assignments(world: World, model: str) -> tuple[str, ...]:
    environments = world.project.specs.project.spec.environments
    return tuple(f"{model}#{name}{end}#{ANY}" for name in environments for end in ("", "!"))


ANY = "*"  # in the name of a tag: some number
_LONGEST = 500  # characters of a pattern that is looked at
_NOTHING = "\0"  # stands for a number in what only a wildcard can match


def covers(ruleset: dict[str, Any], tags: str) -> bool:
    """Tell whether a ruleset is about all tags of a form, such as `delay@v*.*.*`.

    What a pattern means that is not understood here never speaks for it.
    """
    names = fields(fields(ruleset.get("conditions")).get("ref_name"))
    include, exclude = names.get("include"), names.get("exclude")
    if not isinstance(exclude, list) or len(words(exclude)) < len(exclude):
        return False
    ref = f"refs/tags/{tags}"
    included = any(one == "~ALL" or _contains(one, ref) for one in words(include))
    return included and not any(one == "~ALL" or _overlaps(one, ref) for one in words(exclude))


def _understood(pattern: str) -> bool:
    return len(pattern) <= _LONGEST and not any(char in pattern for char in "[]{}\\~")


def _contains(pattern: str, refs: str) -> bool:
    """Tell whether a pattern in the syntax of fnmatch, whose `*` stops at a slash, names every ref of a form."""
    if not _understood(pattern):
        return False
    *folders, last = pattern.split("/")
    parts = (*folders, "*" if last == "**" else last)
    tags = (refs.replace(ANY, _NOTHING * count).split("/") for count in (1, 5))
    return all(len(names) in consumed(parts, names) for names in tags)


def _overlaps(pattern: str, refs: str) -> bool:
    """Tell whether a pattern may name some ref of a form; here its wildcards go past slashes, too."""
    if not _understood(pattern):
        return True
    states = {0}
    for char in refs:
        states = _stars(pattern, states)
        if char == ANY:  # any text: everything that follows may come next
            states = set(range(min(states), len(pattern) + 1)) if states else states
            continue
        states = {
            at if pattern[at] == "*" else at + 1
            for at in states
            if at < len(pattern) and pattern[at] in ("*", "?", char)
        }
    return len(pattern) in _stars(pattern, states)


def _stars(pattern: str, states: set[int]) -> set[int]:
    """Add where each state can be without a character: a `*` may stand for nothing."""
    found = set(states)
    for at in sorted(states):
        while at < len(pattern) and pattern[at] == "*":
            at += 1
            found.add(at)
    return found


def _other_refs(world: World) -> Examined:
    signing = world.project.specs.project.spec.signing
    signed = signing is not None and signing.required
    evidence = (
        "GitHub's rulesets protect branches and tags alone, so whoever may push can move logs, runs and ledgers; "
        + (
            "signed tags name what these must hold by digest, and `mlops-ci audit` finds what was changed"
            if signed
            else "tags name what these must hold by digest, but are not signed themselves"
        )
    )
    return Examined(
        GROUP,
        "refs/mlops/* do not move",
        "advisory",
        evidence,
        "run `mlops-ci audit --since HEAD` on a schedule, in a place of its own"
        + ("" if signed else "; and sign tags (`signing`)"),
        minor=signed,
    )
