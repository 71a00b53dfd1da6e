"""Which tags a ruleset is about, by the patterns that it names: asked of every tag of a form at once."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mlops_ci.governance.doctor.tag_rules import ANY_NUMBER, covers_all_tags

PATTERNS = st.lists(st.sampled_from(["refs/tags/", "a", "b", "@v", "*", "?", "#", "1", ".", "**"]), max_size=7).map(
    "".join
)
EXCLUDED = PATTERNS | st.sampled_from(["refs/tags/a@v1*", "refs/tags/*1", "refs/tags/?#*", "*/*/*!", "refs/tags/*.0"])
FORMS = st.sampled_from(["a@v*.*.*", "a#b#*", "a@v*.*.*!", "b@deprecated#*"])
NUMBERS = st.lists(st.sampled_from(["0", "1", "11", "20", "123"]), min_size=3, max_size=3)


def ruleset(include: list[str], exclude: list[str]) -> dict[str, Any]:
    return {"conditions": {"ref_name": {"include": include, "exclude": exclude}}}


def matches(pattern: str, ref: str) -> bool:
    """As File.fnmatch with FNM_PATHNAME has it, whose stars stop at a slash; `**/` is any number of folders."""
    said = re.escape(pattern).replace(r"\*\*/", "(?:.*/)?").replace(r"\*\*", "[^/]*").replace(r"\*", "[^/]*")
    return re.fullmatch(said.replace(r"\?", "[^/]"), ref) is not None


@given(PATTERNS, EXCLUDED, FORMS, NUMBERS)
def test_what_is_covered_names_each_tag_and_leaves_none_out(
    include: str, exclude: str, form: str, numbers: list[str]
) -> None:
    """Whatever the patterns, when a form is covered, then so is each tag of it, by a plain reading of the patterns."""
    if covers_all_tags(ruleset([include, "refs/tags/a*"], [exclude]), form):
        tag = form
        for number in numbers:
            tag = tag.replace(ANY_NUMBER, number, 1)
        ref = f"refs/tags/{tag}"
        assert matches(include, ref) or matches("refs/tags/a*", ref)
        assert not matches(exclude, ref)


def test_a_ruleset_whose_conditions_are_of_another_form_covers_nothing() -> None:
    for conditions in (
        None,
        {},
        {"ref_name": None},
        {"ref_name": {"include": "~ALL", "exclude": []}},
        {"ref_name": {"include": ["~ALL"]}},
        {"ref_name": {"include": ["~ALL"], "exclude": [1]}},
    ):
        assert not covers_all_tags({"conditions": conditions}, "a@v*.*.*")
    assert covers_all_tags(ruleset(["~ALL"], []), "a@v*.*.*")
    assert not covers_all_tags(ruleset(["refs/tags/" + "*" * 600], []), "a@v*.*.*")
