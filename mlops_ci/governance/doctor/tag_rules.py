"""Checks of GitHub's rules for the registry: rulesets can protect its tags, but nothing protects its other refs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlops_ci.core.results.doctor import DoctorCheckResult
from mlops_ci.governance.doctor import bypass
from mlops_ci.governance.doctor.context import DoctorContext
from mlops_ci.governance.doctor.globs import match_lengths
from mlops_ci.governance.doctor.host import (
    UNREADABLE_ANSWER,
    UnknownAnswer,
    dict_or_empty,
    dicts_in,
    join_names,
    strings_in,
)

GROUP = "registry"
_SETTINGS = "Settings > Rules > Rulesets > New tag ruleset"


def check_tag_rules(world: DoctorContext) -> Iterator[DoctorCheckResult]:
    """Yield for each requirement on the registry's tags whether GitHub enforces it, and a row for the unprotected refs."""
    found = _fetch_tag_rulesets(world)
    names = tuple(world.project.specs.models)
    for kind, of, patterns in (
        ("release", _release_tag_forms, "`*@v*` and `*@deprecated*`"),
        ("assignment", lambda model: _assignment_tag_forms(world, model), "`*#*`"),
    ):
        help = f"{_SETTINGS}: for {patterns}, restrict updates and deletions"
        yield _row(found, f"{kind} tags do not move", {"update"}, names, of, help)
        yield _row(found, f"{kind} tags are not deleted", {"deletion"}, names, of, help)
        help = f"{_SETTINGS}: another ruleset for {patterns} that allows only people who release or deploy to create these tags"
        yield _row(found, f"only selected people may create {kind} tags", {"creation"}, names, of, help)
    what = "nobody is exempt from the tags' rules"
    if isinstance(found, UnknownAnswer):
        yield DoctorCheckResult(GROUP, what, "unknown", found.why)
    else:
        relevant = [one for one in found if {"update", "deletion"} & _rule_types(one)]
        if relevant:
            yield bypass.bypass_row(GROUP, what, relevant)
        else:
            yield DoctorCheckResult(GROUP, what, "advisory", "there are no rules", minor=True)
    yield _check_immutable_releases(world)
    yield _check_other_refs(world)


def _check_immutable_releases(world: DoctorContext) -> DoctorCheckResult:
    """Return whether a published release and its tag are locked for ever. GitHub answers 404 where this is off."""
    what = "published releases are immutable"
    help = (
        "Settings > General > Releases > Enable release immutability; `gh release verify TAG` then verifies a release"
    )
    found = world.host.fetch("/immutable-releases")
    off = "release immutability is off: whoever may write can move or delete the tag of a published release"
    if isinstance(found, UnknownAnswer):
        if found.status == 404:
            return DoctorCheckResult(
                GROUP, what, "advisory", f"{off} (or this token may not see it: 404)", help, minor=True
            )
        return DoctorCheckResult(GROUP, what, "unknown", found.why, help)
    if not isinstance(enabled := dict_or_empty(found).get("enabled"), bool):
        return DoctorCheckResult(GROUP, what, "unknown", UNREADABLE_ANSWER.why, help)
    if enabled:
        by = (
            "the owner of the repository" if dict_or_empty(found).get("enforced_by_owner") is True else "the repository"
        )
        return DoctorCheckResult(GROUP, what, "enforced", f"release immutability is on, by {by}")
    return DoctorCheckResult(GROUP, what, "advisory", off, help, minor=True)


def _fetch_tag_rulesets(world: DoctorContext) -> list[dict[str, Any]] | UnknownAnswer:
    """Return the active rulesets for tags with all their fields."""
    shown = world.host.fetch("/rulesets?includes_parents=true&per_page=100")
    if isinstance(shown, UnknownAnswer):
        return shown
    if not isinstance(shown, list):
        return UNREADABLE_ANSWER
    found = []
    for one in dicts_in(shown):
        if one.get("target") != "tag" or one.get("enforcement") != "active":
            continue
        whole = world.host.fetch(f"/rulesets/{number}") if type(number := one.get("id")) is int else UNREADABLE_ANSWER
        if isinstance(whole, UnknownAnswer):
            return whole
        found.append(dict_or_empty(whole))
    return found


