"""Real tables from a file to a verdict; `nox -s tables` takes more of them, and to predictions."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tables.catalogue import SHARED, RealTable
from tests.tables.story import tell_table_story


@pytest.mark.slow
@pytest.mark.parametrize("table", SHARED, ids=lambda table: table.name)
def test_a_real_table_reaches_a_verdict_with_what_init_wrote(table: RealTable, tmp_path: Path) -> None:
    """Given a table of a package, when init describes it, then validate and check find no error, and the gate has an answer."""
    story = tell_table_story(table, tmp_path / "story", whole=table.name == "engel.csv")
    assert story.verdict in ("pass", "fail", "inconclusive"), story.reason
    assert story.predicted == (table.name == "engel.csv")
