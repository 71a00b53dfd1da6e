"""CODEOWNERS as GitHub reads it: examples are those of its documentation."""

from __future__ import annotations

import pytest

from mlops_ci.governance.doctor.codeowners import find_owners, parse_codeowners

DOCUMENTED = """\
# a comment
*       @global-owner1 @global-owner2
*.js    @js-owner #This is an inline comment.
*.go docs@example.com
*.txt @octo-org/octocats
/build/logs/ @doctocat
docs/*  docs@example.com
apps/ @octocat
/docs/ @doctocat
/scripts/ @doctocat @octocat
**/logs @octocat
/apps/ @octocat
/apps/github
/a\\ b/ @octocat
"""


@pytest.mark.parametrize(
    ("path", "owners"),
    [
        ("README.md", ("@global-owner1", "@global-owner2")),
        ("deep/er/x.js", ("@js-owner",)),
        ("x.go", ("docs@example.com",)),
        ("build/logs/a/b", ("@octocat",)),
        ("build/x", ("@global-owner1", "@global-owner2")),
        ("docs/getting-started.md", ("@doctocat",)),
        ("other/apps/x", ("@octocat",)),
        ("apps/x", ("@octocat",)),
        ("apps/github", ()),
        ("apps/github/x", ()),
        ("scripts/x", ("@doctocat", "@octocat")),
        ("deeply/nested/logs", ("@octocat",)),
        ("deeply/nested/logs/x", ("@octocat",)),
        ("a b/x", ("@octocat",)),
    ],
)
def test_the_last_line_that_matches_counts(path: str, owners: tuple[str, ...]) -> None:
    assert find_owners(parse_codeowners(DOCUMENTED), path) == owners


@pytest.mark.parametrize(
    ("line", "path", "owned"),
    [
        ("docs/* @a", "docs/x.md", True),
        ("docs/* @a", "docs/build/x.md", False),
        ("docs/* @a", "other/docs/x.md", False),
        ("/models/**/*.yaml @a", "models/x.yaml", True),
        ("/models/**/*.yaml @a", "models/a/b/x.yaml", True),
        ("/models/** @a", "models/a/b", True),
        ("models @a", "x/models/y", True),
        ("/models @a", "x/models/y", False),
        ("m?dels/ @a", "models/x", True),
        ("*.y*ml @a", "x/y.yaml", True),
        (".github/ @a", ".github/workflows/x.yml", True),
        ("/x.(a) @a", "x.(a)", True),
        ("!x @a", "x", False),
        ("[x] @a", "x", False),
        ("x not-an-owner", "x", False),
        ("x @org/team", "x", True),
        ("x @org/team ada@example.org", "x", True),
        ("x", "x", False),
        ("   ", "x", False),
    ],
)
def test_a_pattern_is_as_in_gitignore_but_for_what_github_leaves_out(line: str, path: str, owned: bool) -> None:
    assert bool(find_owners(parse_codeowners(line), path)) == owned


def test_a_line_that_github_skips_takes_nothing_away() -> None:
    assert find_owners(parse_codeowners("* @a\nx nobody\n"), "x") == ("@a",)


def test_no_pattern_takes_longer_than_it_has_parts() -> None:
    """Given patterns that a backtracking matcher would not get done with, when paths are long, then the answer is there at once."""
    many = "*a" * 40
    lines = parse_codeowners(f"/{many}b @a\n{'**/x/' * 60}y @b\n* @c\n")
    assert find_owners(lines, "a" * 2000) == ("@c",)
    assert find_owners(lines, "x/" * 400 + "z") == ("@c",)
