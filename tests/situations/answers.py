"""Absent, refused, raced and unknown are four different things."""

from __future__ import annotations

from tests.situations.catalogue import Kind, Said, Situation, Stage
from tests.support.consumer import Consumer

KIND = Kind(
    3,
    "Not here, refused, raced, unknown",
    "What a clone has not fetched is not gone. What a host refuses is not a race that somebody else won: it is told once, in the"
    " host's own words.",
)


def plain_clone(stage: Stage) -> Consumer:
    return stage.clone(stage.running())


SITUATIONS = (
    Situation(
        "a plain clone",
        plain_clone,
        Said("show", 0),
        Said("deploy diagnosis --env prod", 0),
    ),
)