def _row(
    found: list[dict[str, Any]] | UnknownAnswer, what: str, kinds: set[str], models: tuple[str, ...], of: Any, help: str
) -> DoctorCheckResult:
    if isinstance(found, UnknownAnswer):
        return DoctorCheckResult(GROUP, what, "unknown", found.why, help)
    rules = [one for one in found if kinds <= _rule_types(one)]
    bare = [model for model in models if not all(any(covers_all_tags(one, tag) for one in rules) for tag in of(model))]
    if not bare:
        evidence = f"by {join_names([str(one.get('name')) for one in rules])}" if models else "there are no models"
        return DoctorCheckResult(GROUP, what, "enforced", evidence)
    who = "of every model" if len(bare) == len(models) else f"of {join_names(bare)}"
    return DoctorCheckResult(GROUP, what, "advisory", f"no ruleset enforces it for the tags {who}", help)


def _rule_types(ruleset: dict[str, Any]) -> set[str]:
    return {kind for rule in dicts_in(ruleset.get("rules")) if isinstance(kind := rule.get("type"), str)}


def _release_tag_forms(model: str) -> tuple[str, ...]:
    version = f"{model}@v{ANY_NUMBER}.{ANY_NUMBER}.{ANY_NUMBER}"
    return (version, f"{version}!", f"{model}@deprecated#{ANY_NUMBER}")


def _assignment_tag_forms(world: DoctorContext, model: str) -> tuple[str, ...]:
    environments = world.project.specs.project.spec.environments
    return tuple(f"{model}#{name}{end}#{ANY_NUMBER}" for name in environments for end in ("", "!"))


ANY_NUMBER = "*"  # in a form of tag names: any number
_MAX_PATTERN_LENGTH = 500  # characters; a longer pattern is not evaluated
_PLACEHOLDER = "\0"  # replaces a number: only a wildcard can match it


def covers_all_tags(ruleset: dict[str, Any], tags: str) -> bool:
    """Return whether a ruleset applies to all tags of a form, such as `delay@v*.*.*`.

    A pattern with unsupported syntax never counts in favour of the ruleset.
    """
    names = dict_or_empty(dict_or_empty(ruleset.get("conditions")).get("ref_name"))
    include, exclude = names.get("include"), names.get("exclude")
    if not isinstance(exclude, list) or len(strings_in(exclude)) < len(exclude):
        return False
    ref = f"refs/tags/{tags}"
    included = any(one == "~ALL" or _matches_every_ref(one, ref) for one in strings_in(include))
    return included and not any(one == "~ALL" or _can_match_some_ref(one, ref) for one in strings_in(exclude))


def _is_supported_pattern(pattern: str) -> bool:
    return len(pattern) <= _MAX_PATTERN_LENGTH and not any(char in pattern for char in "[]{}\\~")


def _matches_every_ref(pattern: str, refs: str) -> bool:
    """Return whether a pattern matches every ref of a form. The syntax is that of fnmatch, but `*` stops at a slash."""
    if not _is_supported_pattern(pattern):
        return False
    *folders, last = pattern.split("/")
    parts = (*folders, "*" if last == "**" else last)
    tags = (refs.replace(ANY_NUMBER, _PLACEHOLDER * count).split("/") for count in (1, 5))
    return all(len(names) in match_lengths(parts, names) for names in tags)


def _can_match_some_ref(pattern: str, refs: str) -> bool:
    """Return whether a pattern may match some ref of a form; here wildcards match slashes too, to be on the safe side."""
    if not _is_supported_pattern(pattern):
        return True
    states = {0}
    for char in refs:
        states = _skip_stars(pattern, states)
        if char == ANY_NUMBER:  # any text: every later state may come next
            states = set(range(min(states), len(pattern) + 1)) if states else states
            continue
        states = {
            at if pattern[at] == "*" else at + 1
            for at in states
            if at < len(pattern) and pattern[at] in ("*", "?", char)
        }
    return len(pattern) in _skip_stars(pattern, states)


def _skip_stars(pattern: str, states: set[int]) -> set[int]:
    """Return the states reachable without consuming a character: a `*` may match nothing."""
    found = set(states)
    for at in sorted(states):
        while at < len(pattern) and pattern[at] == "*":
            at += 1
            found.add(at)
    return found


def _check_other_refs(world: DoctorContext) -> DoctorCheckResult:
    signing = world.project.specs.project.spec.signing
    signed = signing is not None and signing.required
    evidence = (
        "GitHub's rulesets protect only branches and tags, so everyone with push access can move the refs of logs, runs and ledgers; "
        + (
            "signed tags record the digests of their content, and `mlops-ci audit` finds changes"
            if signed
            else "tags record the digests of their content, but the tags are not signed"
        )
    )
    return DoctorCheckResult(
        GROUP,
        "nobody can move refs/mlops/*",
        "advisory",
        evidence,
        "run `mlops-ci audit --since HEAD` on a schedule, outside this repository"
        + ("" if signed else "; and sign tags (`signing`)"),
        minor=signed,
    )
