"""Readers verify what writers promise."""

from __future__ import annotations

from tests.situations.catalogue import Kind, Said, Situation, Stage
from tests.support.consumer import Consumer

KIND = Kind(
    5,
    "Events that do not verify",
    "An event that does not verify keeps its place in the log and is never in force. One rogue push stops no rollback; an event that"
    " sets it aside lets all other work go on, and every audit reports it.",
)
ROGUE = "diagnosis@v9.0.0"


def unmerged_release(stage: Stage) -> Consumer:
    """A tag that was made by hand, with the record of a release, on another commit."""
    running = stage.running()
    body = running.git("cat-file", "tag", "diagnosis@v1.0.0").partition("\n\n")[2]
    body = body.replace("diagnosis v1.0.0", "diagnosis v9.0.0")
    (running.root / "message").write_text(body)
    running.git("tag", "-a", "--cleanup=verbatim", "-F", "message", ROGUE, "HEAD")
    (running.root / "message").unlink()
    running.git("push", "--quiet", "origin", ROGUE)
    return running


SITUATIONS = (
    Situation(
        "a forged release whose record is of another one",
        unmerged_release,
        Said("show", 0),
        Said("deploy diagnosis --env prod", 1, "event-unverified", "is not in force"),
        Said("release", 1, "event-unverified", "is not in force"),
        Said("rollback diagnosis --env staging --reason back --version 1.0.0", 0, "event-unverified", "--set-aside"),
        Said(f"retire diagnosis --set-aside {ROGUE} --reason forged", 0),
        Said("deploy diagnosis --env prod", 0),
    ),
)
