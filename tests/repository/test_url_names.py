"""One repository has one name, however it is reached; a fork of another owner has another."""

from __future__ import annotations

import pytest

from mlops_ci.repository.url_names import is_same_repository, parse_repository_name


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://github.com/Acme/Models.git", "acme/models"),
        ("https://user:token@github.com/acme/models/", "acme/models"),
        ("git@github.com:acme/models.git", "acme/models"),
        ("ssh://git@host:22/group/sub/models.git", "sub/models"),
        ("git@host:models.git", "models"),
        ("http://127.0.0.1:8080/origin.git", "origin"),
        ("/srv/git/models.git", "models"),
        ("file:///srv/git/models.git", "models"),
        ("/home/ada/models/.git", "models"),
        ("C:\\git\\models.git", "models"),
        ("https://github.com/", None),
    ],
)
def test_the_name_is_what_the_url_says_of_owner_and_repository(url: str, name: str | None) -> None:
    assert parse_repository_name(url) == name


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("acme/models", "acme/models", True),
        ("acme/models", "eve/models", False),
        ("models", "acme/models", True),  # a path beside a URL of a host
        ("models", "others", False),
        (None, "acme/models", False),
        (None, None, True),
    ],
)
def test_an_owner_that_is_not_known_tells_nothing(one: str | None, other: str | None, same: bool) -> None:
    assert is_same_repository(one, other) is same
