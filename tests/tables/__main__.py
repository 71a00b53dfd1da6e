"""Takes every real table through the whole story, and writes docs/tables.md. Arguments choose tables by name, and write their rows."""

from __future__ import annotations

import datetime as dt
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

from tests.tables.catalogue import TABLES, RealTable
from tests.tables.story import TableStory, tell_table_story

PAGE = Path(__file__).parents[2] / "docs/tables.md"


def main(chosen: Sequence[str]) -> int:
    """Try all tables and write the page, or the chosen ones and write their rows. Return 1 if a table has neither a verdict nor a reason."""
    wanted = [table for table in TABLES if not chosen or table.name in chosen]
    # each command is a process, and often waits for another one
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor((os.cpu_count() or 1) + 1) as pool:
        places = [Path(folder, str(index)) for index in range(len(wanted))]
        stories = list(pool.map(_tell_story, wanted, places))
    old = PAGE.read_text(encoding="utf-8").splitlines() if chosen else []
    PAGE.write_text("\n".join(replace_rows(old, stories) if old else _page(stories)) + "\n", encoding="utf-8")
    print(f"{len(stories)} tables, {sum(one.predicted for one in stories)} of them predicted")
    return int(any(not (one.verdict or one.reason) for one in stories))


def _tell_story(table: RealTable, folder: Path) -> TableStory:
    try:
        story = tell_table_story(table, folder)
    except AssertionError as error:
        story = TableStory(table, reason=" ".join(str(error).split())[:600])
    print(f"{table.package} {table.name}: {story.verdict or 'no verdict'} {story.options} {story.reason}", flush=True)
    return story


def _page(stories: Sequence[TableStory]) -> Iterator[str]:
    versions = ", ".join(
        f"{name} {metadata.version(name)}" for name in dict.fromkeys(one.table.package for one in stories)
    )
    day = dt.datetime.now(dt.UTC).date()
    yield from (
        "# Real tables",
        "",
        f"`nox -s tables` makes this page. This one is of {day}, with {versions}.",
        "It takes each table, as the package has it, through `init --from`, `validate`, `check` and `gate`, and if the gate passes,",
        "through `release`, `fetch` and `predict` on the same file. Nothing is written by hand: the source's options and the estimator are those that `init` writes.",
        "A verdict other than `pass` is an answer, too: such a model is not released.",
        "",
        "| table | target | rows | options of the source | estimator | verdict | predicts | reason |",
        "|---|---|---|---|---|---|---|---|",
    )
    yield from map(_row, stories)


def replace_rows(page: Sequence[str], stories: Sequence[TableStory]) -> list[str]:
    """Return the lines of the page, with the rows of these tables made anew."""
    rows = {_first_cell(one): _row(one) for one in stories}
    return [next((row for cell, row in rows.items() if line.startswith(cell)), line) for line in page]


def _first_cell(one: TableStory) -> str:
    return f"| {one.table.name} ({one.table.package}) |"


def _row(one: TableStory) -> str:
    cells = [
        f"`{one.table.target}`",
        f"{one.rows:,}",
        f"`{one.options}`" if one.options else "",
        one.estimator,
        one.verdict or "none",
        "yes" if one.predicted else "",
        one.reason,
    ]
    return f"{_first_cell(one)} {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
