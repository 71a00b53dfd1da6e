"""The page of situations, made from the catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.situations.catalogue import Said, Situation, kinds

PAGE = Path(__file__).parents[2] / "docs" / "situations.md"


def page() -> str:
    """Return the text of docs/situations.md."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Situations\n"
    yield (
        "What each command says in situations that real repositories get into, and its exit code. `python -m tests.situations` makes"
    )
    yield "this page; the tests in `tests/situations` bring every situation about with real git and run every row."
    for kind, situations in kinds():
        yield f"\n## {kind.title}\n\n{kind.about}\n"
        yield "| situation | command | says | exit code |\n|---|---|---|---|"
        for situation in situations:
            yield from _rows(situation)


def _rows(situation: Situation) -> Iterator[str]:
    title = situation.title.replace("|", "\\|")
    grouped: dict[tuple[str, int], list[str]] = {}
    for one in situation.said:
        grouped.setdefault((_says(one), one.exit), []).append(f"`{one.command}`")
    for at, ((says, code), commands) in enumerate(grouped.items()):
        yield f"| {title if at == 0 else ''} | {', '.join(commands)} | {says} | {code} |"


def _says(one: Said) -> str:
    if not one.id:
        return one.does
    link = f"[{one.id}](diagnostics.md#{one.id})"
    words = one.words.replace("|", "\\|").replace("<", "&lt;")
    return f"{link}: … {words} …" if words else link
